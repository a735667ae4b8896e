"""Zones and lines put into configuration files of many forms: nothing else changes, or nothing at all."""

import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytest.importorskip("pydantic")
from edge.errors import ConfigError, OutputError
from edge.service.web.editor import Area, Editor, with_area

TEXT = """# The shop.
[model]
pack = "person.pack"  # built on Monday

[[camera]]
name = "door"  # the front one
source = "rtsp://10.0.0.1/1"

# Who waits to pay.
[[camera.zone]]
name = "till"
points = [[0.1, 0.5], [0.5, 0.5], [0.5, 1.0]]  # measured

[[camera.zone]]
name = "shelf"
points = [
  [0.6, 0.6],  # left
  [0.9, 0.6],
  [0.9, 0.9],
]

# The yard is dark at night.
[[camera]]
name = "yard"
source = "/dev/video0"

# Numbers for everybody.
[jsonl]
folder = "/tmp"
"""
TRIANGLE = [(0.0, 0.0), (1.0, 0.0), (0.5, 0.123456)]


def zone(camera: str, name: str) -> Area:
    return Area(camera, "zone", name, TRIANGLE)


def zones(text: str, camera: int) -> dict[str, Any]:
    return {zone["name"]: zone["points"] for zone in tomllib.loads(text)["camera"][camera].get("zone", [])}


def test_a_new_zone_stands_behind_its_camera_and_above_what_is_written_of_the_next() -> None:
    new = with_area(TEXT, zone("door", "new"))
    added = '[[camera.zone]]\nname = "new"\npoints = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.1235]]\n'
    assert new == TEXT.replace("\n# The yard is dark", f"\n{added}\n# The yard is dark")
    assert list(zones(new, 0)) == ["till", "shelf", "new"]


def test_the_last_camera_and_one_without_zones_get_theirs() -> None:
    new = with_area(TEXT, zone("yard", "gate"))
    assert list(zones(new, 1)) == ["gate"]
    assert new.replace(zone("yard", "gate").toml + "\n", "") == TEXT
    short = TEXT[: TEXT.index("\n# Numbers")].rstrip("\n")
    assert with_area(short, zone("yard", "gate")) == short + "\n\n" + zone("yard", "gate").toml


def test_a_zone_that_is_there_gets_other_points_and_keeps_its_comments() -> None:
    new = with_area(TEXT, zone("door", "till"))
    points = "points = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.1235]]"
    assert new == TEXT.replace("points = [[0.1, 0.5], [0.5, 0.5], [0.5, 1.0]]", points)
    shelf = with_area(TEXT, zone("door", "shelf"))
    assert shelf.startswith(TEXT[: TEXT.index("points = [\n")] + points)
    assert shelf.endswith(TEXT[TEXT.index("\n# The yard") :])
    assert zones(shelf, 0)["shelf"] == [[0.0, 0.0], [1.0, 0.0], [0.5, 0.1235]]


def test_a_line_is_none_of_the_zones() -> None:
    new = with_area(TEXT, Area("door", "line", "till", [(0.0, 0.5), (1.0, 0.5)]))
    assert tomllib.loads(new)["camera"][0]["line"] == [{"name": "till", "points": [[0.0, 0.5], [1.0, 0.5]]}]
    assert zones(new, 0) == zones(TEXT, 0)


def test_line_ends_of_windows_stay() -> None:
    text = TEXT.replace("\n", "\r\n")
    new = with_area(text, zone("door", "till"))
    assert new.replace("\r\n", "\n") == with_area(TEXT, zone("door", "till"))
    assert new.count("\r\n") == text.count("\r\n")


def test_a_mark_of_the_byte_order_stays() -> None:
    assert with_area("\ufeff" + TEXT, zone("door", "till")) == "\ufeff" + with_area(TEXT, zone("door", "till"))


@pytest.mark.parametrize(
    "text",
    [
        '[[camera]]\nname = "door"\nzone = [{name = "till", points = [[0, 0], [1, 0], [1, 1]]}]\n',
        'camera = [{name = "door", zone = [{name = "till", points = [[0, 0], [1, 0], [1, 1]]}]}]\n',
        'camera = [{name = "door"}]\n',
    ],
)
def test_what_is_written_in_one_line_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigError, match="in a form that the page cannot change"):
        with_area(text, zone("door", "till"))
    with pytest.raises(ConfigError, match="in a form that the page cannot change"):
        with_area(text, zone("door", "new"))


def test_text_that_looks_like_tables_is_not_taken_for_them() -> None:
    tricky = TEXT.replace(
        'source = "rtsp://10.0.0.1/1"', 'source = """rtsp://10.0.0.1/1\n[[camera]]\n[jsonl]\npoints = [[1, 2]]"""'
    )
    new = with_area(tricky, zone("door", "new"))
    assert list(zones(new, 0)) == ["till", "shelf", "new"]
    assert tomllib.loads(new)["camera"][0]["source"] == tomllib.loads(tricky)["camera"][0]["source"]


def test_an_unknown_camera_and_a_broken_file_are_said() -> None:
    with pytest.raises(ConfigError, match="camera: expected one of the configuration file, found 'none'"):
        with_area(TEXT, zone("none", "a"))
    with pytest.raises(ConfigError, match="expected TOML"):
        with_area(TEXT + "[", zone("door", "a"))


def test_mistakes_of_what_was_drawn_are_those_of_the_configuration() -> None:
    assert zone("door", "till").mistakes() == []
    assert Area("door", "zone", "a", TRIANGLE[:2]).mistakes() == ["points: expected at least 3, found 2"]
    (mistake,) = Area("door", "zone", "The Till", TRIANGLE).mistakes()
    assert mistake == "name: expected up to 32 small letters, digits, - and _, found 'The Till'"
    (mistake,) = Area("door", "line", "a", [(0.5, 0.5), (0.5, 0.5)]).mistakes()
    assert "expected two different ones" in mistake
    (mistake,) = Area("door", "line", "a", [(0.5, 0.5), (1.5, 0.5)]).mistakes()
    assert "shares of width and height from 0 to 1" in mistake
    for odd in ('"', "a\nb", "\\"):
        assert tomllib.loads(Area("door", "zone", odd, TRIANGLE).toml.replace("[[camera.zone]]", ""))["name"] == odd


def test_a_file_is_replaced_whole_with_its_permissions_and_a_reload_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "real.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    link = tmp_path / "nanotrack.toml"
    link.symlink_to(path)
    reloads: list[str] = []
    Editor(link, lambda: reloads.append(path.read_text())).save(zone("door", "new"))
    assert reloads == [with_area(TEXT, zone("door", "new"))]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["nanotrack.toml", "real.toml"]


def test_what_the_daemon_would_refuse_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "nanotrack.toml"
    path.write_text(TEXT.replace('folder = "/tmp"', 'foldr = "/tmp"'))
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="did you mean 'folder'"):
        Editor(path, lambda: pytest.fail("a reload")).save(zone("door", "new"))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["nanotrack.toml"]


def test_mistakes_in_the_file_are_told_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "nanotrack.toml"
    for text, place in (
        (TEXT + "[heat]\nlimit = 80\n", f"{path}:{TEXT.count(chr(10)) + 2}:1: heat.limit: unknown key"),
        (TEXT + "[", f"{path}:{TEXT.count(chr(10)) + 1}:1: expected TOML"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=re.escape(place)):
            Editor(path, lambda: None).save(zone("door", "new"))
        assert path.read_text() == text


def test_a_disk_that_takes_nothing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nanotrack.toml"
    path.write_text(TEXT)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device; put the table in by hand"):
        Editor(path, lambda: pytest.fail("a reload")).save(zone("door", "new"))
    assert path.read_text() == TEXT
    assert os.listdir(tmp_path) == ["nanotrack.toml"]


def test_a_folder_that_the_service_may_not_write_is_an_obstacle(tmp_path: Path) -> None:
    assert Editor(tmp_path / "nanotrack.toml", lambda: None).obstacle == ""
    # The tests may run as root, which may write everywhere else.
    obstacle = Editor(Path("/proc/nanotrack.toml"), lambda: None).obstacle
    assert obstacle == "this service may not write into /proc, where its configuration is"

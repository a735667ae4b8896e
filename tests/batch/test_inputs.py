"""Which recordings INPUTs name, and what they are called."""

import io
import os
from pathlib import Path

import pytest

from edge.batch.inputs import recordings
from edge.batch.recording import Area
from edge.errors import ConfigError, NotFoundError, UsageError

SQUARE = '[{"name": "till", "points": [[0, 0], [1, 0], [1, 1]]}]'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in the current folder: none is looked into."""
    for name in (
        "a.mp4", "a.avi", "b 2.MKV", "b 10.mkv", "notes.txt", ".hidden.mp4", "cam1/x.mp4", "cam2/x.mp4",
        "seq/img1/1.jpg", "seq/img1/2.jpg", "thumbs/y.mp4", "thumbs/y.jpg",
    ):  # fmt: skip
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: str) -> list[str]:
    return [recording.name for recording in recordings(inputs)]


def test_a_folder_is_all_videos_below_it(place: Path) -> None:
    found = recordings(["in"])
    assert [each.name for each in found] == [
        "a.avi", "a.mp4", "b 2", "b 10", "cam1/x", "cam2/x", "seq/img1", "thumbs/y",
    ]  # fmt: skip
    assert found[4].address == str(place / "in" / "cam1" / "x.mp4")
    assert found[6].address == str(place / "in" / "seq" / "img1")


def test_a_folder_of_images_is_one_recording(place: Path) -> None:
    assert names("in/seq/img1") == ["img1"]


def test_files_have_short_names_and_longer_ones_where_two_are_alike(place: Path) -> None:
    assert names("in/cam1/x.mp4", "in/thumbs/y.mp4") == ["x", "y"]
    assert names("in/cam1/x.mp4", "in/cam2/x.mp4") == ["cam1/x.mp4", "cam2/x.mp4"]
    assert names("in/a.mp4", "in/a.avi") == ["a.mp4", "a.avi"]
    assert names("in/cam1", "in/cam2") == ["cam1/x.mp4", "cam2/x.mp4"]


def test_a_pattern_keeps_the_folders_that_it_leaves_open(place: Path) -> None:
    assert names("in/cam*/x.mp4") == ["cam1/x", "cam2/x"]
    assert names("in/**/x.mp4") == ["cam1/x", "cam2/x"]
    with pytest.raises(UsageError, match="name their folder"):
        names("in/seq/img1/*.jpg")


def test_what_is_named_twice_is_one_recording(place: Path) -> None:
    assert names("in/cam1", "in/cam1/x.mp4", "./in/../in/cam1/x.mp4") == ["x"]


def test_a_list_and_standard_input(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "in" / "list.txt").write_text("# cameras\ncam1\n\n  cam2/x.mp4  \ngone.mp4\ndemo://?frames=5\n")
    found = recordings(["in/list.txt"])
    assert [each.name for each in found] == ["cam1/x.mp4", "cam2/x.mp4", "gone", "demo"]
    assert found[2].address == str(place / "in" / "gone.mp4")  # set aside by the run, never in its way
    monkeypatch.setattr("sys.stdin", io.StringIO("in/a.mp4\n"))
    assert names("-") == ["a"]


def test_two_scenes_are_two_recordings(place: Path) -> None:
    first, second = names("demo://?frames=5", "demo://?frames=6")
    assert first != second
    assert {first[:5], second[:5]} == {"demo-"}


def test_a_table_has_settings_for_each(place: Path) -> None:
    (place / "door.toml").write_text(
        '[[zone]]\nname = "hall"\npoints = [[0, 0], [1, 0], [1, 1]]\n'
        '[[line]]\nname = "entry"\npoints = [[0, 0], [1, 1]]\n'
    )
    quoted = SQUARE.replace('"', '""')
    (place / "t.csv").write_text(
        "\ufeffpath, name,frame_rate,starts,areas,zones\n"
        "in/a.mp4,door/monday,12.5,2026-11-30T08:00:00Z,door.toml,\n"
        f'in/cam1/x.mp4,,,,door.toml,"{quoted}"\n'
        "in/cam2/x.mp4,,,,,\n"
    )
    default = Area("all", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    first, second, third = recordings(["t.csv"], frame_rate=20.0, zone=(default,))
    assert (first.name, first.frame_rate, first.starts_s) == ("door/monday", 12.5, 1796025600.0)
    assert [zone.name for zone in first.zone] == ["hall"]
    assert first.line == (Area("entry", ((0.0, 0.0), (1.0, 1.0))),)
    assert ([zone.name for zone in second.zone], [line.name for line in second.line]) == (["till"], ["entry"])
    assert (third.frame_rate, third.zone, third.line) == (20.0, (default,), ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file\nin/a.mp4\n", "path among them"),
        ("path,zone\nin/a.mp4,\n", "path, zone"),
        ("path;zones\nin/a.mp4;\n", "separated by commas"),
        ("path,frame_rate\nin/a.mp4,fast\n", "line 2: frame_rate: expected a number, found 'fast'"),
        ("path,frame_rate\nin/a.mp4,0\n", "frame_rate: expected a number from 0.01"),
        ("path,zones\nin/a.mp4,till\n", "zones: expected JSON"),
        ('path,zones\nin/a.mp4,"[{""name"": ""till""}]"\n', "zone.till.points: missing"),
        ("path,starts\nin/a.mp4,yesterday\n", "starts: expected a time"),
        ("path,starts\nin/a.mp4,2026-11-30T08:00:00\n", "an offset from UTC"),
        ("path,name\nin/a.mp4,../a\n", "name: expected a relative path"),
        ("path,name\nin/a.mp4,x\nin/a.avi,x\n", "the name of two recordings"),
        ("path,frame_rate\nin/a.mp4,5\nin/a.mp4,6\n", "different settings"),
        ("path\nin/a.mp4,5\n", "as many cells"),
        ("path," + 200_000 * "x" + "\n", "behind line 0: field larger than"),
    ],
)
def test_mistakes_in_a_table(place: Path, text: str, said: str) -> None:
    (place / "t.csv").write_text(text)
    with pytest.raises(ConfigError) as raised:
        recordings(["t.csv"])
    assert said in str(raised.value)


def test_all_mistakes_of_a_table_are_told_at_once(place: Path) -> None:
    (place / "t.csv").write_text("path,frame_rate\nin/a.mp4,x\nin/a.avi,1\nin/cam1/x.mp4,y\n")
    with pytest.raises(ConfigError, match=r"2 to correct:\n  line 2: .*\n  line 4: "):
        recordings(["t.csv"])


def test_what_is_not_there(place: Path) -> None:
    for text in ("gone.mp4", "gone/*.mp4", "gone.txt", "gone.csv"):
        with pytest.raises(NotFoundError, match="gone"):
            recordings([text])


def test_a_name_that_is_no_text_is_made_printable(place: Path) -> None:
    name = os.fsdecode(b"in/\xff\n.mp4")
    Path(name).touch()
    (found,) = recordings([name])
    assert found.name == "__"
    assert found.address == str(place / name)

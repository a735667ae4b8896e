"""The folder of pictures stays bounded in age and size, through restarts and full disks."""

import os
from pathlib import Path

import pytest

from edge.errors import OutputError
from edge.sinks.pictures.folder import NAME, PictureFolder, name_of
from tests.field import SmallDisk

NOON_S = 1_790_000_000.0  # 2026-09-21
DAY_S = 86400.0
needs_mount = pytest.mark.skipif(not SmallDisk.may_mount(), reason="only root may mount a small file system")


def opened(folder: Path, keep_days: float = 30, max_mib: float = 1.0, now_s: float = NOON_S) -> PictureFolder:
    pictures = PictureFolder(folder, "jpg", keep_days, max_mib, 0.0, utc=lambda: now_s)
    pictures.open()
    return pictures


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_name_tells_camera_time_and_identity() -> None:
    name = name_of("back-door_2", NOON_S + 0.1204, 17, "jpg")
    assert name == "2026-09-21/back-door_2-141320.120-17.jpg"
    assert NAME.fullmatch(name)
    for other in ("2026-09-21/../x.jpg", "/etc/passwd", "2026-09-21/a-135320.120-17.png", "a-135320.120-17.jpg"):
        assert NAME.fullmatch(other) is None


def test_what_is_too_much_goes_oldest_first_also_after_a_restart(tmp_path: Path) -> None:
    names = [name_of("door", NOON_S + 7000 * i, i, "jpg") for i in range(30)]  # over two midnights
    for start in range(0, 30, 10):
        pictures = opened(tmp_path, now_s=NOON_S + 2 * DAY_S)
        for name in names[start : start + 10]:
            pictures.write(name, bytes(100_000))
    assert files(tmp_path) == names[-10:]
    assert {path.name for path in tmp_path.iterdir()} == {name[:10] for name in names[-10:]}


def test_what_is_too_old_goes_with_its_folder(tmp_path: Path) -> None:
    pictures = opened(tmp_path, keep_days=3)
    old, new = name_of("a", NOON_S - 2 * DAY_S, 1, "jpg"), name_of("a", NOON_S, 2, "jpg")
    pictures.write(old, b"x")
    pictures.write(new, b"y")
    assert files(tmp_path) == [old, new]
    opened(tmp_path, keep_days=3, now_s=NOON_S + 2 * DAY_S)
    assert files(tmp_path) == [new]
    assert not (tmp_path / old).parent.exists()


def test_what_becomes_too_old_goes_though_nothing_new_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.sinks.pictures.folder._TIDY_EVERY_S", 0.0)
    now_s = [NOON_S]
    pictures = PictureFolder(tmp_path, "jpg", 3, 1.0, 0.0, utc=lambda: now_s[0])
    pictures.open()
    name = name_of("a", NOON_S, 1, "jpg")
    pictures.write(name, b"x")
    for days, kept in ((3, [name]), (3.01, [])):
        now_s[0] = NOON_S + days * DAY_S
        pictures.tidy()
        assert files(tmp_path) == kept


def test_of_cameras_whose_names_sort_differently_the_oldest_goes(tmp_path: Path) -> None:
    pictures = opened(tmp_path)
    names = [name_of(camera, NOON_S + i, 1, "jpg") for i, camera in enumerate(("z", "a", "m-1", "b"))]
    for name in names:
        pictures.write(name, bytes(300_000))
    assert set(files(tmp_path)) == set(names[1:])
    opened(tmp_path, max_mib=0.6)
    assert set(files(tmp_path)) == set(names[2:])


def test_other_files_are_left_alone_and_unfinished_ones_removed(tmp_path: Path) -> None:
    day = tmp_path / "2020-01-01"
    day.mkdir()
    for name in (
        "holiday.jpg",
        "a-000000.000-1.webm",
        "a-000000.000-2.jpg",
        "a-000000.000-3.jpg.part",
        ".a-000000.000-4.jpg.part.jpg",
    ):
        (day / name).write_bytes(b"x")
    opened(tmp_path, keep_days=1)
    assert files(tmp_path) == ["2020-01-01/a-000000.000-1.webm", "2020-01-01/holiday.jpg"]


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make this folder"):
        PictureFolder(tmp_path / "file" / "pictures", "jpg", 1, 1, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="may not write there"):
        PictureFolder(tmp_path, "jpg", 1, 1, 0)


@needs_mount
def test_a_full_disk_is_said_leaves_nothing_behind_and_is_written_again(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", 2)
    try:
        pictures = opened(disk.folder)
        disk.fill()
        with pytest.raises(OutputError, match="No space left"):
            pictures.write(name_of("a", NOON_S, 1, "jpg"), bytes(100_000))
        assert files(disk.folder) == ["ballast"]
        disk.free()
        name = name_of("a", NOON_S, 2, "jpg")
        pictures.write(name, bytes(100_000))
        assert files(disk.folder) == [name]
    finally:
        disk.close()


def test_with_too_little_free_space_nothing_is_written(tmp_path: Path) -> None:
    pictures = PictureFolder(tmp_path, "jpg", 1, 1, free_mib=1e9)
    with pytest.raises(OutputError, match="free on the disk"):
        pictures.write(name_of("a", NOON_S, 1, "jpg"), b"x")
    assert files(tmp_path) == []

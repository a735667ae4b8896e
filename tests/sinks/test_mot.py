from pathlib import Path

import pytest

from edge.errors import OutputError
from edge.events import CameraChanged, Moment, Observed, Origin
from edge.motchallenge import read_tracks
from edge.settings.config import Mot
from edge.sinks.mot import MotFolder, MotText
from tests.sinks.tracks import frame, observed, tracks


def test_rows_of_ten_fields_that_read_back(tmp_path: Path) -> None:
    sink = MotText(tmp_path / "o.txt")
    sink.write([observed(frame(1), tracks(3, 5))])
    sink.write([observed(frame(2), tracks())])
    sink.write([observed(frame(4), tracks(5))])
    sink.close()
    text = (tmp_path / "o.txt").read_text()
    assert text.splitlines()[0] == "1,3,10.00,20.25,15.00,40.25,0.7500,-1,-1,-1"
    rows = read_tracks(tmp_path / "o.txt")
    assert (rows.frames.tolist(), rows.ids.tolist()) == ([1, 1, 4], [3, 5, 5])


def seen(run: str, number: int, *ids: int) -> Observed:
    return Observed(
        Origin(run, "door", ["person"]), Moment(number / 10, None), number, (128, 96), tracks(*ids), [0] * len(ids)
    )


def stopped(run: str) -> CameraChanged:
    return CameraChanged(Origin(run, "door", ["person"]), Moment(9.0, None), "stopped", "")


def test_every_run_of_a_camera_is_a_sequence_of_its_own(tmp_path: Path) -> None:
    out = MotFolder(Mot(str(tmp_path), free_mib=0))
    out.write([seen("a", 1, 4, 7), seen("b", 1, 4), seen("a", 2), stopped("a")])
    out.write([seen("b", 2, 4), stopped("b")])
    out.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["door-a.txt", "door-b.txt"]
    found = {name: read_tracks(tmp_path / f"door-{name}.txt") for name in ("a", "b")}
    assert (found["a"].frames.tolist(), found["a"].ids.tolist()) == ([1, 1], [4, 7])
    assert (found["b"].frames.tolist(), found["b"].ids.tolist()) == ([1, 2], [4, 4])


def test_a_run_that_goes_on_in_another_output_is_written_on(tmp_path: Path) -> None:
    for number in (1, 2):  # as after a reload of the section
        out = MotFolder(Mot(str(tmp_path), free_mib=0))
        out.write([seen("a", number, 4)])
        out.close()
    assert len((tmp_path / "door-a.txt").read_text().splitlines()) == 2


def test_below_the_floor_no_rows_are_written(tmp_path: Path) -> None:
    out = MotFolder(Mot(str(tmp_path), free_mib=1 << 20))
    with pytest.raises(OutputError, match="expected at least"):
        out.write([seen("a", 1, 4)])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected a folder"):
        MotFolder(Mot(str(tmp_path / "none")))


def test_a_file_that_was_removed_or_moved_is_begun_anew(tmp_path: Path) -> None:
    out = MotFolder(Mot(str(tmp_path), free_mib=0))
    path = tmp_path / "door-a.txt"
    out.write([seen("a", 1, 4)])
    path.unlink()
    out.write([seen("a", 2, 4)])
    path.rename(tmp_path / "taken.txt")
    out.write([seen("a", 3, 4)])
    out.close()
    assert [read_tracks(tmp_path / name).frames.tolist() for name in ("taken.txt", "door-a.txt")] == [[2], [3]]


def test_rows_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    sink = MotText(Path("-"))
    sink.write([observed(frame(1), tracks(3))])
    assert capsys.readouterr().out == "1,3,10.00,20.25,15.00,40.25,0.7500,-1,-1,-1\n"
    sink.close()
    assert not Path("-").exists()

"""Reading is strict and keeps every number; what is written is read back."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import motchallenge
from edge.errors import DataError, NotFoundError
from edge.motchallenge import format_rows, read_detections, read_ground_truth, read_seqinfo, read_tracks
from edge.types import Tracks


def write(folder: Path, text: str, name: str = "det.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def tracks(ids: list[int], boxes: list[list[float]], scores: list[float]) -> Tracks:
    n = len(ids)
    return Tracks(
        np.array(ids, np.int64),
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(scores, np.float32),
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int32),
    )


def test_detections_come_by_frame_whatever_the_order_of_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "3,-1,10,20,30,40,.5\n1,-1,1,2,3,4,0.25,-1,-1,-1\n\n3,-1,0,0,1,1,1\n")
    frames = read_detections(path)
    assert [len(f) for f in frames] == [1, 0, 2]
    assert frames[0].boxes_xyxy.tolist() == [[1, 2, 4, 6]]
    assert frames[2].boxes_xyxy.tolist() == [[10, 20, 40, 60], [0, 0, 1, 1]]  # the file's order within a frame
    assert frames[2].scores.tolist() == [0.5, 1]
    for found in frames:
        assert found.boxes_xyxy.dtype == found.scores.dtype == np.float32
        assert found.classes is not None
        assert found.classes.dtype == np.int32


def test_gzip_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"1,1,1,2,3,4,.5\r\n2,1,1,2,3,4,.5\r\n"))
    assert len(read_detections(path)) == 2


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_rows_is_a_sequence_without_boxes(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    assert read_detections(path) == []
    assert [len(f) for f in read_detections(path, 3)] == [0, 0, 0]
    assert len(read_tracks(path)) == len(read_ground_truth(path)) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,1,2,3,4,.5\n1,1,1,2,3\n", "line 2: expected at least 7 fields .* found 5"),
        ("\n1,1,1,2,3,4,.5\n1,1,x,2,3,4,.5\n", "line 3: expected a finite number as left, found 'x'"),
        ("1,1,1,2,3,4,nan\n", "line 1: expected a finite number as score, found 'nan'"),
        ("1,1,1,2,inf,4,1\n", "line 1: expected a finite number as width, found 'inf'"),
        ("1,1,1,2,,4,1\n", "line 1: expected a finite number as width, found ''"),
        ("0,1,1,2,3,4,1\n", "line 1: expected a frame from 1 to"),
        ("1.5,1,1,2,3,4,1\n", "line 1: expected a whole number as frame, found '1.5'"),
        ("1e18,1,1,2,3,4,1\n", "line 1: expected a frame from 1 to"),
        ("1 1 1 2 3 4 1\n", "line 1: expected at least 7 fields separated by commas"),
        ("\x00\xff\n", "line 1: expected at least 7 fields"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=f"det.txt, {message}"):
        read_detections(path)


def test_a_frame_beyond_the_sequence_is_a_mistake(tmp_path: Path) -> None:
    path = write(tmp_path, "1,1,1,2,3,4,1\n7,1,1,2,3,4,1\n")
    with pytest.raises(DataError, match=r"line 2: expected a frame from 1 to 6, found 7"):
        read_tracks(path, 6)


def test_broken_and_missing_files(tmp_path: Path) -> None:
    broken = tmp_path / "a.gz"
    broken.write_bytes(gzip.compress(b"1,1,1,2,3,4,.5\n" * 1000)[:-20])
    with pytest.raises(DataError, match="truncated"):
        read_detections(broken)
    broken.write_bytes(b"1,1,1,2,3,4,.5\n")
    with pytest.raises(DataError, match="expected gzip"):
        read_detections(broken)
    with pytest.raises(NotFoundError, match=r"none.txt"):
        read_detections(tmp_path / "none.txt")
    with pytest.raises(NotFoundError):
        read_detections(tmp_path)


def test_ground_truth_keeps_flag_and_class(tmp_path: Path) -> None:
    truth = read_ground_truth(write(tmp_path, "2,5,1,2,3,4,0,7,1\n1,0,1,2,3,4,1,1,.5\n"))
    assert truth.frames.tolist() == [1, 2]
    assert truth.ids.tolist() == [0, 5]
    assert truth.scores.tolist() == [1, 0]
    assert truth.classes.tolist() == [1, 7]


def test_mot15_has_a_place_in_the_world_where_others_have_class_and_visibility(tmp_path: Path) -> None:
    truth = read_ground_truth(write(tmp_path, "2,5,1,2,3,4,0,4.4852,5.5016,0\n1,3,1,2,3,4,1,-1.5,2,0\n"))
    assert (truth.frames.tolist(), truth.ids.tolist()) == ([1, 2], [3, 5])
    assert truth.scores.tolist() == [1, 0]
    assert truth.classes.tolist() == [1, 1]
    unknown = read_ground_truth(write(tmp_path, "1,1,1703,385,157,339,1,-1,-1,-1\n"))
    assert (unknown.classes.tolist(), unknown.boxes_ltwh.tolist()) == ([1], [[1703, 385, 157, 339]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,1,2,3,4,1\n", "line 1: expected 9 fields .* or MOT15's 10 .*, found 7"),
        ("1,1,1,2,3,4,1,1,1\n\n1,2,1,2,3,4,1,1,1,1,1\n", "line 3: expected 9 fields .*, found 11"),
        ("1,1,1,2,3,4,1,1,1\n1,2,1,2,3,4,1,-1,-1,-1\n", "line 2: expected as many fields as in line 1, 9, found 10"),
        ("1,1,1,2,3,4,1,4.5,5.5,0\n1,2,1,2,3,4,1,x,5,0\n", "line 2: expected a finite number as x, found 'x'"),
        ("1,1,1,2,3,4,1,4.5,.5\n", "line 1: expected a whole number as class, found '4.5'"),
    ],
)
def test_truth_of_neither_form_is_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"det.txt, {message}"):
        read_ground_truth(write(tmp_path, text))


def test_truth_that_fits_both_forms_is_not_guessed_at(tmp_path: Path) -> None:
    text = "1,1,1,2,3,4,1,7,.5,-1\n1,2,1,2,3,4,1,1,1,-1\n"
    with pytest.raises(DataError, match=r"columns 8 and 9 can be class and visibility.*remove column 10"):
        read_ground_truth(write(tmp_path, text))


def test_mot15s_own_file_holds_what_the_same_truth_in_mot17s_columns_does(data: Path) -> None:
    own = read_ground_truth(data / "tud/TUD-Stadtmitte/gt.txt", 179)
    other = read_ground_truth(data / "mot15/gt/TUD-Stadtmitte/gt/gt.txt", 179)
    for name in ("frames", "ids", "boxes_ltwh", "scores", "classes"):
        np.testing.assert_array_equal(getattr(own, name), getattr(other, name))


def test_seqinfo(tmp_path: Path) -> None:
    text = "[Sequence]\nname=A%b\nframeRate=14\nseqLength=837\nimWidth=640\nimHeight=480\n"
    info = read_seqinfo(write(tmp_path, text, "seqinfo.ini"))
    assert (info.name, info.frame_rate, info.frame_count, info.image_folder) == ("A%b", 14.0, 837, "img1")
    with pytest.raises(DataError, match="expected frameRate and seqLength above 0"):
        read_seqinfo(write(tmp_path, text.replace("=14", "=nan")))
    with pytest.raises(DataError, match="seqLength"):
        read_seqinfo(write(tmp_path, text.replace("seqLength", "length")))
    with pytest.raises(DataError, match=r"not a seqinfo\.ini"):
        read_seqinfo(write(tmp_path, "garbage"))
    with pytest.raises(NotFoundError):
        read_seqinfo(tmp_path / "none.ini")


def test_a_row_has_ten_fields() -> None:
    assert format_rows(7, tracks([3], [[1.5, 2, 4, 6.126]], [0.5])) == "7,3,1.50,2.00,2.50,4.13,0.5000,-1,-1,-1\n"
    assert format_rows(7, tracks([], [], [])) == ""


_floats = st.floats(-5000, 5000, width=32)


@given(st.lists(st.tuples(st.integers(1, 2**40), _floats, _floats, _floats, _floats, st.floats(0, 1, width=32))))
def test_written_rows_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]]) -> None:
    given_tracks = tracks([int(r[0]) for r in rows], [list(r[1:5]) for r in rows], [r[5] for r in rows])
    text = format_rows(4, given_tracks)
    assert all(line.count(",") == 9 for line in text.splitlines())
    back = read_tracks(write(tmp_path_factory.mktemp("rows"), text), 4)
    assert back.ids.tolist() == given_tracks.ids.tolist()
    assert (back.frames == 4).all()
    corners = back.boxes_ltwh.copy()
    corners[:, 2:] += corners[:, :2]
    np.testing.assert_allclose(corners, given_tracks.boxes_xyxy, atol=0.011)
    np.testing.assert_allclose(back.scores, given_tracks.scores, atol=0.00006)


def test_all_real_files_are_read(data: Path) -> None:
    def rows(path: Path) -> int:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            return sum(1 for line in lines if line.strip())

    for path in [*data.glob("mot17/det_*/*.txt"), *data.glob("dancetrack_val/det_*/*.gz")]:
        assert sum(len(frame) for frame in read_detections(path)) == rows(path)
    for path in data.glob("tud/*/gt.txt"):
        assert len(read_ground_truth(path)) == rows(path)
    for path in data.glob("*/gt*/*/gt/gt.txt"):
        frames = read_seqinfo(path.parent.parent / "seqinfo.ini").frame_count
        assert len(read_ground_truth(path, frames)) == rows(path)


def test_a_small_gzip_that_unpacks_to_far_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motchallenge, "_ALWAYS_BYTES", 1 << 20)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"1,1,1,2,3,4,.5\n" * 200_000))
    for read in (read_detections, read_ground_truth):
        with pytest.raises(DataError, match=r"a\.txt\.gz: it unpacks to more than 1 MiB"):
            read(path)


def test_hours_without_anybody_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1,-1,1,2,3,4,.5\n900000,-1,1,2,3,4,.5\n")
    frames = read_detections(path)
    assert len(frames) == 900_000
    assert len({id(frame) for frame in frames}) == 3


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    os.mkfifo(path)
    with pytest.raises(NotFoundError, match="expected a file, found a named pipe"):
        read_detections(path)

"""Sequences and their files are found in the layouts that benchmarks come in."""

import json
from pathlib import Path

import pytest

from edge.errors import DataError, NotFoundError, UsageError
from edge.val.dataset import find_sequences, find_text
from tests.toy import write_sequence


def test_the_labelled_split_is_found_with_and_without_its_folder(tmp_path: Path) -> None:
    for name in ("train/B", "train/A", "val/C"):
        write_sequence(tmp_path / "in" / name)
    assert [s.name for s in find_sequences(tmp_path / "in", "MOT17")] == ["A", "B"]
    assert [s.name for s in find_sequences(tmp_path / "in", "DanceTrack")] == ["C"]
    assert [s.name for s in find_sequences(tmp_path / "in", "MOT17", "val")] == ["C"]
    assert [s.name for s in find_sequences(tmp_path / "in" / "train", "MOT17")] == ["A", "B"]
    assert [s.name for s in find_sequences(tmp_path / "in", "MOT17", pattern="B*")] == ["B"]


def test_a_split_may_be_any_folder(tmp_path: Path) -> None:
    write_sequence(tmp_path / "real/A")
    assert [s.name for s in find_sequences(tmp_path, "MOT15", "real")] == ["A"]


def test_thinned_sequences_keep_numbers_and_times_and_have_another_rate(tmp_path: Path) -> None:
    write_sequence(tmp_path / "A")
    (half,) = find_sequences(tmp_path, "MOT17", "val-half")
    third = half.thinned(3)
    assert third.frames.tolist() == [17, 20, 23, 26, 29]
    assert third.frame_rate == 10
    assert third.times_s == pytest.approx([16 / 30, 19 / 30, 22 / 30, 25 / 30, 28 / 30])
    sixth = third.thinned(2)
    assert (sixth.frames.tolist(), sixth.frame_rate) == ([17, 23, 29], 5)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"expected folders \*/gt/gt.txt"):
        find_sequences(tmp_path, "MOT17")
    with pytest.raises(NotFoundError, match="split 'gt', found none; or train, val, val-half"):
        find_sequences(tmp_path, "MOT17", "gt")
    with pytest.raises(UsageError, match="MOT15 or MOT16 or MOT17 or MOT20 or DanceTrack, found 'KITTI'"):
        find_sequences(tmp_path, "KITTI")
    write_sequence(tmp_path / "A")
    with pytest.raises(NotFoundError, match=r"expected A.txt, A.txt.gz or A/det/det.txt"):
        find_sequences(tmp_path, "MOT17", detections=tmp_path / "none")
    (tmp_path / "A" / "seqinfo.ini").write_text("[Sequence]\n")
    with pytest.raises(DataError, match=r"seqinfo\.ini"):
        find_sequences(tmp_path, "MOT17")


def test_files_made_from_the_images_serve_all_public_detectors(tmp_path: Path) -> None:
    (tmp_path / "MOT17-02.txt").touch()
    (tmp_path / "MOT17-04-SDP.txt.gz").touch()
    assert find_text(tmp_path, "MOT17-02-FRCNN").name == find_text(tmp_path, "MOT17-02").name == "MOT17-02.txt"
    assert find_text(tmp_path, "MOT17-04-SDP").name == "MOT17-04-SDP.txt.gz"
    with pytest.raises(NotFoundError):
        find_text(tmp_path, "MOT17-04-FRCNN")


def test_dropping_frames_depends_on_seed_and_name_only(tmp_path: Path) -> None:
    for name in "AB":
        write_sequence(tmp_path / name, frames=900)
    a, b = find_sequences(tmp_path, "MOT17")
    kept = a.dropping(1 / 3, 5).frames
    assert kept.tolist() == a.dropping(1 / 3, 5).frames.tolist() == sorted(kept.tolist())
    assert 550 < len(kept) < 650
    assert kept.tolist() != a.dropping(1 / 3, 6).frames.tolist() != b.dropping(1 / 3, 6).frames.tolist()
    assert a.dropping(1, 5).frames.tolist() == [1]
    assert a.dropping(0, 5).frames.tolist() == a.frames.tolist()


def test_images_are_known_by_the_number_in_their_name(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "A")
    (sequence,) = find_sequences(tmp_path, "MOT17")
    with pytest.raises(NotFoundError, match=r"images of frames 1 to 30 as img1/000001\.jpg to run a model, found none"):
        sequence.images_by_frame()
    (folder / "img1").mkdir()
    for name in ("000002.jpg", "000010.jpg", "000099.jpg", "cover.jpg", "000003.txt"):
        (folder / "img1" / name).touch()
    (sequence,) = find_sequences(tmp_path, "MOT17")
    assert list(sequence.images_by_frame()) == [2, 10]
    (half,) = find_sequences(tmp_path, "MOT17", "val-half")
    with pytest.raises(NotFoundError, match="images of frames 17 to 30"):
        half.images_by_frame()


def test_val_half_is_the_published_second_half(data: Path) -> None:
    offsets = json.loads((data / "mot17/val_half_offsets.json").read_text())
    halves = find_sequences(data / "mot17/gt_val_half", "MOT17")
    for whole, half in zip(find_sequences(data / "mot17/gt", "MOT17", "val-half"), halves, strict=True):
        assert whole.name == half.name
        assert (whole.frames - offsets[whole.name][1]).tolist() == half.frames.tolist()

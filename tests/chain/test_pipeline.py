import shutil
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.detect.open import open_detector
from edge.errors import DataError, InputError, NotFoundError, UsageError
from edge.types import Frame
from edge.video.open import open_source
from tests import tiny


def test_two_squares_are_two_identities(tiny_pack: Path) -> None:
    pipeline = edge.Pipeline(tiny_pack, method="bytetrack", frame_rate=25.0)
    for number in range(1, 26):
        tracks = pipeline(Frame(tiny.picture(number), number, number / 25))
    # Each square covers four cells whose boxes overlap less than the NMS limit or not: at least one track for each.
    lefts = tracks.boxes_xyxy[:, 0]
    standing, moving = tracks.boxes_xyxy[lefts < 24], tracks.boxes_xyxy[lefts >= 24]
    assert len(standing) >= 1
    assert len(moving) >= 1
    assert len(pipeline.detections) >= len(tracks)
    assert set(tracks.detection_index) <= set(range(len(pipeline.detections)))


def test_every_stage_has_a_span(tiny_pack: Path) -> None:
    pipeline = edge.Pipeline(tiny_pack)
    for number in (1, 2):
        pipeline(Frame(tiny.picture(number), number, number / 25))
    assert {name: span.count for name, span in pipeline.spans} == dict.fromkeys(
        ("preprocess", "infer", "decode+nms", "track"), 2
    )


def test_an_onnx_file_is_a_model_too(tiny_pack: Path) -> None:
    by_pack, by_file = open_detector(tiny_pack), open_detector(str(tiny_pack / "detector.onnx"))
    a, b = by_pack(tiny.picture(9)), by_file(tiny.picture(9))
    assert (a.boxes_xyxy == b.boxes_xyxy).all()
    assert (a.scores == b.scores).all()


def test_packs_that_are_not_whole(tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.pack: expected a model pack or an ONNX file"):
        open_detector(tmp_path / "none.pack")
    broken = tmp_path / "broken.pack"
    shutil.copytree(tiny_pack, broken)
    network = broken / "detector.onnx"
    content = bytearray(network.read_bytes())
    content[100] ^= 1
    network.write_bytes(content)
    with pytest.raises(DataError, match=r"detector\.onnx: changed since the export"):
        open_detector(broken)
    network.unlink()
    with pytest.raises(DataError, match=r"detector\.onnx: cannot be read"):
        open_detector(broken)


def test_frames_between_detections_show_the_same_identities_where_they_are_expected(tiny_pack: Path) -> None:
    every, third = edge.Pipeline(tiny_pack), edge.Pipeline(tiny_pack, detect_every=3)
    for number in range(1, 25):
        frame = Frame(tiny.picture(number), number, number / 25)
        full, tracks = every(frame), third(frame)
        if number > 6:
            apart = np.abs(tracks.boxes_xyxy[:, None] - full.boxes_xyxy[None]).max(axis=2)
            assert apart.min(axis=1).max() < 6
        if number % 3 == 1:
            seen = tracks.ids.tolist()
        assert tracks.ids.tolist() == seen
        assert (len(third.detections) > 0) == (number % 3 == 1)
    assert third.spans["infer"].count == 8


def test_what_counts_frames_must_see_all_of_them(tiny_pack: Path) -> None:
    with pytest.raises(UsageError, match="use preset default"):
        edge.Pipeline(tiny_pack, preset="reference", detect_every=2)


def test_a_plain_picture_counts_as_taken_now(tiny_pack: Path) -> None:
    pipeline = edge.Pipeline(tiny_pack)
    for number in range(1, 12):
        tracks = pipeline(tiny.picture(number))
    assert len(tracks) > 0
    with pytest.raises(InputError, match=r"frame: expected an edge.Frame or a picture as a NumPy array, found str"):
        pipeline("street.jpg")  # type: ignore[arg-type]


def test_a_source_is_tracked_in_one_line(tiny_pack: Path, tiny_video: Path) -> None:
    shown = [(frame.number, tracks.ids.tolist()) for frame, tracks in edge.tracked(tiny_video, tiny_pack)]
    pipeline, source = edge.Pipeline(tiny_pack, frame_rate=25.0), open_source(str(tiny_video))
    expected = []
    while (frame := source.read(None)) is not None:
        expected.append((frame.number, pipeline(frame).ids.tolist()))
    source.close()
    assert shown == expected
    assert len(shown) == 30
    with pytest.raises(NotFoundError, match=r"missing\.mp4"):
        next(edge.tracked("missing.mp4", tiny_pack))

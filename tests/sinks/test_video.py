import os
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge.errors import OutputError
from edge.sinks.video import AnnotatedVideo
from tests.sinks.tracks import frame, observed, tracks


def frames_of(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.avi", "o.MOV"])
def test_what_was_written_can_be_played(tmp_path: Path, name: str) -> None:
    sink = AnnotatedVideo(tmp_path / name, (128, 96), 12.5, ())
    for number in range(1, 11):
        sink.write([observed(frame(number), tracks(number))])
    sink.close()
    sink.close()
    frames = frames_of(tmp_path / name)
    assert len(frames) == 10
    assert frames[0].shape == (96, 128, 3)
    assert all(picture.max() > 100 for picture in frames)
    assert cv2.VideoCapture(str(tmp_path / name)).get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)


def test_the_frames_picture_is_not_drawn_on(tmp_path: Path) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 25, ())
    first = frame(1)
    sink.write([observed(first, tracks(1))])
    assert not first.image.any()
    sink.close()


def test_places_and_names_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write it: No such file"):
        AnnotatedVideo(tmp_path / "none" / "o.mp4", (128, 96), 25, ())
    with pytest.raises(OutputError, match=r"ends in \.mp4"):
        AnnotatedVideo(tmp_path / "o.webm", (128, 96), 25, ())


def test_it_stops_before_the_disk_is_full_and_the_video_so_far_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 25, ())
    for number in range(1, 6):
        sink.write([observed(frame(number), tracks(1))])
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=50, f_frsize=4096))
    with pytest.raises(OutputError, match=r"disk almost full, .* found 200; the 5 frames so far are kept"):
        sink.write([observed(frame(6), tracks(1))])
    sink.close()
    assert len(frames_of(tmp_path / "o.mp4")) == 5


def test_a_video_that_lost_frames_is_reported(tmp_path: Path) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 25, ())
    for number in range(1, 6):
        sink.write([observed(frame(number), tracks(1))])
    (tmp_path / "o.mp4").unlink()  # as if the encoder's writes had failed
    with pytest.raises(OutputError, match="expected 5 frames, found 0"):
        sink.close()

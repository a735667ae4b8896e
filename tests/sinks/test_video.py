import os
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge.errors import OutputError
from edge.sinks.encoder import encodable
from edge.sinks.video import AnnotatedVideo
from edge.types import Frame
from tests.sinks.tracks import frame, observed, tracks


def frames_of(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.avi", "o.MOV"])
def test_what_was_written_can_be_played(tmp_path: Path, name: str) -> None:
    sink = AnnotatedVideo(tmp_path / name, (128, 96), 10.0, ())
    for number in range(1, 11):
        sink.write([observed(frame(number), tracks(number))])
    sink.close()
    sink.close()
    frames = frames_of(tmp_path / name)
    assert len(frames) == 10
    assert frames[0].shape == (96, 128, 3)
    assert all(picture.max() > 100 for picture in frames)
    assert cv2.VideoCapture(str(tmp_path / name)).get(cv2.CAP_PROP_FPS) == pytest.approx(10.0)


def test_the_frames_picture_is_not_drawn_on(tmp_path: Path) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 10.0, ())
    first = frame(1)
    sink.write([observed(first, tracks(1))])
    assert not first.image.any()
    sink.close()


def test_places_and_names_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write it: No such file"):
        AnnotatedVideo(tmp_path / "none" / "o.mp4", (128, 96), 10.0, ())
    with pytest.raises(OutputError, match=r"ends in \.mp4"):
        AnnotatedVideo(tmp_path / "o.webm", (128, 96), 10.0, ())


def test_it_stops_before_the_disk_is_full_and_the_video_so_far_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 10.0, ())
    for number in range(1, 6):
        sink.write([observed(frame(number), tracks(1))])
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=50, f_frsize=4096))
    with pytest.raises(OutputError, match=r"disk almost full, .* found 200; the 5 frames so far are kept"):
        sink.write([observed(frame(6), tracks(1))])
    sink.close()
    assert len(frames_of(tmp_path / "o.mp4")) == 5


def test_a_video_that_lost_frames_is_reported(tmp_path: Path) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 10.0, ())
    for number in range(1, 6):
        sink.write([observed(frame(number), tracks(1))])
    (tmp_path / "o.mp4").unlink()  # as if the encoder's writes had failed
    with pytest.raises(OutputError, match="expected 5 frames, found 0"):
        sink.close()


@pytest.mark.parametrize("rate", [29.97, 66.667, 196.263, 211.222, 239.763, 23.976, 999.999, 7])
def test_odd_rates_are_encoded_as_the_nearest_that_can_be(tmp_path: Path, rate: float) -> None:
    assert encodable(rate) == pytest.approx(rate, abs=0.006)
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), rate, ())
    for number in range(1, 31):
        picture = frame(number).image
        sink.write([observed(Frame(picture, number, (number - 1) / rate), tracks(1))])
    sink.close()
    assert len(frames_of(tmp_path / "o.mp4")) == 30
    assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(rate, abs=0.006)


def test_a_variable_pace_is_kept(tmp_path: Path) -> None:
    """Frames at these times, each brighter than the one before, in a video of ten frames a second."""
    times_s = [5.0, 5.1, 5.5, 5.52, 5.6, 105.6, 105.7]
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 10.0, ())
    for number, time_s in enumerate(times_s, 1):
        picture = np.full((96, 128, 3), 30 * number, np.uint8)
        sink.write([observed(Frame(picture, number, time_s), tracks())])
    sink.close()
    shown = [round(float(picture.mean()) / 30) for picture in frames_of(tmp_path / "o.mp4")]
    assert shown[:7] == [1, 2, 2, 2, 2, 3, 5]
    assert shown[7:-2] == [5] * 100  # a pause of a hundred seconds is shortened to ten
    assert shown[-2:] == [6, 7]


def test_a_picture_of_another_size_is_fitted_in(tmp_path: Path) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 10.0, ())
    sink.write([observed(frame(1), tracks())])
    sink.write([observed(Frame(np.full((192, 96, 3), 255, np.uint8), 2, 0.1), tracks())])
    sink.close()
    _, second = frames_of(tmp_path / "o.mp4")
    assert second.shape == (96, 128, 3)
    assert second[:, 44:84].min() > 200  # 48 pixels wide, in the middle
    assert second[:, :30].max() < 60
    assert second[:, 98:].max() < 60

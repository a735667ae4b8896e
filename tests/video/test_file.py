import contextlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataError, NotFoundError
from edge.types import Frame
from edge.video.file import VideoFile
from tests import tiny


def read_all(video: VideoFile) -> list[Frame]:
    width, height = video.size
    frames = []
    while (frame := video.read(np.empty((height, width, 3), np.uint8))) is not None:
        frames.append(frame)
    video.close()
    return frames


def test_frames_come_in_order_with_the_containers_times(tiny_video: Path) -> None:
    video = VideoFile(tiny_video)
    assert (video.size, video.frame_rate, video.frame_count) == ((128, 128), 25.0, 30)
    frames = read_all(video)
    assert [frame.number for frame in frames] == list(range(1, 31))
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(1 / 25, abs=1e-3)
    for frame in frames:  # lossy, but the squares are where they were drawn
        assert np.abs(frame.image.astype(int) - tiny.picture(frame.number)).mean() < 4


def test_pictures_are_decoded_into_the_given_buffer(tiny_video: Path) -> None:
    video = VideoFile(tiny_video)
    buffer = np.zeros((128, 128, 3), np.uint8)
    frame = video.read(buffer)
    assert frame is not None
    assert frame.image is buffer
    assert buffer.max() > 200


def test_a_given_frame_rate_replaces_the_times(tiny_video: Path) -> None:
    frames = read_all(VideoFile(tiny_video, 5.0))
    assert [frame.time_s for frame in frames[:3]] == [0.0, 0.2, 0.4]


def test_the_time_stamps_of_a_real_video_are_used(data: Path) -> None:
    frames = read_all(VideoFile(data / "videos/mmtracking_demo.mp4"))
    assert len(frames) == 8
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(1 / 3, abs=0.01)


class Script:
    """A capture of frames with the given time stamps and sizes."""

    def __init__(self, times_ms: list[float], sizes: list[tuple[int, int]] | None = None):
        self.times_ms, self.sizes, self.count = times_ms, sizes or [(128, 128)] * len(times_ms), 0

    def read(self, buffer: np.ndarray) -> tuple[bool, np.ndarray | None]:
        if self.count == len(self.times_ms):
            return False, None
        width, height = self.sizes[self.count]
        self.count += 1
        return True, np.zeros((height, width, 3), np.uint8)

    def get(self, key: int) -> float:
        assert key == cv2.CAP_PROP_POS_MSEC
        return self.times_ms[self.count - 1]

    def release(self) -> None:
        pass


def test_variable_rates_are_kept_and_broken_time_stamps_never_go_back(tiny_video: Path) -> None:
    video = VideoFile(tiny_video)  # 25 frames a second
    video._capture = Script([0, 40, 200, 210, 210, 0, 0, 400] + [0] * 22)
    times = [frame.time_s for frame in read_all(video)]
    assert times[:8] == pytest.approx([0, 0.04, 0.2, 0.21, 0.25, 0.29, 0.33, 0.4])
    assert (np.diff(times) > 0).all()


def test_a_change_of_size_is_bad_data(tiny_video: Path) -> None:
    video = VideoFile(tiny_video)
    video._capture = Script([0, 40], [(128, 128), (64, 128)])
    buffer = np.empty((128, 128, 3), np.uint8)
    assert video.read(buffer) is not None
    with pytest.raises(DataError, match="expected 128x128 throughout, found 64x128 after frame 1"):
        video.read(buffer)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere\.mp4"):
        VideoFile(tmp_path / "nowhere.mp4")


@pytest.mark.parametrize("content", [b"", b"I am not a video.\n" * 100], ids=["empty", "text"])
def test_a_file_that_is_no_video_is_bad_data(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"text\.mp4: expected a video"):
        VideoFile(path)


def test_a_video_that_breaks_off_gives_its_frames_and_then_an_error(tmp_path: Path) -> None:
    whole = tiny.write_video(tmp_path / "whole.avi", frames=60).read_bytes()
    broken = tmp_path / "broken.avi"
    broken.write_bytes(whole[: len(whole) // 2])
    video = VideoFile(broken)
    buffer = np.empty((128, 128, 3), np.uint8)
    for _ in range(10):
        assert video.read(buffer) is not None
    with pytest.raises(DataError, match=r"breaks off after frame [234]\d of 60"):
        read_all(video)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed, and OpenCV writes no H.264")
@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: _overwritten(data)])
def test_damaged_h264_is_never_more_than_bad_data(
    tiny_video: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    """A group of pictures that is cut, or has holes: what can be decoded comes in order, and nothing crashes."""
    path = tmp_path / "camera.ts"
    command = ["ffmpeg", "-v", "error", "-i", str(tiny_video), "-c:v", "libx264", "-g", "10", "-bf", "0", str(path)]
    subprocess.run(command, check=True)
    path.write_bytes(spoil(path.read_bytes()))
    source = VideoFile(path)
    times = []
    with contextlib.suppress(DataError):
        while (frame := source.read(np.empty((128, 128, 3), np.uint8))) is not None:
            assert frame.image.shape == (128, 128, 3)
            times.append(frame.time_s)
    source.close()
    assert 3 <= len(times) <= 30
    assert times == sorted(times)


def _overwritten(data: bytes) -> bytes:
    """With noise in place of one byte in two hundred, after the first packets, which hold the headers."""
    spoiled = np.frombuffer(data, np.uint8).copy()
    random = np.random.default_rng(1)
    places = random.integers(188 * 8, len(spoiled), len(spoiled) // 200)
    spoiled[places] = random.integers(0, 256, len(places))
    return spoiled.tobytes()

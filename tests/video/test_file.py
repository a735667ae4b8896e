import contextlib
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
from tests.field import FFMPEG, needs_ffmpeg


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


def test_frames_that_nobody_looks_at_have_no_picture(tiny_video: Path) -> None:
    whole, video, asked = read_all(VideoFile(tiny_video)), VideoFile(tiny_video), list[float]()

    def every_third(time_s: float) -> bool:
        asked.append(time_s)
        return len(asked) % 3 == 1

    video.look_at(every_third)
    frames = read_all(video)
    assert asked == [frame.time_s for frame in whole]
    for number, (frame, other) in enumerate(zip(frames, whole, strict=True)):
        assert (frame.number, frame.time_s, frame.image.shape) == (other.number, other.time_s, other.image.shape)
        assert np.array_equal(frame.image, other.image if number % 3 == 0 else np.zeros_like(other.image))


def test_a_given_frame_rate_replaces_the_times(tiny_video: Path) -> None:
    frames = read_all(VideoFile(tiny_video, 5.0))
    assert [frame.time_s for frame in frames[:3]] == [0.0, 0.2, 0.4]


def test_the_time_stamps_of_a_real_video_are_used(data: Path) -> None:
    frames = read_all(VideoFile(data / "videos/mmtracking_demo.mp4"))
    assert len(frames) == 8
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(1 / 3, abs=0.01)


class Script:
    """A capture of frames with the given time stamps."""

    def __init__(self, times_ms: list[float]) -> None:
        self.times_ms, self.count = times_ms, 0

    def grab(self) -> bool:
        self.count += 1
        return self.count <= len(self.times_ms)

    def retrieve(self, buffer: np.ndarray) -> tuple[bool, np.ndarray]:
        return True, np.zeros((128, 128, 3), np.uint8)

    def get(self, key: int) -> float:
        assert key == cv2.CAP_PROP_POS_MSEC
        return self.times_ms[self.count - 1]

    def release(self) -> None:
        pass


def test_variable_rates_are_kept_and_broken_time_stamps_never_go_back(tiny_video: Path) -> None:
    video = VideoFile(tiny_video)  # 25 frames a second
    video._capture = Script([0.0, 40, 200, 210, 210, 0, 0, 400] + [0.0] * 22)  # type: ignore[assignment]
    times = [frame.time_s for frame in read_all(video)]
    assert times[:8] == pytest.approx([0, 0.04, 0.2, 0.21, 0.25, 0.29, 0.33, 0.4])
    assert (np.diff(times) > 0).all()


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 frames of H.264 at 10 a second, a keyframe every 60."""
    folder = tmp_path_factory.mktemp("h264")
    source = tiny.write_video(folder / "squares.avi", frames=120)
    return made(folder / "clip.mp4", "-r", "10", "-i", source, "-c:v", "libx264", "-g", "60", "-sc_threshold", "0")


def made(path: Path, *arguments: object) -> Path:
    subprocess.run([str(FFMPEG), "-v", "error", "-threads", "1", *map(str, arguments), str(path)], check=True)
    return path


@needs_ffmpeg
class TestWholeAndCut:
    """What a file says of its length, and what of it there is."""

    def test_a_lossless_cut_with_an_edit_list(self, h264: Path, tmp_path: Path) -> None:
        path = made(tmp_path / "o.mp4", "-ss", "5.5", "-i", h264, "-t", "4", "-c", "copy")
        video = VideoFile(path)
        frames = read_all(video)
        assert video.frame_count == len(frames) < 50  # of 95 frames that are stored
        assert frames[-1].time_s == pytest.approx(len(frames) / 10 - 0.1, abs=0.02)

    @pytest.mark.parametrize("suffix", ["mkv", "mp4"])
    def test_a_variable_rate(self, h264: Path, tmp_path: Path, suffix: str) -> None:
        chosen = ["-vf", "select='lt(n,40)+gt(n,80)'", "-fps_mode", "vfr"]
        path = made(tmp_path / f"o.{suffix}", "-i", h264, *chosen, "-c:v", "libx264")
        times = [frame.time_s for frame in read_all(VideoFile(path))]
        assert len(times) == 79
        assert np.diff(times) == pytest.approx([0.1] * 39 + [4.2] + [0.1] * 38, abs=0.002)

    @pytest.mark.parametrize("suffix", ["mkv", "ts"])
    def test_a_recorder_that_counts_from_midnight(self, h264: Path, tmp_path: Path, suffix: str) -> None:
        path = made(tmp_path / f"o.{suffix}", "-i", h264, "-c", "copy", "-output_ts_offset", "36000")
        frames = read_all(VideoFile(path))
        assert (len(frames), frames[0].time_s) == (120, 0.0)

    @pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "avi", "mov"])
    def test_sound_that_goes_on_after_the_last_picture(self, h264: Path, tmp_path: Path, suffix: str) -> None:
        sound = ["-f", "lavfi", "-i", "sine=duration=15"]
        path = made(tmp_path / f"o.{suffix}", "-i", h264, *sound, "-c:v", "copy", "-map", "0:v", "-map", "1:a")
        assert len(read_all(VideoFile(path))) == 120

    @pytest.mark.parametrize(
        ("suffix", "more"),
        [
            ("mkv", ()),
            ("webm", ("-c:v", "libvpx", "-deadline", "realtime")),
            ("avi", ("-c:v", "mpeg4")),
            ("mp4", ("-movflags", "+faststart")),
            ("mp4", ("-movflags", "frag_keyframe+empty_moov")),
        ],
    )
    def test_a_file_without_its_end_breaks_off(
        self, h264: Path, tmp_path: Path, suffix: str, more: tuple[str, ...]
    ) -> None:
        codec = () if "-c:v" in more else ("-c", "copy")
        path = made(tmp_path / f"o.{suffix}", "-i", h264, *codec, *more)
        assert len(read_all(VideoFile(path))) == 120
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 4 // 5])
        with pytest.raises(DataError, match=r"breaks off after frame \d+ of \d+"):
            read_all(VideoFile(path))

    def test_a_stream_that_was_piped_into_a_file_knows_no_length(self, h264: Path, tmp_path: Path) -> None:
        done = subprocess.run(
            [str(FFMPEG), "-v", "error", "-i", str(h264), "-c", "copy", "-f", "matroska", "-"],
            capture_output=True,
            check=True,
        )
        path = tmp_path / "o.mkv"
        path.write_bytes(done.stdout)
        video = VideoFile(path)
        assert (video.frame_count, len(read_all(video))) == (None, 120)


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


@needs_ffmpeg
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

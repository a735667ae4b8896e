"""A clip shows what came before its event and what came after, and browsers play it."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

from edge.errors import OutputError
from edge.events import CameraChanged, Event, FileSaved, Moment
from edge.settings.config import Clips as Settings
from edge.sinks.pictures.clips import RATE, Clips
from tests.sinks.pictures.frames import ORIGIN, grey, pictured

NAME = "2026-09-21/door-135320.000-4.webm"


def levels(path: Path) -> list[float]:
    """The grey in a corner without tracks, of every frame."""
    video = cv2.VideoCapture(str(path))
    found: list[float] = []
    assert video.get(cv2.CAP_PROP_FPS) == RATE
    while True:
        is_there, image = video.read()
        if not is_there:
            return found
        found.append(float(image[80:, 100:].mean()))


def opened(folder: Path, told: list[Event], before_s: float = 2.0) -> Clips:
    clips = Clips(Settings(str(folder), before_s=before_s, keep_days=3650, free_mib=0.0), told.append)
    clips.start()
    return clips


def write(clips: Clips, times_s: Sequence[float], clip: str = "") -> None:
    """Frames that are the brighter the later."""
    for time_s in times_s:
        clips.write([pictured(time_s, grey(min(250, round(20 + 10 * time_s))), clip=clip)])


def test_what_came_before_and_after_is_in_it(tmp_path: Path) -> None:
    told: list[Event] = []
    clips = opened(tmp_path, told)
    write(clips, [i / 5 for i in range(50)])
    write(clips, [10 + i / 5 for i in range(10)], NAME)
    assert told == []
    write(clips, [12.0])
    (saved,) = told
    assert isinstance(saved, FileSaved)
    assert (saved.file, saved.id) == (NAME, None)
    found = levels(tmp_path / NAME)
    assert len(found) == 20  # two seconds before, two after
    assert found == pytest.approx([20 + 10 * (8 + i / 5) for i in range(20)], abs=4)
    clips.close()
    assert len(told) == 1
    # Matroska's magic number, and the code of VP8: what browsers know as video/webm.
    head = (tmp_path / NAME).read_bytes()[:500]
    assert head.startswith(b"\x1a\x45\xdf\xa3")
    assert b"V_VP8" in head


def test_late_frames_keep_their_time(tmp_path: Path) -> None:
    clips = opened(tmp_path, [], before_s=0.0)
    write(clips, [0.0, 0.2, 1.2, 1.4], NAME)
    clips.close()
    expected = [20, 22, 22, 22, 22, 22, 32, 34]
    assert levels(tmp_path / NAME) == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("state", ["offline", "stopped"])
def test_a_camera_that_goes_ends_its_clip(tmp_path: Path, state: str) -> None:
    told: list[Event] = []
    clips = opened(tmp_path, told)
    write(clips, [0.0, 0.2, 0.4], NAME)
    clips.write([CameraChanged(ORIGIN, Moment(1.0, None), state, "")])  # type: ignore[arg-type]
    assert len(told) == 1
    assert len(levels(tmp_path / NAME)) == 3
    clips.close()


def test_one_clip_follows_another(tmp_path: Path) -> None:
    told: list[Event] = []
    clips = opened(tmp_path, told)
    other = NAME.replace("-4", "-9")
    write(clips, [0.0, 0.2], NAME)
    write(clips, [0.4, 0.6], other)
    clips.close()
    assert [len(levels(tmp_path / name)) for name in (NAME, other)] == [2, 4]
    assert len(told) == 2


def test_pictures_of_another_size_begin_nothing_new_and_break_nothing(tmp_path: Path) -> None:
    clips = opened(tmp_path, [])
    write(clips, [0.0, 0.2], NAME)
    clips.write([pictured(0.4, grey(60, (200, 120)))])
    clips.write([pictured(0.6, grey(60, (200, 120)), clip=NAME.replace("-4", "-9"))])
    clips.close()
    assert len(levels(tmp_path / NAME)) == 2
    assert len(levels(tmp_path / NAME.replace("-4", "-9"))) == 2


def test_the_seconds_before_are_bounded(tmp_path: Path) -> None:
    clips = opened(tmp_path, [], before_s=3.0)
    write(clips, [i / 5 for i in range(500)])
    (camera,) = clips._cameras.values()
    assert len(camera._ring) <= 3 * RATE + 1
    assert camera._ring_bytes == sum(len(jpeg) for _, jpeg in camera._ring)
    clips.close()


def test_a_clip_that_cannot_be_written_is_said_and_the_next_one_is(tmp_path: Path) -> None:
    told: list[Event] = []
    clips = opened(tmp_path, told)
    (tmp_path / NAME[:10]).write_text("no folder")
    with pytest.raises(OutputError, match="cannot make this folder"):
        write(clips, [0.0], NAME)
    (tmp_path / NAME[:10]).unlink()
    write(clips, [0.2, 0.4], NAME)
    clips.close()
    assert len(told) == 1

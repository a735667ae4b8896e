"""Detecting in several frames at once changes nothing but the time it takes."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge.chain.overlap import overlapped
from edge.errors import DataError
from edge.types import Detections, Frame, Tracks
from edge.video.ahead import Ahead
from edge.video.open import open_source
from tests.field import PATIENCE_S

EMPTY = Tracks(
    np.empty(0, np.int64),
    np.empty((0, 4), np.float32),
    np.empty(0, np.float32),
    np.empty(0, np.int32),
    np.empty(0, np.int32),
)


class Chain:
    """A pipeline whose detectors say which frame they saw, the first ones the latest."""

    def __init__(self, workers: int, broken: int = -1, opens: bool = True) -> None:
        self.workers, self.broken, self.opens = workers, broken, opens
        self.detect_every = 1
        self.most = self.running = 0
        self.together = threading.Barrier(workers)
        self.lock = threading.Lock()
        self.followed: list[int] = []

    def detector(self, image: Any) -> Detections:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.together.wait(PATIENCE_S)  # all workers are at work at the same time, or this fails
        with self.lock:
            self.running -= 1
        if image[0, 0, 0] == self.broken:
            raise DataError("NaN")
        return Detections(np.full((1, 4), image[0, 0, 0], np.float32), np.ones(1, np.float32))

    def is_due(self, frame: Frame) -> bool:
        return True

    def another_detector(self, number: int) -> Any:
        if not self.opens:
            raise DataError("cannot open")
        return self.detector

    def follow(self, frame: Frame, detections: Detections) -> Tracks:
        assert detections.boxes_xyxy[0, 0] == frame.number
        self.followed.append(frame.number)
        return EMPTY


class Frames:
    """`count` frames that hold their number, then an error where there is one."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.asked, self.count, self.error = 0, count, error

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self.asked == self.count:
            raise self.error or StopIteration
        self.asked += 1
        return Frame(np.full((1, 1, 3), self.asked, np.uint8), self.asked, self.asked / 10)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_in_order_side_by_side_and_not_far_ahead(workers: int) -> None:
    chain, frames = Chain(workers), Frames(12 * workers)
    for number, (frame, _) in enumerate(overlapped(chain, frames), 1):  # type: ignore[arg-type]
        assert frame.number == number
        assert frames.asked <= number + workers
    assert chain.followed == list(range(1, 12 * workers + 1))
    assert chain.most == workers
    assert not any(thread.name.startswith("detect") for thread in threading.enumerate())


def test_an_error_of_the_source_comes_after_the_frames_before_it() -> None:
    chain = Chain(2)
    with pytest.raises(DataError, match="breaks off"):
        list(overlapped(chain, Frames(8, DataError("breaks off"))))  # type: ignore[arg-type]
    assert chain.followed == list(range(1, 9))


def test_an_error_of_a_detector_comes_at_its_frame() -> None:
    chain = Chain(2, broken=5)
    chain.together = threading.Barrier(1)
    with pytest.raises(DataError, match="NaN"):
        list(overlapped(chain, Frames(100)))  # type: ignore[arg-type]
    assert chain.followed == [1, 2, 3, 4]


def test_a_detector_that_does_not_open_is_an_error_and_no_standstill() -> None:
    chain = Chain(2, opens=False)
    chain.together = threading.Barrier(1)
    with pytest.raises(DataError, match="cannot open"):
        list(overlapped(chain, Frames(100)))  # type: ignore[arg-type]


def test_closing_in_the_middle_stops_the_threads() -> None:
    chain = Chain(1)
    results = overlapped(chain, Frames(10**9))  # type: ignore[arg-type]
    next(results)
    results.close()
    assert not any(thread.name.startswith("detect") for thread in threading.enumerate())


@pytest.mark.parametrize("threads", [1, 3])
def test_the_tracks_are_those_of_one_frame_after_another(threads: int, tiny_pack: Path, tiny_video: Path) -> None:
    plain = edge.Pipeline(tiny_pack)
    beside = edge.Pipeline(tiny_pack, threads=threads, side_by_side=True)
    assert (plain.workers, beside.workers) == (0, threads)
    one, several = _tracks(plain, tiny_video), _tracks(beside, tiny_video)
    assert len(one) == 30
    for a, b in zip(one, several, strict=True):
        np.testing.assert_array_equal(a, b)
    counts = [span.count for name, span in beside.spans if name.split()[0] == "infer"]
    assert sum(counts) == 30
    assert len(counts) <= threads


@pytest.mark.parametrize("every", [2, 4])
def test_frames_that_are_not_detected_in_keep_their_place(every: int, tiny_pack: Path, tiny_video: Path) -> None:
    plain = edge.Pipeline(tiny_pack, detect_every=every)
    beside = edge.Pipeline(tiny_pack, threads=2, side_by_side=True, detect_every=every)
    one, several = _tracks(plain, tiny_video), _tracks(beside, tiny_video)
    assert len(one) == 30
    for number, (a, b) in enumerate(zip(one, several, strict=True)):
        np.testing.assert_array_equal(a, b)
        assert (a[:, -1] < 0).all() == (number % every > 0)
    counts = [span.count for name, span in beside.spans if name.split()[0] == "infer"]
    assert sum(counts) == -(-30 // every)


def _tracks(pipeline: edge.Pipeline, video: Path) -> list[np.ndarray]:
    ahead = Ahead(open_source(str(video)), pipeline.spans, pipeline.workers * pipeline.detect_every + 1)
    frames = iter(ahead)
    results = overlapped(pipeline, frames) if pipeline.workers else ((frame, pipeline(frame)) for frame in frames)
    found = [np.column_stack([t.ids, t.boxes_xyxy, t.scores, t.detection_index]) for _, t in results]
    ahead.close()
    return found

"""Frames detected on several cores at once and tracked in their order: the same tracks as one after another."""

import queue
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from edge.chain.chain import Chain
from edge.chain.pipeline import Pipeline
from edge.detect.detector import Detector
from edge.detect.joint import JointDetector
from edge.errors import NanoTrackError
from edge.types import Detections, Frame, Tracks


def tracked(chain: Chain, frames: Iterator[Frame]) -> Generator[tuple[Frame, Tracks], None, None]:
    """Every frame with its tracks, in order; where `chain` has workers, they detect on the next frames meanwhile."""
    if isinstance(chain, Pipeline) and chain.workers:
        yield from overlapped(chain, frames)
    else:
        for frame in frames:
            yield frame, chain(frame)


def overlapped(pipeline: Pipeline, frames: Iterator[Frame]) -> Generator[tuple[Frame, Tracks], None, None]:
    """Every frame with its tracks, in order, while `pipeline.workers` threads detect on the frames that follow.

    On CPUs frames side by side use the cores better than threads inside operators, which wait for each other after
    each one. A picture must last until `workers * detect_every + 1` more were asked for. Errors of the source and of
    the pipeline are raised after the frames before them. Closing waits for the detections in progress.
    """
    detectors: queue.SimpleQueue[int | Detector | JointDetector] = queue.SimpleQueue()
    detectors.put(pipeline.detector)
    for number in range(2, pipeline.workers + 1):
        detectors.put(number)

    def detect(frame: Frame) -> Detections:
        detector = detectors.get()
        try:
            if isinstance(detector, int):
                detector = pipeline.another_detector(detector)
            return detector(frame.image)
        finally:
            detectors.put(detector)

    pending: deque[tuple[Frame, Future[Detections] | None]] = deque()
    most = pipeline.workers * pipeline.detect_every
    error: NanoTrackError | None = None
    pool = ThreadPoolExecutor(pipeline.workers, "detect")
    try:
        while True:
            while error is None and len(pending) <= most:
                try:
                    frame = next(frames)
                except StopIteration:
                    break
                except NanoTrackError as raised:
                    error = raised
                    break
                pending.append((frame, pool.submit(detect, frame) if pipeline.is_due(frame) else None))
            if not pending:
                break
            frame, found = pending.popleft()
            yield frame, pipeline.follow(frame, found.result() if found is not None else None)
    finally:
        pool.shutdown(cancel_futures=True)
    if error is not None:
        raise error

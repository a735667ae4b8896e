"""The public face: arguments, errors, time, determinism, threads, long runs."""

import copy
import gc
import pickle
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.errors import InputError, UsageError
from edge.track import arrays
from edge.track.registry import BUILT_IN as METHODS
from tests.track.scenes import crowd, detections, ids, outputs

BY_MOTION = [m for m in METHODS if m not in ("qdtrack", "jointtrack")]  # the others want embeddings
ONE_SECOND: dict[str, Any] = {"lost_s": 1.0}
MANY = np.zeros((10_001, 4), np.float32)
ALL = pytest.mark.parametrize("method", BY_MOTION)
KINDS = pytest.mark.parametrize(("method", "preset"), [(m, p) for m in BY_MOTION for p in ("default", "reference")])


def test_result_has_the_promised_arrays() -> None:
    tracks = Tracker("bytetrack").update(Detections(*_two(), np.array([3, 7], np.int32)))
    assert [
        a.dtype for a in (tracks.ids, tracks.boxes_xyxy, tracks.scores, tracks.classes, tracks.detection_index)
    ] == [
        np.int64,
        np.float32,
        np.float32,
        np.int32,
        np.int32,
    ]
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.classes.tolist() == [3, 7]
    assert tracks.detection_index.tolist() == [0, 1]
    assert np.array_equal(tracks.boxes_xyxy, _two()[0])


def _two() -> tuple[np.ndarray, np.ndarray]:
    return np.array([[0, 0, 50, 100], [200, 0, 250, 100]], np.float32), np.array([0.9, 0.8], np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "bytetrak"}, "did you mean 'bytetrack'"),
        ({"preset": "refrence"}, "did you mean 'reference'"),
        ({"frame_rate": 0}, "frame_rate"),
        ({"high_scor": 0.3}, "did you mean 'high_score'"),
        ({"high_score": 1.5}, "from 0 to 1"),
        ({"high_score": float("nan")}, "from 0 to 1"),
        ({"high_score": "high"}, "from 0 to 1"),
        ({"preset": "published", "depth_levels_low": 2.5}, "whole number from 1 to 64"),
        ({"method": "bytetrack", "rhd_iou": 0.5}, "unknown parameter 'rhd_iou'"),
    ],
)
def test_wrong_settings_name_the_right_ones(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Tracker(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "argument"),
    [
        (lambda b, s: Detections(b.astype(np.complex64), s), "boxes_xyxy"),
        (lambda b, s: Detections(b.astype(str), s), "boxes_xyxy"),
        (lambda b, s: Detections([[0, 1], [2]], s), "boxes_xyxy"),  # type: ignore[arg-type]
        (lambda b, s: Detections(b.astype(np.float64) * 1e39, s), "boxes_xyxy"),
        (lambda b, s: Detections(b[:, :3], s), "boxes_xyxy"),
        (lambda b, s: Detections(b[:1], s), "boxes_xyxy"),
        (lambda b, s: Detections(b.ravel(), s), "boxes_xyxy"),
        (lambda b, s: Detections(b, s[:, None]), "scores"),
        (lambda b, s: Detections(b, None), "scores"),  # type: ignore[arg-type]
        (lambda b, s: Detections(b, s, np.full(2, 2**40)), "classes"),
        (lambda b, s: Detections(b, s, [0.5, 1]), "classes"),  # type: ignore[arg-type]
        (lambda b, s: Detections(MANY, MANY[:, 0]), "at most 10000 in a frame, found 10001"),
        (lambda b, s: Detections(b, s, np.zeros(3, np.int32)), "classes"),
        (lambda b, s: Detections(b * [1, 1, np.nan, 1], s), "boxes_xyxy"),
        (lambda b, s: Detections((b + np.float32("inf")), s), "row 0"),
        (lambda b, s: Detections(b, s * np.float32("nan")), "scores: row 0"),
        (lambda b, s: Detections(b, s * np.float32(-1)), "scores: row 0"),
    ],
)
def test_wrong_input_names_the_argument_and_changes_nothing(
    wrong: Callable[[Any, Any], Detections], argument: str
) -> None:
    tracker, untouched = Tracker(), Tracker()
    stream = crowd(5, 6)
    assert outputs(tracker, stream[:3]) == outputs(untouched, stream[:3])
    with pytest.raises(InputError, match=argument):
        tracker.update(wrong(*_two()))
    assert outputs(tracker, stream[3:]) == outputs(untouched, stream[3:])


def test_arrays_of_any_memory_layout_are_read() -> None:
    boxes, scores = _two()
    wide = np.zeros((4, 8), np.float32)
    wide[::2, ::2] = boxes
    frozen = np.frombuffer(scores.tobytes(), np.float32)
    assert not frozen.flags.writeable
    tracks = Tracker().update(Detections(wide[::2, ::2], frozen))
    assert np.array_equal(tracks.boxes_xyxy, boxes)


@pytest.mark.parametrize(
    "given",
    [
        lambda b, s: Detections(b.tolist(), s.tolist(), [0, 1]),  # type: ignore[arg-type]
        lambda b, s: Detections(b.astype(np.float64), s.astype(np.float64)),
        lambda b, s: Detections(b.astype(np.int64), s.astype(">f4"), np.array([0, 1], np.uint8)),
        lambda b, s: Detections(b.astype(np.uint16), tuple(s), np.array([0.0, 1.0])),  # type: ignore[arg-type]
    ],
)
def test_lists_and_other_numbers_are_converted(given: Callable[[Any, Any], Detections]) -> None:
    boxes, scores = _two()
    plain, other = Tracker("bytetrack"), Tracker("bytetrack")
    expected, tracks = plain.update(Detections(boxes, scores)), other.update(given(boxes, scores))
    assert np.array_equal(tracks.boxes_xyxy, expected.boxes_xyxy)
    assert np.array_equal(tracks.scores, expected.scores)
    assert tracks.boxes_xyxy.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("empty", [([], []), (np.zeros((0, 4)), np.zeros(0)), ((), (), ())])
def test_nothing_is_nothing_however_it_is_given(method: str, empty: tuple[Any, ...]) -> None:
    tracker = Tracker(method)
    assert len(tracker.update(Detections(*empty))) == 0
    assert tracker.comparable(Detections(*empty)).tolist() == tracker.doubtful(Detections(*empty)).tolist() == []


@pytest.mark.slow
@ALL
def test_ten_thousand_in_one_spot_are_bounded_and_counted(method: str) -> None:
    boxes = np.tile(np.array([[100, 100, 160, 280]], np.float32), (arrays.MOST_DETECTIONS, 1))
    boxes += np.random.default_rng(0).uniform(0, 1, boxes.shape).astype(np.float32)
    heap = Detections(boxes, np.full(len(boxes), 0.9, np.float32))
    tracker = Tracker(method)
    before_kib = _resident_kib()
    for _ in range(2):
        tracker.update(heap)
    assert tracker.crowded >= 1
    assert _resident_kib() - before_kib < 400_000
    tracker.reset()
    assert tracker.crowded == 0
    assert ids(tracker, (0.9,)) == ids(Tracker(method), (0.9,))


@ALL
def test_a_second_thread_is_told(method: str) -> None:
    """One thread is inside of the compiled code, which holds no lock, while another one comes."""
    tracker, told, stop = Tracker(method), [], threading.Event()
    stream = crowd(300, 20)

    def intrude() -> None:
        while not stop.is_set():
            try:
                tracker.predict(1e6)
            except UsageError as error:
                told.append(str(error))

    thread = threading.Thread(target=intrude)
    thread.start()
    for _ in range(50):
        for frame in stream:
            try:
                tracker.update(frame)
            except UsageError as error:
                told.append(str(error))
        if told:
            break
    stop.set()
    thread.join()
    assert told
    assert "in use by another thread" in told[0]
    tracker.reset()
    assert outputs(tracker, stream) == outputs(Tracker(method), stream)


@ALL
def test_boxes_without_area_are_ignored_and_counted(method: str) -> None:
    tracker = Tracker(method)
    flat = (0.9, 500, 100, 500, 200), (0.9, 500, 100, 560, 100), (0.9, 560, 200, 500, 100)
    assert tracker.update(detections(flat[0], (0.9,), *flat[1:])).detection_index.tolist() == [1]
    assert tracker.ignored == 3
    tracker.reset()
    assert tracker.ignored == 0


@KINDS
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), huge=st.booleans())
def test_any_boxes_give_consistent_tracks(method: str, preset: str, seed: int, huge: bool) -> None:
    """Grids full of ties, equal boxes, flat and huge ones: ids are unique and new ones larger, rows exist."""
    random = np.random.default_rng(seed)
    tracker, seen = Tracker(method, preset=preset), 0
    for _ in range(12):
        n = int(random.integers(0, 40))
        corner = random.integers(0, 12, (n, 2)) * 10.0
        boxes = np.concatenate([corner, corner + random.integers(0, 5, (n, 2)) * 20.0], 1).astype(np.float32)
        if huge and n:
            boxes[random.integers(n)] = [-3e38, -3e38, 3e38, 3e38]
        scores = random.choice([0.05, 0.1, 0.3, 0.45, 0.6, 0.7, 0.95, 1.0], n).astype(np.float32)
        tracks = tracker.update(Detections(boxes, scores))
        new = [i for i in tracks.ids.tolist() if i > seen]
        assert len(set(tracks.ids.tolist())) == len(tracks)
        assert new == sorted(new)
        seen = max([seen, *new])
        seen_now = tracks.detection_index >= 0
        rows = tracks.detection_index[seen_now]
        assert len(set(rows.tolist())) == len(rows)
        assert np.array_equal(tracks.scores[seen_now], scores[rows])
        assert np.isfinite(tracks.boxes_xyxy).all() or huge


@KINDS
def test_permuted_detections_give_permuted_tracks(method: str, preset: str) -> None:
    random = np.random.default_rng(5)
    plain, shuffled = Tracker(method, preset=preset), Tracker(method, preset=preset)
    renamed: dict[int, int] = {}
    for frame in crowd(60, 80):
        order = random.permutation(len(frame))
        a = plain.update(frame)
        b = shuffled.update(Detections(frame.boxes_xyxy[order], frame.scores[order]))
        by_row = {int(order[k]): i for k, i in zip(b.detection_index, b.ids.tolist(), strict=True) if k >= 0}
        assert set(by_row) == {row for row in a.detection_index.tolist() if row >= 0}
        for row, i in zip(a.detection_index.tolist(), a.ids.tolist(), strict=True):
            assert row < 0 or renamed.setdefault(i, by_row[row]) == by_row[row]


@KINDS
def test_equal_steps_in_time_are_the_same_bits_as_frames(method: str, preset: str) -> None:
    stream = crowd(40, 120)
    plain, timed, late = (Tracker(method, 25.0, preset) for _ in range(3))
    expected = outputs(plain, stream)
    assert expected == [_bytes(timed, frame, k / 25.0) for k, frame in enumerate(stream)]
    assert expected == [_bytes(late, frame, 1.7e9 + k / 25.0) for k, frame in enumerate(stream)]


def _bytes(tracker: Tracker, frame: Detections, time_s: float) -> tuple[bytes, ...]:
    t = tracker.update(frame, time_s)
    return tuple(a.tobytes() for a in (t.ids, t.boxes_xyxy, t.scores, t.classes, t.detection_index))


def test_a_longer_step_moves_tracks_further() -> None:
    def after_gap(time_s: float | None) -> set[int]:
        tracker = Tracker("bytetrack", frame_rate=10.0)
        for k in range(10):
            ids(tracker, (0.9, 12.0 * k), time_s=None if time_s is None else k / 10)
        return ids(tracker, (0.9, 12.0 * 14), time_s=time_s)

    assert after_gap(1.4) == {1}  # four frames were dropped: predicted 60 px on
    assert after_gap(None) == set()  # counted as one frame, the box is too far away


@ALL
@pytest.mark.parametrize("rate", [10.0, 30.0, 60.0])
def test_lost_buffer_is_in_seconds(method: str, rate: float) -> None:
    for pause_s, shown in ((0.9, {1}), (1.2, set())):
        for step_s in (pause_s, 1 / rate):  # one long step, or a call for every frame without detections
            tracker = Tracker(method, rate, **(ONE_SECOND if method == "nanotrack" else {}))
            ids(tracker, (0.9,), time_s=0.0)
            for k in range(1, round(pause_s / step_s)):
                ids(tracker, time_s=k * step_s)
            assert ids(tracker, (0.9,), time_s=pause_s) == shown


def test_reference_counts_calls_whatever_the_time() -> None:
    tracker = Tracker(preset="reference")
    ids(tracker, (0.9,), time_s=0.0)
    assert ids(tracker, (0.9,), time_s=100.0) == {1}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 4.9, -1.0])
def test_time_must_be_finite_and_not_go_backwards(bad: float) -> None:
    tracker = Tracker()
    ids(tracker, (0.9,), time_s=5.0)
    with pytest.raises(InputError, match="time_s"):
        ids(tracker, (0.9,), time_s=bad)
    assert ids(tracker, (0.9,), time_s=5.0) == {1}  # the same instant again is allowed
    tracker.reset()
    assert ids(tracker, (0.9,), time_s=1.0) == {1}


@KINDS
def test_reset_is_a_fresh_tracker(method: str, preset: str) -> None:
    stream, tracker = crowd(30, 40), Tracker(method, preset=preset)
    first = outputs(tracker, stream)
    tracker.reset()
    assert outputs(tracker, stream) == first
    assert outputs(Tracker(method, preset=preset), stream) == first


@ALL
def test_empty_frames_expire_everything(method: str) -> None:
    tracker = Tracker(method, **({**ONE_SECOND, "coast_s": 0.0} if method == "nanotrack" else {}))
    ids(tracker, (0.9,))
    for _ in range(40):
        assert ids(tracker) == set()
    assert tracker._alive == 0


def test_the_table_grows_with_the_crowd() -> None:
    tracker = Tracker("bytetrack")
    for n in (3, 70, 500, 20):
        corner = np.arange(n)[:, None] * np.array([[100.0, 0.0]])
        boxes = np.concatenate([corner, corner + 50], 1).astype(np.float32)
        for _ in range(2):
            tracks = tracker.update(Detections(boxes, np.full(n, 0.9, np.float32)))
        assert len(tracks) == n


@KINDS
def test_hundreds_in_one_heap(method: str, preset: str) -> None:
    random = np.random.default_rng(2)
    corner = random.uniform(0, 100, (300, 2))
    tracker = Tracker(method, preset=preset)
    for _ in range(6):
        boxes = np.concatenate([corner, corner + np.array([60, 150])], 1) + random.normal(0, 2, (300, 1))
        tracks = tracker.update(Detections(boxes.astype(np.float32), random.uniform(0.2, 1, 300).astype(np.float32)))
    # NanoTrack's default takes most of such a heap for parts of those it knows.
    assert len(tracks) > (10 if (method, preset) == ("nanotrack", "default") else 100)


@ALL
def test_trackers_in_threads_do_not_disturb_each_other(method: str) -> None:
    streams = [crowd(80, 150, seed) for seed in range(4)]
    alone = [outputs(Tracker(method), stream) for stream in streams]
    together: dict[int, list[tuple[bytes, ...]]] = {}

    def work(k: int) -> None:
        together[k] = outputs(Tracker(method), streams[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[k] for k in range(4)] == alone


@pytest.mark.parametrize("frames", [6_000, pytest.param(200_000, marks=pytest.mark.slow)])
@KINDS
def test_long_runs_stay_flat(method: str, preset: str, frames: int) -> None:
    """Neither the tables nor the process grow, nor does a frame take longer than one of a new tracker, in turns."""
    stream, tracker = crowd(12, 500), Tracker(method, preset=preset)

    def spent_s(which: Tracker) -> float:
        start = time.process_time()
        for frame in stream:
            which.update(frame)
        return time.process_time() - start

    for begin in range(0, frames, 500):
        if begin == frames // 2:
            gc.collect()
            room, resident = tracker._state.capacity, _resident_kib()
        spent_s(tracker)
    assert tracker._state.capacity == room == 64
    assert _resident_kib() - resident < 2048
    new = Tracker(method, preset=preset)
    rounds = [(spent_s(tracker), spent_s(new)) for _ in range(6)]
    old_s, new_s = (min(column) for column in zip(*rounds, strict=True))
    assert old_s < 1.5 * new_s


def _resident_kib() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize() // 1024


@pytest.mark.parametrize("found", [None, [[1, 2, 3, 4]], np.zeros((2, 5), np.float32)])
def test_what_are_no_detections_is_named(found: object) -> None:
    tracker = Tracker(appearance="ema")
    for call in (tracker.update, tracker.comparable, tracker.doubtful):
        with pytest.raises(InputError, match="expected Detections, found "):
            call(found)  # type: ignore[arg-type]
    assert len(tracker.update(Detections.empty())) == 0


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(UsageError, match="frame_rate = '30': expected a number"):
        Tracker(frame_rate="30")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="time_s = 'now': expected a time in seconds"):
        Tracker().update(Detections.empty(), "now")  # type: ignore[arg-type]
    assert Tracker(frame_rate=np.float32(30)).update(Detections.empty(), np.int64(3)) is not None


def test_a_tracker_says_what_it_is() -> None:
    assert repr(Tracker("bytetrack", 25, "reference")) == "Tracker('bytetrack', frame_rate=25, preset='reference')"
    assert repr(Tracker(appearance="ema")).endswith("preset='default', appearance=Ema(momentum=0.9))")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_tracker_is_neither_copied_nor_pickled(copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"^Tracker\('bytetrack'.*make another one with the same arguments"):
        copied(Tracker("bytetrack"))

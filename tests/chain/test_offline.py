"""The second pass: what it adds, mends and takes away, and that the first pass stays as it is."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.chain.offline import GAP_S, Recording
from edge.track.registry import BUILT_IN
from edge.track.tracker import Tracker
from edge.types import Detections, Float32s, Tracks

FPS = 20.0


def person(frame: int, x: float = 100.0, speed: float = 4.0) -> list[float]:
    left = x + speed * frame
    return [left, 50, left + 40, 170]


def detections(
    boxes: Sequence[Sequence[float] | np.ndarray], scores: Sequence[float], embeddings: object = None
) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.zeros(len(scores), np.int32),
        None if embeddings is None else np.array(embeddings, np.float32).reshape(len(scores), -1),
    )


def both(frames: Sequence[Detections], tracker: Tracker | None = None) -> tuple[list[Tracks], list[Tracks]]:
    """What the first pass shows, and the second."""
    tracker = tracker or Tracker("nanotrack", FPS)
    recording, first = Recording(tracker), []
    for number, seen in enumerate(frames):
        first.append(tracker.update(seen, number / FPS))
        recording.add(number / FPS, first[-1], seen)
    return first, recording.tracks()


def shown(tracks: Sequence[Tracks]) -> list[int]:
    return [frame for frame, of_frame in enumerate(tracks) if len(of_frame)]


def test_who_is_confirmed_late_is_shown_from_the_first_sighting_on() -> None:
    frames = [detections([], [])] * 5 + [detections([person(f)], [0.35]) for f in range(60)]
    first, second = both(frames)
    assert shown(first)[0] > 5  # low scores take a while
    assert shown(second) == list(range(5, 65))
    assert {int(i) for tracks in second for i in tracks.ids} == {int(i) for tracks in first for i in tracks.ids}


def test_gaps_are_filled_on_the_way_and_marked_as_filled() -> None:
    missing = range(20, 26)
    frames = [detections([], []) if f in missing else detections([person(f)], [0.9]) for f in range(50)]
    first, second = both(frames)
    assert len(shown(first)) < 50
    assert shown(second) == list(range(50))
    for f in missing:
        assert second[f].detection_index.tolist() == [-1]
        np.testing.assert_allclose(second[f].boxes_xyxy[0], person(f), atol=3)
    assert all(second[f].detection_index.tolist() == [0] for f in range(50) if f not in missing)


def test_long_gaps_stay_gaps_and_nothing_follows_the_last_sighting() -> None:
    long = int(GAP_S * FPS) + 3
    frames = [detections([person(f, speed=0)], [0.9]) for f in range(30)]
    frames += [detections([], [])] * long + frames + [detections([], [])] * 10
    _, second = both(frames)
    assert shown(second) == [*range(30), *range(30 + long, 60 + long)]


def test_boxes_are_smoother_and_nearer_to_the_truth() -> None:
    random = np.random.default_rng(1)
    truth = np.array([person(f) for f in range(80)])
    frames = [detections([box + random.normal(0, 4, 4)], [0.8]) for box in truth]
    first, second = both(frames)
    seen = [f for f in shown(first) if 10 < f < 70]
    online, offline = (
        np.mean([np.abs(tracks[f].boxes_xyxy[0] - truth[f]).mean() for f in seen]) for tracks in (first, second)
    )
    assert offline < 0.8 * online


def test_the_badly_seen_and_the_short_go() -> None:
    frames = []
    for f in range(80):
        boxes, scores = [person(f, speed=3)], [0.9]
        boxes.append([500, 60, 540, 180])  # a sign that is taken for somebody all the time
        scores.append(0.3)
        if 40 <= f < 46:
            boxes.append([300, 200, 340, 320])  # a moment's error
            scores.append(0.9)
        frames.append(detections(boxes, scores))
    first, second = both(frames)
    lefts = [{int(box[0]) // 100 for tracks in run for box in tracks.boxes_xyxy} for run in (first, second)]
    assert {5, 3} <= lefts[0]
    assert 5 not in lefts[1]
    assert all(len(tracks) == 1 for tracks in second[40:46])


def test_skipped_frames_are_filled() -> None:
    tracker = Tracker("nanotrack", FPS)
    recording = Recording(tracker)
    for f in range(40):
        seen = detections([person(f)], [0.9]) if f % 3 == 0 else None
        tracks = tracker.predict(f / FPS) if seen is None else tracker.update(seen, f / FPS)
        recording.add(f / FPS, tracks, seen)
    second = recording.tracks()
    assert shown(second) == list(range(40))
    np.testing.assert_allclose(second[19].boxes_xyxy[0], person(19), atol=2)


def test_nothing_seen_is_nothing_shown() -> None:
    assert Recording(Tracker()).tracks() == []
    _, second = both([detections([], [])] * 3)
    assert [len(tracks) for tracks in second] == [0, 0, 0]
    assert second[0].boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize("method", sorted(set(BUILT_IN) - {"jointtrack", "qdtrack"}))
@pytest.mark.parametrize("preset", ["default", "reference"])
def test_every_method_that_follows_motion_has_a_second_pass(method: str, preset: str) -> None:
    frames = [detections([person(f)], [0.8]) if f not in (20, 21) else detections([], []) for f in range(50)]
    first, second = both(frames, Tracker(method, FPS, preset))
    assert len(shown(first)) >= 40
    assert shown(second) == list(range(50))
    assert all(len(tracks) == 1 for tracks in second)


@pytest.mark.parametrize("method", ["jointtrack", "qdtrack"])
def test_methods_that_follow_appearance_have_one_too(method: str) -> None:
    look = [1.0, 0.0, 0.0, 0.0]
    frames = [detections([person(f)], [0.9], [look]) if f != 20 else detections([], []) for f in range(50)]
    first, second = both(frames, Tracker(method, FPS))
    assert len(shown(first)) >= 40
    assert shown(second) == list(range(50))


class TestAppearance:
    """Two people who look different, one of whom is gone for so long that the tracker makes two tracks of them."""

    EMBEDDINGS: Mapping[str, Sequence[float]] = {"red": [1, 0.1, 0, 0], "blue": [0, 0, 1, 0.1]}

    def frames(self, back_as: str, gone: int = 80, back_x: float = 120.0) -> Iterator[Detections]:
        for f in range(50 + gone + 50):
            boxes, embeddings = [person(f, x=600, speed=0)], [self.EMBEDDINGS["blue"]]
            if f < 50:
                boxes.append(person(f, speed=1))
                embeddings.append(self.EMBEDDINGS["red"])
            elif f >= 50 + gone:
                boxes.append(person(f - 50 - gone, x=back_x, speed=1))
                embeddings.append(self.EMBEDDINGS[back_as])
            yield detections(boxes, [0.9] * len(boxes), embeddings)

    def identities(self, frames: Iterator[Detections]) -> tuple[int, int]:
        """How many each pass shows; the tracker compares no appearance itself."""
        passes = both(list(frames), Tracker("nanotrack", FPS, appearance="none"))
        first, second = ({int(i) for tracks in run for i in tracks.ids} for run in passes)
        return len(first), len(second)

    def test_who_looks_alike_and_can_have_walked_there_is_the_same(self) -> None:
        assert self.identities(self.frames("red")) == (3, 2)

    def test_who_is_there_at_the_same_time_is_somebody_else(self) -> None:
        assert self.identities(self.frames("blue")) == (3, 3)

    def test_nobody_is_faster_than_people_are(self) -> None:
        assert self.identities(self.frames("red", back_x=5000.0)) == (3, 3)


def test_real_detections_gain(data: Path) -> None:
    from benchmarks.accuracy.trials import Trial, total
    from edge.val.dataset import find_sequences
    from edge.val.run import Setting

    pytest.importorskip("scipy")
    (sequence,) = find_sequences(data / "real/gt", "MOT17", None, data / "real/det_nanodet416", "TUD*")
    trial = Trial(sequence)
    online, offline = (total([trial.run(Setting("nanotrack", offline=o))]) for o in (False, True))
    assert offline["HOTA"] > online["HOTA"] + 0.3
    assert offline["MOTA"] > online["MOTA"] - 1  # on all sequences together it gains


def boxes_of(tracks: Sequence[Tracks]) -> list[Float32s]:
    return [of_frame.boxes_xyxy for of_frame in tracks]


def test_the_first_pass_is_not_changed_by_being_recorded() -> None:
    random = np.random.default_rng(3)
    frames = [detections([person(f) + random.normal(0, 3, 4), [500, 60, 540, 180]], [0.6, 0.35]) for f in range(60)]
    tracker = Tracker("nanotrack", FPS)
    alone = [tracker.update(seen, number / FPS) for number, seen in enumerate(frames)]
    recorded, _ = both(frames)
    for one, other in zip(boxes_of(alone), boxes_of(recorded), strict=True):
        np.testing.assert_array_equal(one, other)

"""NanoTrack's rules and quirks, one by one: preset `reference` keeps the defects that `published` repairs."""

import pytest

from edge import Tracker
from tests.track.scenes import ids

PRESETS = pytest.mark.parametrize("preset", ["reference", "published"])


def _previous(tracker: Tracker) -> list[int]:
    """How many (low, high) boxes the tracker remembers of the frame before."""
    return [int(tracker._run["low_before"][0]), int(tracker._run["high_before"][0])]


@pytest.mark.parametrize(("preset", "shown"), [("reference", set()), ("published", {1})])
def test_score_equal_to_a_threshold(preset: str, shown: set[int]) -> None:
    assert ids(Tracker(preset=preset), (0.45,)) == shown
    low = Tracker(preset=preset)
    ids(low, (0.9,))
    assert ids(low, (0.1,)) == shown


@pytest.mark.parametrize(("third", "reference"), [((0.15,), set()), ((0.2, 3.0), set()), ((0.3,), {1}), ((0.44,), {1})])
def test_promoted_detection_may_still_match_in_the_second_stage(third: tuple[float, ...], reference: set[int]) -> None:
    for preset, shown in (("reference", reference), ("published", {1})):
        tracker = Tracker(preset=preset)
        assert ids(tracker, (0.9,)) == ids(tracker, (0.9,)) == {1}
        assert ids(tracker, third) == shown


@PRESETS
def test_promotion_revives_a_lost_track_and_chains(preset: str) -> None:
    tracker = Tracker(preset=preset)
    ids(tracker, (0.9,))
    ids(tracker)  # lost
    assert ids(tracker, (0.4,)) == set()  # nothing high a frame ago: low ones do not revive
    tracker = Tracker(preset=preset)
    other = (0.9, 600, 100, 660, 280)
    ids(tracker, (0.9,), other)
    ids(tracker, other)  # 1 is lost
    ids(tracker, (0.9, 50.0), other)  # too far from 1 to match, covered by it too little to be blocked
    revived = [ids(tracker, (0.44, 50.0 - k), other) for k in range(4)]
    assert revived[1:] == [{2, 3}] * 3  # promoted frame after frame, and so confirmed and kept


@PRESETS
@pytest.mark.parametrize(("score", "first_shown"), [(0.31, 4), (0.40, 4), (0.29, None)])
def test_a_low_detection_that_stands_still_is_born(preset: str, score: float, first_shown: int | None) -> None:
    tracker = Tracker(preset=preset)
    other = (0.9, 600, 100, 660, 280)
    ids(tracker, other)
    shown = [len(ids(tracker, other, (score,))) == 2 for _ in range(2, 9)]
    assert (shown.index(True) + 2 if True in shown else None) == first_shown


@PRESETS
def test_a_low_detection_that_moves_is_not(preset: str) -> None:
    tracker = Tracker(preset=preset)
    other = (0.9, 600, 100, 660, 280)
    ids(tracker, other)
    assert all(ids(tracker, other, (0.4, 2.0 * k)) == {1} for k in range(9))


@pytest.mark.parametrize(("preset", "high"), [("reference", 1), ("published", 0)])
def test_recycled_detections_leak_into_the_high_memory(preset: str, high: int) -> None:
    tracker = Tracker(preset=preset)
    ids(tracker)
    ids(tracker, (0.4,))
    ids(tracker, (0.4,))
    assert _previous(tracker) == [1, high]


def test_a_crowd_that_is_remembered_twice_fits() -> None:
    tracker = Tracker(preset="reference")
    rows = [(0.2, 100.0 * k, 0, 100.0 * k + 50, 100) for k in range(60)]
    for _ in range(2):
        ids(tracker, *rows)
    assert _previous(tracker) == [60, 60]
    assert tracker._state.capacity == 64


def test_memory_does_not_outlive_a_long_gap() -> None:
    for pause_s, shown in ((0.5, {1}), (60.0, set())):
        tracker = Tracker(preset="published")
        ids(tracker, (0.9,), time_s=0.0)
        ids(tracker, (0.4,), time_s=pause_s)
        assert ids(tracker, (0.9,), time_s=pause_s + 1 / 30) == shown


def _seen_again(preset: str, call: int) -> tuple[Tracker, set[int]]:
    tracker = Tracker(preset=preset)
    ids(tracker, (0.9,))
    for _ in range(2, call):
        ids(tracker)
    return tracker, ids(tracker, (0.9,))


def test_expiry_of_the_reference_is_one_frame_late() -> None:
    assert _seen_again("reference", 32)[1] == {1}
    late, shown = _seen_again("reference", 33)
    assert shown == {1}
    assert ids(late) == set()
    assert ids(late, (0.9,)) == set()  # that one miss has deleted it
    assert _seen_again("reference", 34)[1] == set()


def test_expiry_of_the_repaired_method_is_on_time() -> None:
    assert _seen_again("published", 31)[1] == {1}
    tracker, shown = _seen_again("published", 32)
    assert shown == set()
    assert ids(tracker, (0.9,)) == {2}  # a new identity, confirmed by its second detection


@PRESETS
def test_unconfirmed_tracks_do_not_survive_a_miss(preset: str) -> None:
    tracker = Tracker(preset=preset)
    ids(tracker)
    assert ids(tracker, (0.9,)) == set()
    ids(tracker)
    assert ids(tracker, (0.9,)) == set()
    assert ids(tracker, (0.9,)) == {2}


@PRESETS
def test_births_are_blocked_by_tracks_that_died_in_the_same_frame(preset: str) -> None:
    tracker = Tracker(preset=preset)
    assert ids(tracker) == ids(tracker, (0.6,)) == ids(tracker, (0.46, 15.0)) == set()
    assert tracker._alive == 0


@PRESETS
def test_births_are_blocked_by_tracks_but_not_by_each_other(preset: str) -> None:
    assert ids(Tracker(preset=preset), (0.9,), (0.8, 20.0)) == {1, 2}
    tracker = Tracker(preset=preset)
    ids(tracker, (0.9,))
    assert all(ids(tracker, (0.9,), (0.9, 25.0)) == {1} for _ in range(10))


def test_the_image_scale_does_not_matter_once_repaired() -> None:
    from tests.track.scenes import crowd

    def run(scale: float) -> list[list[int]]:
        tracker = Tracker("nanotrack", preset="published")
        shown = []
        for frame in crowd(40, 60):
            frame.boxes_xyxy = frame.boxes_xyxy * type(frame.boxes_xyxy[0, 0])(scale)
            shown.append(tracker.update(frame).ids.tolist())
        return shown

    assert run(1.0) == run(1 / 1024) == run(1024.0)

"""ByteTrack's stages, births and duplicates."""

import pytest

from edge import Tracker
from tests.track.scenes import detections, ids

PRESETS = pytest.mark.parametrize("preset", ["reference", "default"])


@PRESETS
def test_births_need_more_than_the_high_threshold(preset: str) -> None:
    assert ids(Tracker("bytetrack", preset=preset), (0.69,)) == set()
    assert ids(Tracker("bytetrack", preset=preset), (0.7,)) == {1}  # .6 + .1, compared in the precision of scores
    assert ids(Tracker("bytetrack", preset=preset, birth_margin=0.0), (0.61,)) == {1}


@PRESETS
def test_low_detections_keep_a_track_but_neither_start_nor_revive_one(preset: str) -> None:
    tracker = Tracker("bytetrack", preset=preset)
    assert ids(tracker, (0.9,)) == ids(tracker, (0.2,)) == {1}
    ids(tracker)
    assert ids(tracker, (0.5,)) == set()
    assert ids(tracker, (0.9,)) == {1}
    assert ids(Tracker("bytetrack", preset=preset), (0.5,)) == set()


def test_first_stage_limit_is_on_iou_times_score() -> None:
    shifted = (0.65, 36.0)  # IoU .25: fused .1625
    for limit, shown in ((0.9, {1}), (0.8, set())):
        tracker = Tracker("bytetrack", match_thresh=limit)
        ids(tracker, (0.9,))
        assert ids(tracker, shifted) == shown
    tracker = Tracker("bytetrack", match_thresh=0.8, fuse_score=0)
    ids(tracker, (0.9,))
    assert ids(tracker, shifted) == {1}  # plain IoU .25 is above .2


@PRESETS
@pytest.mark.parametrize(
    ("stander_from", "walker_from", "survivor"), [(1, 15, "stander"), (11, 1, "walker"), (10, 15, "stander")]
)
def test_of_two_tracks_in_one_place_the_longer_life_stays(
    preset: str, stander_from: int, walker_from: int, survivor: str
) -> None:
    """A stander is seen up to call 20; a walker comes 6 px a call and has all but its place at call 25."""
    tracker = Tracker("bytetrack", preset=preset)
    known: dict[int, str] = {}
    for call in range(1, 26):
        rows: dict[str, tuple[float, ...]] = {"stander": (0.9,)} if stander_from <= call <= 20 else {}
        if call >= walker_from:
            rows["walker"] = (0.9, 3.0 + 6.0 * (25 - call))
        tracks = tracker.update(detections(*rows.values()))
        if call == 24:
            assert [known[i] for i in tracks.ids.tolist()] == ["walker"]
        names = list(rows)
        known |= {i: names[k] for i, k in zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True)}
        if call == 25:
            assert [known[i] for i in tracks.ids.tolist()] == ([] if survivor == "stander" else ["walker"])
    assert [known[i] for i in ids(tracker, (0.9, 3.0))] == [survivor]

"""SparseTrack's depth bands in its low-score stage."""

import pytest

from edge import Tracker
from tests.track.scenes import ids

NEAR, FAR, ELSEWHERE = (0, 800, 60, 980), (400, 100, 430, 190), (200, 450, 240, 570)


@pytest.mark.parametrize(("preset", "shown"), [("reference", {3}), ("default", {2, 3})])
def test_surplus_bands_take_no_part_in_the_reference(preset: str, shown: set[int]) -> None:
    tracker = Tracker("sparsetrack", preset=preset, depth_levels_low=3)
    ids(tracker, (0.9, *NEAR), (0.9, *FAR), (0.9, *ELSEWHERE))
    assert ids(tracker, (0.3, *NEAR), (0.3, *FAR), (0.9, *ELSEWHERE)) == {1, 2, 3}  # bands 0 and 2 on both sides
    # One low detection is one band: the track in the far band meets nobody, though a box lies right on it.
    assert ids(tracker, (0.3, *FAR), (0.9, *ELSEWHERE)) == shown


def test_without_bands_it_is_one_stage() -> None:
    tracker = Tracker("sparsetrack", preset="reference", depth_levels_low=1)
    ids(tracker, (0.9, *NEAR), (0.9, *FAR))
    assert ids(tracker, (0.3, *FAR)) == {2}


def test_low_stage_limit_and_birth() -> None:
    tracker = Tracker("sparsetrack")
    assert ids(tracker, (0.9,)) == {1}
    assert ids(tracker, (0.3, 20.0)) == set()  # IoU .5 is under 1 - .3
    assert ids(Tracker("sparsetrack", match_thresh_low=0.6, track_buffer=60), (0.69,)) == set()


def test_near_tracks_choose_before_far_ones() -> None:
    """A low detection that both could take goes to the nearer track although the farther one overlaps it more."""
    tracker = Tracker("sparsetrack", depth_levels_low=2, match_thresh_low=0.8)
    near, far = (100, 100, 160, 300), (100, 100, 160, 250)
    ids(tracker, (0.9, *near), (0.8, *far))
    assert ids(tracker, (0.3, 100, 100, 160, 255)) == {1}
    one_band = Tracker("sparsetrack", depth_levels_low=1, match_thresh_low=0.8)
    ids(one_band, (0.9, *near), (0.8, *far))
    assert ids(one_band, (0.3, 100, 100, 160, 255)) == {2}

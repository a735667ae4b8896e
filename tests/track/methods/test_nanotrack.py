"""What NanoTrack's default promises: ids for the confirmed only, evidence, revival, classes, time, no pixels."""

import numpy as np
import pytest

from edge import Detections, Tracker
from edge.track.methods.nanotrack import Parameters
from tests.track.scenes import crowd, ids

OTHER = (0.95, 600, 100, 660, 280)


def test_ids_are_for_the_confirmed_and_none_is_burnt() -> None:
    tracker = Tracker()
    assert ids(tracker, OTHER) == {1}
    for k in range(20):  # somewhere else every time: never confirmed
        assert ids(tracker, OTHER, (0.6, 70.0 * k - 5000)) == {1}
    ids(tracker, OTHER, (0.9,))
    assert ids(tracker, OTHER, (0.9,)) == {1, 2}


@pytest.mark.parametrize(("score", "frames"), [(0.9, 2), (0.4, 5), (0.2, None)])
def test_low_scores_are_confirmed_by_persistence(score: float, frames: int | None) -> None:
    tracker, other = Tracker(), (0.5, *OTHER[1:])
    ids(tracker, other)
    shown = [len(ids(tracker, other, (score,))) == 2 for _ in range(60)]
    assert (shown.index(True) + 1 if True in shown else None) == frames


def test_what_turns_out_to_be_clutter_goes_again_and_people_stay() -> None:
    """Confirmed by some high scores, then seen steadily with low ones: .15 is hidden within seconds, .6 is not."""
    other = (0.7, *OTHER[1:])
    for later, expected in ((0.15, {2}), (0.6, {1, 2})):
        tracker = Tracker()
        for _ in range(30):
            ids(tracker, other, (0.8,))
        for _ in range(150):
            shown = ids(tracker, other, (later,))
        assert shown == expected


def test_a_box_on_a_known_one_is_doubted() -> None:
    tracker = Tracker()
    part = (0.6, 105, 100, 155, 230)
    for _ in range(40):
        assert ids(tracker, (0.95,), part) == {1}


def test_a_confirmed_duplicate_goes_again_and_someone_behind_stays() -> None:
    """Two people side by side, then one box on the other: a low score there is a second box, a good one a person."""
    for score, expected in ((0.3, {1}), (0.7, {1, 2})):
        tracker = Tracker()
        for _ in range(20):
            ids(tracker, (0.95,), (0.8, 140))
        assert ids(tracker, (0.95,), (0.8, 140)) == {1, 2}
        for k in range(90):
            shown = ids(tracker, (0.95,), (score, 140.0 - 5 * min(k, 24)))
        assert shown == expected


def test_the_doubtful_are_hidden_and_keep_their_id() -> None:
    tracker = Tracker()
    for _ in range(30):
        ids(tracker, OTHER, (0.8,))
    shown = [ids(tracker, OTHER, (0.15,)) for _ in range(100)]
    assert shown[0] == {1, 2}
    assert shown[-1] == {1}
    assert {1, 2} in [ids(tracker, OTHER, (0.8,)) for _ in range(9)]


def test_a_low_score_refinds_a_lost_track_that_fits() -> None:
    tracker = Tracker()
    for _ in range(10):
        ids(tracker, (0.8,))
    for _ in range(5):
        ids(tracker)
    assert ids(tracker, (0.2,)) == {1}
    assert ids(Tracker(), (0.2,)) == set()


@pytest.mark.parametrize("rate", [1.0, 7.0, 12.5, 30.0, 60.0])
def test_a_dip_of_the_score_does_not_end_a_track_that_fits(rate: float) -> None:
    """Somebody at .7 falls to .29 for a second and stands .1 of a body aside: the same one."""
    tracker = Tracker(frame_rate=rate)
    for _ in range(int(3 * rate) + 3):
        ids(tracker, (0.7,))
    for _ in range(int(rate) + 1):
        assert ids(tracker, (0.29, 6.0)) == {1}
    assert ids(tracker, (0.7,)) == {1}


@pytest.mark.parametrize(("rate", "bridged"), [(5.0, 0), (6.0, 1), (10.0, 1), (12.5, 1), (30.0, 2), (60.0, 4)])
def test_a_missed_frame_is_bridged_where_that_is_short(rate: float, bridged: int) -> None:
    tracker = Tracker(frame_rate=rate)
    for _ in range(20):
        ids(tracker, (0.9,))
    assert [len(ids(tracker)) for _ in range(6)] == [1] * bridged + [0] * (6 - bridged)


def test_a_track_unseen_for_a_moment_is_shown_where_it_should_be() -> None:
    tracker = Tracker()
    for k in range(10):
        ids(tracker, (0.9, 5.0 * k))
    tracks = tracker.update(Detections.empty())
    assert tracks.detection_index.tolist() == [-1]
    assert tracks.boxes_xyxy[0] == pytest.approx([150, 100, 210, 280], abs=6)
    for _ in range(3):
        tracks = tracker.update(Detections.empty())
    assert len(tracks) == 0


def test_scale_does_not_matter() -> None:
    stream = crowd(40, 60)
    plain, small = Tracker(), Tracker()
    for frame in stream:
        a, b = plain.update(frame), small.update(Detections(frame.boxes_xyxy / np.float32(1024), frame.scores))
        assert a.ids.tolist() == b.ids.tolist()
        assert np.allclose(a.boxes_xyxy / 1024, b.boxes_xyxy, rtol=1e-4, atol=1e-4)


def test_dropped_frames_are_longer_steps() -> None:
    tracker = Tracker(frame_rate=30.0)
    for k in range(20):
        ids(tracker, (0.9, 8.0 * k), time_s=k / 30)
    assert ids(tracker, (0.9, 8.0 * 29), time_s=29 / 30) == {1}  # nine frames missing, 80 px on


def test_the_same_pace_at_any_frame_rate() -> None:
    """Velocity, evidence and patience are by the second: half the frames at half the rate give the same ids."""
    for rate in (10.0, 15.0, 30.0, 60.0):
        tracker = Tracker(frame_rate=rate)
        for k in range(int(rate)):
            ids(tracker, (0.8, 60.0 * k / rate))
        for _ in range(int(1.5 * rate)):
            ids(tracker)
        assert ids(tracker, (0.8, 60.0 * 2.5)) == {1}
        for _ in range(int(2.5 * rate)):
            ids(tracker)
        assert ids(tracker, (0.8, 60.0 * 5)) == set()


@pytest.mark.parametrize("rate", [20.0, 40.0, 60.0])
def test_the_running_score_follows_by_the_second(rate: float) -> None:
    """After a fall from .9 to .4, what is left of it is e^-1 after .15 s, however many frames that was."""
    tracker = Tracker(frame_rate=rate)
    for _ in range(10):
        ids(tracker, (0.9,))
    before = float(tracker._state.table[0]["score"])
    for _ in range(round(0.15 * rate)):
        ids(tracker, (0.4,))
    assert before == pytest.approx(0.9)
    assert float(tracker._state.table[0]["score"]) == pytest.approx(0.4 + 0.5 / np.e, abs=1e-6)


def test_every_parameter_is_explained() -> None:
    text = " ".join(part.__doc__ or "" for part in Parameters.__mro__)
    for name in vars(Parameters()):
        assert f"`{name}`" in text

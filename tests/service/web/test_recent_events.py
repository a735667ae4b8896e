"""The newest events, for who looks now."""

import numpy as np

from edge.events import CameraChanged, Ended, Moment, Observed, Origin
from edge.service.web.recent_events import KEPT, SHORT, RecentEvents
from edge.types import Tracks
from tests.video.fakes import FakeClock

ORIGIN = Origin("r1", "door", ["person"])
NOBODY = Tracks(
    *(np.zeros(shape, dtype) for shape, dtype in ((0, "i8"), ((0, 4), "f4"), (0, "f4"), (0, "i4"), (0, "i4")))
)


def test_the_newest_come_first_and_tell_how_long_ago_they_were() -> None:
    clock = FakeClock(50.0)
    recent = RecentEvents(clock)
    recent.note(CameraChanged(ORIGIN, Moment(50.0, None), "online", ""))
    clock.now_s = 53.0
    recent.note(Ended(ORIGIN, Moment(53.0, 1_790_000_000.0), 7, 12, "lost"))
    clock.now_s = 54.0
    ended, online = recent.list()
    assert (ended["event"], ended["id"], ended["frames"], ended["ago_s"]) == ("end", 7, 12, 1.0)
    assert (online["event"], online["state"], online["camera"], online["ago_s"]) == ("camera", "online", "door", 4.0)


def test_a_crowd_does_not_hide_that_a_camera_went_and_frames_are_no_news() -> None:
    recent = RecentEvents(FakeClock())
    at = Moment(0.0, None)
    recent.note(CameraChanged(ORIGIN, at, "offline", "no picture comes"))
    for id_ in range(1, 10 * KEPT):
        recent.note(Observed(ORIGIN, at, id_, (64, 64), NOBODY, []))
        recent.note(Ended(ORIGIN, at, id_, SHORT, "lost"))
    found = recent.list()
    assert len(found) == KEPT + 1
    assert [event["state"] for event in found if event["event"] == "camera"] == ["offline"]
    assert {event["event"] for event in found} == {"camera", "end"}


def test_tracks_that_were_shown_for_a_moment_only_are_not_listed() -> None:
    recent = RecentEvents(FakeClock())
    for id_, frames in ((1, SHORT - 1), (2, SHORT), (3, 1)):
        recent.note(Ended(ORIGIN, Moment(0.0, None), id_, frames, "lost"))
    assert [event["id"] for event in recent.list()] == [2]

"""The life of an identity: it begins once, may be lost and found, and has one end, after which nothing comes of it."""

from collections.abc import Collection, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.events import Ended, Event, Found, Lives, Lost, Memory, Moment, Observed, Origin, UntilTheEnd
from edge.track import registry
from tests.sinks.tracks import Remembering, tracks

ORIGIN = Origin("r1", "door", ["person"])
SIZE = (640, 480)


def told(memory: Memory, frames: Sequence[Sequence[int]], step_s: float = 0.1) -> list[Event]:
    """All events of a stream that shows these identities."""
    lives, events = Lives(ORIGIN, memory), []
    for number, ids in enumerate(frames, 1):
        events += lives.observe(number, SIZE, tracks(*ids), Moment(number * step_s, None))
    return [*events, *lives.stop(Moment((len(frames) + 1) * step_s, None))]


def check(events: Sequence[Event]) -> None:
    """Each identity starts once and ends once, is lost and found in turn, and is in no frame while it is away."""
    here, lost, over = set[int](), set[int](), set[int]()
    for event in events:
        if isinstance(event, Observed):
            ids = set(event.tracks.ids.tolist())
            ages = dict(zip(event.tracks.ids.tolist(), event.ages, strict=True))
            assert {id_ for id_, age in ages.items() if age == 0} == ids - here
            assert not ids & (lost | over)
            here |= ids
        elif isinstance(event, Lost):
            assert event.id in here - lost - over
            lost.add(event.id)
        elif isinstance(event, Found):
            assert event.id in lost
            lost.remove(event.id)
        elif isinstance(event, Ended):
            assert event.id in here - over
            over.add(event.id)
            lost.discard(event.id)
    assert here == over


class Foresight:
    """Retains whom a later frame shows, and some others: what a tracker promises."""

    lost_s = 0.25

    def __init__(self, frames: Sequence[Sequence[int]], others: Collection[int]):
        self.left = list(frames)
        self.others = set(others)

    def retained(self, ids: Collection[int], time_s: float) -> set[int]:
        return {*self.others, *(id_ for shown in self.left for id_ in shown)}.intersection(ids)


@given(st.lists(st.sets(st.integers(1, 4)).map(sorted), max_size=60), st.sets(st.integers(1, 4)))
def test_each_identity_starts_once_and_ends_once_whatever_is_shown(frames: list[list[int]], others: set[int]) -> None:
    check(told(Foresight(frames, others), frames))
    check(told(UntilTheEnd(0.25), frames))


def test_who_is_remembered_is_lost_and_found_and_who_is_not_ends() -> None:
    memory = Remembering(0.25, frozenset({1}))
    events = told(memory, [[1, 2], [], [], [], [1], []])
    kinds = [(type(e).__name__, e.id, round(e.at.time_s, 1)) for e in events if not isinstance(e, Observed)]  # type: ignore[union-attr]
    assert kinds == [("Lost", 1, 0.4), ("Ended", 2, 0.4), ("Found", 1, 0.5), ("Ended", 1, 0.7)]


def test_who_is_lost_ends_when_the_tracker_forgets() -> None:
    memory = Remembering(0.25, frozenset({1}))
    lives = Lives(ORIGIN, memory)
    lives.observe(1, SIZE, tracks(1), Moment(0.0, None))
    assert [type(event) for event in lives.expire(Moment(1.0, None))] == [Lost]
    assert lives.expire(Moment(2.0, None)) == []
    memory.kept = frozenset()
    (end,) = lives.expire(Moment(3.0, None))
    assert isinstance(end, Ended)
    assert (end.id, end.reason, end.frames) == (1, "lost", 1)


@pytest.mark.parametrize("appearance", ["none", "ema"])
def test_who_is_lost_ends_though_no_frame_comes(appearance: str) -> None:
    random, looks = np.random.default_rng(1), np.eye(4)
    tracker = Tracker("nanotrack", 10.0, appearance=appearance)
    lives = Lives(ORIGIN, tracker)
    for number in range(20):
        shown = tracker.update(detections(random, looks, faint=False), number / 10)
        lives.observe(number + 1, SIZE, shown, Moment(number / 10, None))
    kinds = {seconds: {type(event) for event in lives.expire(Moment(1.9 + seconds, None))} for seconds in (3, 20, 40)}
    assert kinds == (
        {3: {Ended}, 20: set(), 40: set()} if appearance == "none" else {3: {Lost}, 20: set(), 40: {Ended}}
    )


def detections(random: np.random.Generator, looks: np.ndarray, faint: bool) -> Detections:
    """People who tremble in their places, each missed or faint at times, with embeddings."""
    seen = np.flatnonzero(random.random(len(looks)) > 0.2)
    x = 100 + 150.0 * seen + random.normal(0, 2, len(seen))
    boxes = np.stack([x, np.full(len(seen), 100.0), x + 60, np.full(len(seen), 250.0)], 1).astype(np.float32)
    scores = np.where(faint, random.uniform(0.1, 0.4, len(seen)), random.uniform(0.6, 0.95, len(seen)))
    embeddings = looks[seen] + random.normal(0, 0.05, (len(seen), looks.shape[1]))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Detections(boxes, scores.astype(np.float32), embeddings=embeddings.astype(np.float32))


BY_APPEARANCE = ("qdtrack", "jointtrack")
CHOICES = [(name, rule) for name in registry.BUILT_IN if name not in BY_APPEARANCE for rule in ("none", "ema")]


@pytest.mark.parametrize(("method", "appearance"), [*CHOICES, *((name, None) for name in BY_APPEARANCE)])
def test_no_tracker_brings_back_an_identity_after_its_end(method: str, appearance: str | None) -> None:
    """People who stand still fade, vanish for 1 to 40 s and come again: hidden tracks, lost ones, and re-entry."""
    random = np.random.default_rng(5)
    tracker = Tracker(method, 10.0, appearance=appearance)
    lives, events, time_s = Lives(ORIGIN, tracker), [], 0.0
    looks = np.linalg.qr(random.normal(size=(16, 16)))[0][:4]
    number = 0
    for away_s in (0.0, 1.0, 3.0, 8.0, 15.0, 40.0, 3.0):
        for is_there, faint, seconds in ((False, False, away_s), (True, False, 4.0), (True, True, 6.0)):
            for _ in range(round(seconds * 10)):
                number, time_s = number + 1, time_s + 0.1
                shown = tracker.update(detections(random, looks if is_there else looks[:0], faint), time_s)
                events += lives.observe(number, SIZE, shown, Moment(time_s, None))
    check([*events, *lives.stop(Moment(time_s, None))])
    assert any(isinstance(event, Ended) and event.reason == "lost" for event in events)
    if appearance == "ema" and method in ("nanotrack", "bytetrack"):
        assert any(isinstance(event, Found) for event in events)

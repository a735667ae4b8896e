"""Which frames `auto` detects on: the budget holds, streams share it by need, and nothing goes unseen for long."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import Detections, Frame, Tracker, Tracks
from edge.chain.chain import Chain
from edge.chain.interval import LONGEST_S, AutoInterval
from edge.chain.need import Budget, Need, small

RATE = 25.0
NOBODY = Tracks(
    np.empty(0, np.int64),
    np.empty((0, 4), np.float32),
    np.empty(0, np.float32),
    np.empty(0, np.int32),
    np.empty(0, np.int32),
)
PICTURE = np.zeros((360, 640, 3), np.uint8)


class Walkers:
    """Detections of people who walk at `speed` heights a second; counts how often it is asked."""

    classes = ("person",)
    is_joint = False

    def __init__(self, speed: float, people: int = 3) -> None:
        self.asked: list[float] = []
        self._speed, self._people = speed, people

    def __call__(self, frame: Frame) -> Detections:
        self.asked.append(frame.time_s)
        x = 50 + 100 * np.arange(self._people) + 80 * self._speed * frame.time_s
        boxes = np.stack([x, np.full_like(x, 100), x + 30, np.full_like(x, 180)], 1).astype(np.float32)
        return Detections(boxes, np.full(self._people, 0.9, np.float32))

    def feedback(self, tracks: Tracks) -> None:
        """Nothing."""

    def reset(self) -> None:
        """Nothing."""


def follow(chains: list[Chain], seconds: float, picture: np.ndarray = PICTURE) -> None:
    """The chains' frames in turns, as the daemon's loop takes them."""
    for number in range(round(seconds * RATE)):
        for chain in chains:
            chain(Frame(picture, number + 1, number / RATE))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_the_budget_is_kept(share: float) -> None:
    walkers, budget = Walkers(0.5), Budget(share)
    follow([Chain(walkers, Tracker("nanotrack", RATE), detect_every="auto", budget=budget)], 40)
    assert len(walkers.asked) / (40 * RATE) == pytest.approx(share, abs=0.05)
    assert (budget.granted, budget.asked) == (len(walkers.asked), 40 * RATE)


def test_who_needs_it_gets_it() -> None:
    budget, slow, fast, nobody = Budget(0.4), Walkers(0.1), Walkers(1.0), Walkers(0.0, people=0)
    chains = [
        Chain(walkers, Tracker("nanotrack", RATE), detect_every="auto", budget=budget)
        for walkers in (slow, fast, nobody)
    ]
    follow(chains, 40)
    later = [sum(time_s >= 20 for time_s in walkers.asked) / (20 * RATE) for walkers in (slow, fast, nobody)]
    assert later[1] > 1.7 * later[0]
    assert later[2] == pytest.approx(1 / (LONGEST_S * RATE), abs=0.02)
    assert np.mean(later) == pytest.approx(0.4, abs=0.05)


@given(
    share=st.floats(0.01, 1.0),
    streams=st.lists(st.tuples(st.floats(0.02, 2), st.sampled_from((7, 14, 25, 30, 60))), min_size=1, max_size=5),
)
def test_all_streams_together_get_the_share(share: float, streams: list[tuple[float, int]]) -> None:
    budget = Budget(share)
    claims = [(budget.claim(), wish, rate) for wish, rate in streams]
    frames = sorted((n / rate, k) for k, (_, _, rate) in enumerate(claims) for n in range(30 * rate))
    for _, k in frames:
        claim, wish, rate = claims[k]
        claim.grants(wish, 1 / rate)
    assert budget.asked == len(frames)
    assert budget.granted / budget.asked == pytest.approx(share, abs=0.02 + 5 * len(streams) / len(frames))


@given(share=st.floats(0.05, 1.0), wish=st.floats(0.1, 2))
def test_one_stream_alone_gets_even_intervals(share: float, wish: float) -> None:
    claim = Budget(share).claim()
    due = np.flatnonzero([claim.grants(wish, 1 / RATE) for _ in range(1000)])[5:]
    assert np.ptp(np.diff(due)) <= 1


def test_a_stream_that_is_gone_leaves_its_share_to_the_others() -> None:
    budget = Budget(0.3)
    one, other = budget.claim(), budget.claim()
    for _ in range(200):
        one.grants(1.0, 0.04)
        other.grants(5.0, 0.04)
    both = budget.detections_per_wish()
    del other
    gc.collect()
    assert budget.detections_per_wish() > 2 * both


@given(gaps_ms=st.lists(st.integers(1, 700), min_size=1, max_size=80), share=st.floats(0.01, 1))
def test_the_first_frame_is_due_and_none_goes_unseen_for_long(gaps_ms: list[int], share: float) -> None:
    interval, time_s, due_s = AutoInterval(Budget(share)), 0.0, float("-inf")
    for number, gap_ms in enumerate([0, *gaps_ms]):
        time_s += gap_ms / 1000
        due = interval.is_due(Frame(PICTURE, number + 1, time_s), NOBODY)
        assert due or time_s - due_s < LONGEST_S
        due_s = time_s if due else due_s


def test_the_least_interval_of_a_hot_board_holds() -> None:
    walkers = Walkers(2.0)
    chain = Chain(walkers, Tracker("nanotrack", RATE), detect_every="auto", budget=Budget(1.0))
    assert chain.detect_every == 1
    assert chain.change_interval(4)
    assert chain.detect_every == 4
    follow([chain], 4)
    assert np.diff(walkers.asked).min() == pytest.approx(4 / RATE)
    assert chain.change_interval(1)
    assert not chain.change_interval(1)


def test_an_empty_scene_is_looked_at_when_something_moves_in_it() -> None:
    need = Need()
    need.look(PICTURE)
    still = need.wish_per_s(PICTURE, NOBODY)
    visitor = PICTURE.copy()
    visitor[100:200, 300:350] = 200
    noise = np.random.default_rng(0).integers(0, 12, PICTURE.shape).astype(np.uint8)
    assert need.wish_per_s(noise, NOBODY) == still
    assert need.wish_per_s(visitor, NOBODY) > 5 * still
    need.learn(0.0, NOBODY, unsure=1)  # somebody was seen once, and is not shown yet
    assert need.wish_per_s(PICTURE, NOBODY) > 5 * still


@pytest.mark.parametrize("shape", [(1080, 1920, 3), (36, 64, 3), (10, 9, 3), (0, 0, 3)])
def test_the_small_picture_is_small(shape: tuple[int, int, int]) -> None:
    made = small(np.full(shape, 7, np.uint8))
    assert made.size <= 64 * 2 * 48 * 2
    assert (made == 7).all()


def test_other_pictures_begin_anew() -> None:
    walkers = Walkers(0.5)
    chain = Chain(walkers, Tracker("nanotrack", RATE), detect_every="auto", budget=Budget(0.05))
    follow([chain], 2)
    before = len(walkers.asked)
    chain(Frame(np.zeros((480, 640, 3), np.uint8), 51, 2.0))
    assert len(walkers.asked) == before + 1

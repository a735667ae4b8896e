"""Things that a detector takes for people now and then, beside people who wait for a minute in the built-in scene.

Who stands where and who hides whom is the scene's truth. The detections are drawn around it, as those of a light
detector on real pictures are: a thing of this kind has scores of about .3, a person of .5 to .75, and the logit of
either strays by .45 (standard deviation) within a track and flickers.
"""

import functools
import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pytest

from edge import Detections, Tracker
from edge.demo.scene import Options, Scene
from edge.demo.truth import Truth
from edge.track.evidence import log_odds

SEED, SECONDS, RATE, SIZE = 1, 60, 10.0, (320, 180)
PEOPLE, WAITING = 12, 6  # identities 1 to 6 wait, the others walk past them and the props
SPREAD, FLICKER_S = 0.45, 0.3
HIDDEN = 4.0  # logit that a person loses who is wholly hidden
JITTER_H = 0.02  # of the edges, in heights
CLEAR = 0.8  # visibility of who is not hidden
MISSED = -9.0  # logit below every detector's floor


@dataclass(frozen=True)
class Prop:
    """A thing that stands: its box, its usual score, how often it is detected and for about how long at a time."""

    box_xyxy: tuple[float, float, float, float]
    score: float
    detected: float
    steady_s: float


PROPS = {
    "signpost": Prop((75, 68, 84, 110), 0.30, 0.9, 2.0),
    "cone": Prop((215, 135, 229, 165), 0.27, 0.6, 0.5),
    "clothes rack": Prop((298, 94, 317, 145), 0.35, 0.8, 1.0),
}


class Wander:
    """Normal numbers of mean 0 that follow each other: a frame's is like those of the last `memory_s`."""

    def __init__(self, random: np.random.Generator, memory_s: float, spread: float) -> None:
        self._random, self._spread = random, spread
        self._kept = math.exp(-1 / (RATE * memory_s))
        self._value = spread * random.normal()

    def next(self) -> float:
        """That of the next frame."""
        self._value = self._kept * self._value + math.sqrt(1 - self._kept**2) * self._spread * self._random.normal()
        return self._value


@functools.cache
def street() -> list[Truth]:
    """A minute of the street."""
    options = Options(PEOPLE, SEED, int(SECONDS * RATE), SIZE, RATE, waiting=WAITING)
    return [truth for _, truth in Scene(options)]


def detected(truths: list[Truth], person: float) -> list[Detections]:
    """By frame: the props, then the people of the truth, whose score is `person` where nobody hides them."""
    random = np.random.default_rng([SEED, int(100 * person)])
    props = [(p, Wander(random, FLICKER_S, SPREAD), Wander(random, p.steady_s, 1.0)) for p in PROPS.values()]
    people: dict[int, Wander] = {}
    frames = []
    for truth in truths:
        odds = []
        for prop, stray, presence in props:
            share = 0.5 * (1 + math.erf(presence.next() / math.sqrt(2)))  # uniform from 0 to 1
            odds.append(log_odds(prop.score) + stray.next() if share < prop.detected else MISSED)
        for who, seen in zip(truth.ids.tolist(), truth.visibility.tolist(), strict=True):
            stray = people.setdefault(who, Wander(random, FLICKER_S, SPREAD))
            odds.append(log_odds(person) + stray.next() - HIDDEN * (1 - seen))
        boxes = np.concatenate([np.array([p.box_xyxy for p in PROPS.values()]), truth.boxes_xyxy])
        heights = (boxes[:, 3] - boxes[:, 1])[:, None]
        boxes = boxes + JITTER_H * heights * random.normal(size=boxes.shape)
        frames.append(Detections(boxes.astype(np.float32), (1 / (1 + np.exp(-np.array(odds)))).astype(np.float32)))
    return frames


def shown(person: float, every: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids under which each prop `[F, P]` and each of who wait `[F, WAITING]` is shown: 0 for not at all, -1: hidden."""
    truths = street()
    tracker = Tracker(frame_rate=RATE / every)
    props, waiting = [], []
    for k, detections in enumerate(detected(truths, person)):
        if k % every:
            continue
        tracks = tracker.update(detections, k / RATE)
        ids = dict(zip(tracks.detection_index.tolist(), tracks.ids.tolist(), strict=True))
        props.append([ids.get(row, 0) for row in range(len(PROPS))])
        clear = {
            who: ids.get(len(PROPS) + row, 0)
            for row, who in enumerate(truths[k].ids.tolist())
            if truths[k].visibility[row] > CLEAR
        }
        waiting.append([clear.get(who, -1) for who in range(1, WAITING + 1)])
    return np.array(props), np.array(waiting)


@pytest.mark.parametrize("every", [1, 2])
def test_props_beside_people_with_good_scores_are_shown_for_three_seconds_at_most(every: int) -> None:
    props, _ = shown(0.75, every)
    for name, ids in zip(PROPS, props.T, strict=True):
        longest = max((len(list(run)) for there, run in groupby(ids > 0) if there), default=0)
        assert longest * every / RATE <= 3, name


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("person", [0.5, 0.6, 0.75])
def test_who_waits_for_a_minute_is_shown_under_one_identity(person: float, every: int) -> None:
    _, waiting = shown(person, every)
    in_view = (waiting >= 0).mean(0) > 0.5
    assert in_view.sum() >= 5
    for ids in waiting.T[in_view]:
        clear = ids[ids >= 0]
        assert (clear > 0).mean() > 0.9
        assert len(set(clear.tolist()) - {0}) == 1

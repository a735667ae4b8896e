"""Which tracks are shown: clutter that stands is not, people who stand are, and what a track is known for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.track import standing
from edge.track.evidence import log_odds
from edge.track.methods.nanotrack import METHOD, Parameters
from tests.track.scenes import ids

SECONDS = 60


def _scene(
    rate: float, person: float, thing: float, *, wobble: float = 0.0, pan: float = 0.0
) -> dict[str, list[int | None]]:
    """A minute: two people walk to and fro at score `person`, a third one stands, and a thing at score `thing`.

    What is shown of each by frame: the ids. `wobble` is the deviation of log-odds; the camera pans by `pan` h a second.
    """
    random, tracker = np.random.default_rng(5), Tracker(frame_rate=rate)
    shown: dict[str, list[int | None]] = {"walks": [], "stands": [], "thing": []}
    for frame in range(int(SECONDS * rate)):
        time_s = frame / rate
        swing = 250 * np.sin(2 * np.pi * time_s / 12)  # pixels, at most 1.3 body heights a second
        corners = np.array([[300 + swing, 100], [700 - swing, 120], [1200, 110], [1500, 90]])
        corners[:, 0] -= 100 * pan * time_s
        boxes = np.concatenate([corners, corners + np.array([40, 100])], 1) + random.normal(0, 0.5, (4, 4))
        odds = np.log(np.array([person] * 3 + [thing]) / (1 - np.array([person] * 3 + [thing])))
        scores = 1 / (1 + np.exp(-odds - random.normal(0, wobble, 4)))
        tracks = tracker.update(Detections(boxes.astype(np.float32), scores.astype(np.float32)), time_s)
        row = dict(zip(tracks.detection_index.tolist(), tracks.ids.tolist(), strict=True))
        for name, j in (("walks", 0), ("stands", 2), ("thing", 3)):
            shown[name].append(row.get(j))
    return shown


def _part(seen: list[int | None]) -> float:
    return sum(track is not None for track in seen) / len(seen)


@pytest.mark.parametrize("rate", [1.0, 7.0, 15.0, 30.0])
@pytest.mark.parametrize("pan", [0.0, 0.3])
def test_a_thing_that_stands_and_is_never_good_is_hidden(rate: float, pan: float) -> None:
    shown = _scene(rate, 0.65, 0.36, wobble=0.3, pan=pan)
    seen = shown["thing"]
    longest = max((len(run) for run in "".join("x" if t is not None else " " for t in seen).split()), default=0)
    assert longest <= 3 * rate
    assert _part(seen) < 0.1
    assert _part(shown["stands"]) > 0.95


@pytest.mark.parametrize("rate", [1.0, 7.0, 15.0, 30.0, 60.0])
@pytest.mark.parametrize("person", [0.5, 0.65, 0.85])
def test_people_who_wait_for_a_minute_stay_and_keep_their_id(rate: float, person: float) -> None:
    shown = _scene(rate, person, 0.2, wobble=0.35)
    assert _part(shown["stands"]) > 0.95
    assert len(set(shown["stands"]) - {None}) == 1


def test_what_is_hidden_keeps_its_id() -> None:
    tracker, other = Tracker(), (0.6, 600, 100, 660, 280)
    at_first = set().union(*(ids(tracker, other, (0.35,)) for _ in range(10)))
    hidden = [ids(tracker, other, (0.35,)) for _ in range(200)][-1]
    later = [ids(tracker, other, (0.8,)) for _ in range(10)][-1]
    assert at_first == later == {1, 2}
    assert hidden == {1}


@settings(deadline=None)
@given(st.lists(st.floats(0.02, 0.98), min_size=2, max_size=40), st.sampled_from([5.0, 10.0, 30.0]))
def test_standing_equals_its_twin(scores: list[float], rate: float) -> None:
    """It follows better scores within .1 s, worse ones within 5 s, and is a plain mean of a young track."""
    run, track = np.zeros(1, METHOD.run_dtype)[0], np.zeros(1, METHOD.track_dtype)[0]
    run["frame_rate"], track["position"] = rate, (100, 100, 40, 100)
    for name, value in vars(Parameters()).items():
        run[name] = value
    standing.begin(track, scores[0])
    expected = mean = log_odds(scores[0])
    for k, score in enumerate(scores[1:], 1):
        run["now"] = k
        odds = log_odds(score)
        standing.begin_frame(run, 1 / rate)
        standing.see(run, track, score, odds, 1 / rate)
        pace = max(1 - np.exp(-1 / rate / 5), 1 / (k + 1))
        if odds > expected:
            pace = max(pace, 1 - np.exp(-1 / rate / 0.1))
        expected += pace * (odds - expected)
        mean += (odds - mean) / (k + 1)
    assert track["standing"] == pytest.approx(expected)
    assert track["mean"] == pytest.approx(mean)
    assert track["mean"] == pytest.approx(np.mean([log_odds(s) for s in scores]))


def test_walking_is_what_leads_away_and_not_what_trembles() -> None:
    run, still, walker = np.zeros(1, METHOD.run_dtype)[0], *np.zeros(2, METHOD.track_dtype)
    run["frame_rate"] = 30.0
    for track in (still, walker):
        track["position"] = (100, 100, 40, 100)
        standing.begin(track, 0.5)
    for k in range(1, 120):
        run["now"] = k
        still["position"][0] = 100 + 30 * (-1) ** k
        walker["position"][0] = 100 + k
        standing.begin_frame(run, 1 / 30)
        for track in (still, walker):
            standing.see(run, track, 0.5, 0.0, 1 / 30)
    assert standing.is_still(run, still)
    assert not standing.is_still(run, walker)

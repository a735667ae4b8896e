"""Which tracks are shown: those with scores near to what is usual in the scene; static ones must be nearer to it.

A signpost, a conifer or a clothes rack is detected in every frame with a low score, so evidence that only accumulates
would show it without end. A track's `standing` is a slow average of the log-odds of its scores: it follows higher
scores within `_RISE_S` and lower ones within `_FALL_S`, so a short occlusion does not hide a person. With the level and
variance of the scene from usual.py:

    shown iff standing >= min(level, share * level) - wander_weight * variance

The share is `usual_share`, or `still_share` for a track that has not moved for `_STILL_S` since it began. A person who
waits has a person's score and stays visible. A track that is not shown is still tracked and keeps its identity.
"""

import math
from typing import Any

from edge.kernels.jit import kernel
from edge.track import usual
from edge.track.evidence import log_odds

# Fields of a tracker's record, set for each frame: the least standing to be shown, for tracks that have moved and for
# static ones; and the steps of the average, towards a higher and towards a lower score.
RUN_FIELDS: list[Any] = [*usual.FIELDS, ("least_standing", "f8", (2,)), ("standing_steps", "f8", (2,))]

# Fields of a track. `standing` and `mean` of its scores are log-odds. `born`: the centre where it began, shifted with
# the camera. `walked`: the farthest it has been from there, in h.
FIELDS: list[Any] = [
    ("standing", "f8"),
    ("mean", "f8"),
    ("born", "f8", (2,)),
    ("walked", "f8"),
]

_RISE_S, _FALL_S = 0.1, 5.0
_SETTLED_S = 0.3  # only tracks older than this count for what is usual
_STILL_S = 2.0  # a younger track had no time to move ...
_STILL_H = 0.5  # ... farther than this, in h; errors of detectors are smaller


@kernel
def begin_frame(run: Any, seconds: float) -> None:
    """Set what holds for a frame, `seconds` after the one before."""
    usual.begin_frame(run, seconds)
    level, variance = run["usual_level"], run["usual_variance"]
    run["least_standing"][0] = min(level, run["usual_share"] * level) - run["wander_weight"] * variance
    run["least_standing"][1] = min(level, run["still_share"] * level) - run["wander_weight"] * variance
    run["standing_steps"][0] = 1.0 - math.exp(-seconds / _RISE_S)
    run["standing_steps"][1] = 1.0 - math.exp(-seconds / _FALL_S)


@kernel
def begin(track: Any, score: float) -> None:
    """Set the fields of a track at its first detection; its filter has started."""
    track["standing"] = track["mean"] = log_odds(score)
    track["walked"] = 0.0
    for k in range(2):
        track["born"][k] = track["position"][k]


@kernel
def see(run: Any, track: Any, score: float, odds: float, seconds: float) -> None:
    """Update the standing of a matched track with its score, of log-odds `odds`, and what is usual in the scene.

    Its filter is up to date.
    """
    mean = track["mean"]
    age_s = (run["now"] - track["start"]) / run["frame_rate"]
    plain = seconds / (age_s + seconds)  # a plain mean as long as the track is young
    step = max(run["standing_steps"][0 if odds > track["standing"] else 1], plain)
    track["standing"] += step * (odds - track["standing"])
    track["mean"] += plain * (odds - mean)
    way = math.hypot(track["position"][0] - track["born"][0], track["position"][1] - track["born"][1])
    track["walked"] = max(track["walked"], way / track["position"][3])
    if track["confirmed"] and age_s > _SETTLED_S and track["standing"] >= run["least_standing"][0]:
        usual.learn(run, score, odds, mean, seconds)


@kernel
def is_still(run: Any, track: Any) -> bool:
    """Whether a track has had time to move and has not."""
    return run["now"] - track["start"] > _STILL_S * run["frame_rate"] and track["walked"] <= _STILL_H


@kernel
def is_shown(run: Any, track: Any) -> bool:
    """Whether a track's standing is high enough for this scene."""
    return track["standing"] >= run["least_standing"][1 if is_still(run, track) else 0]

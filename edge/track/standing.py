"""Which tracks are shown: those whose standing is near to what is usual in the scene, nearer if they never moved.

A signpost, a conifer or a clothes rack is found in every frame at a low score, so evidence by the second would show it
for ever. A track's standing is the log-odds it is known for: it follows better scores within `_RISE_S` and worse ones
within `_FALL_S`, so a moment behind somebody costs nothing. With the scene's level and variance of usual.py:

    shown iff standing >= min(level, share * level) - wander_weight * variance

where the share is `usual_share`, or `still_share` for a track that has stood for `_STILL_S` where it began. A person
who waits has a person's score and stays. What is not shown is followed on and keeps its identity.
"""

import math
from typing import Any

from edge.kernels.jit import kernel
from edge.track import usual
from edge.track.evidence import log_odds

# Fields of a tracker's record, for one frame: the least standing of a track that is shown, of those that have moved and
# of still ones; and what part of the way to a better and to a worse score the standing goes.
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
_SETTLED_S = 0.3  # from this age on tracks teach what is usual
_STILL_S = 2.0  # younger ones had no time to walk ...
_STILL_H = 0.5  # ... farther than this; detectors are wrong by less


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
    """What is known of a track at its first detection; its filter has started."""
    track["standing"] = track["mean"] = log_odds(score)
    track["walked"] = 0.0
    for k in range(2):
        track["born"][k] = track["position"][k]


@kernel
def see(run: Any, track: Any, score: float, odds: float, seconds: float) -> None:
    """Let a matched track's standing follow its score, whose log-odds are `odds`, and let it teach what is usual.

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
    """Whether a track has had time to walk and has not."""
    return run["now"] - track["start"] > _STILL_S * run["frame_rate"] and track["walked"] <= _STILL_H


@kernel
def is_shown(run: Any, track: Any) -> bool:
    """Whether a track's standing is what people have in this scene."""
    return track["standing"] >= run["least_standing"][1 if is_still(run, track) else 0]

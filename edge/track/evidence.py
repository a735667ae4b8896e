"""Evidence that a track is a real object: log-odds that grow with the time it is detected.

A fixed score threshold suits one detector only. Here both the number and the scores of the detections count: with the
defaults two detections of score .9 confirm a track, five of .4, and a constant .2 never does. Detections a thirtieth of
a second apart are not independent, so evidence is counted by time and not by frames.

    first sighting   e  = FIRST_S (score_evidence o - doubt)
    every other one  e += min(seconds, LONGEST_S) (score_evidence o + sight_evidence - doubt)

with the log-odds o of the score. A track is confirmed at `confirm_evidence`, shown from 0 on, removed below DROP.
"""

import math
from typing import Any

from edge.kernels.jit import kernel
from edge.track import usual

# Time that the first detection counts for, in seconds: one frame at the rate of the data sets used for tuning.
FIRST_S = 1 / 30
# A longer gap between two frames counts as this, in seconds: two detections alone never prove an object.
LONGEST_S = 0.1
DROP = -2.0  # log-odds: one to seven against an object
# Scores are treated as probabilities, but none is certain.
_LEAST, _MOST = 0.01, 0.99


@kernel
def log_odds(score: float) -> float:
    """ln(p / (1 - p)) of a score taken for a probability, within .01 to .99."""
    p = min(max(score, _LEAST), _MOST)
    return math.log(p / (1.0 - p))


@kernel
def doubts(run: Any, overlap: float, surprise: float) -> float:
    """Evidence a second against a new object: boxes on a known one are often parts of it, odd heights often errors.

    `overlap` is the IoU with confirmed tracks that have another box, `surprise` how odd the height is (0..2), and the
    rest is the detector's overconfidence, see usual.py. For new tracks only: a confirmed one may well be behind
    somebody, and its height is known.
    """
    trust = run["score_evidence"] * usual.overconfidence(run)
    return run["overlap_evidence"] * overlap + run["height_evidence"] * surprise + trust


@kernel
def first(run: Any, odds: float, doubt: float) -> float:
    """Evidence of a track at its birth, with a score of these log-odds."""
    return FIRST_S * (run["score_evidence"] * odds - doubt)


@kernel
def gained(run: Any, odds: float, doubt: float, seconds: float) -> float:
    """Evidence of seeing a track again after `seconds`, with a score of these log-odds."""
    return min(seconds, LONGEST_S) * (run["score_evidence"] * odds + run["sight_evidence"] - doubt)

"""Evidence that a track is a real object: log-odds that grow with every second it is seen.

A fixed score threshold suits one detector only. Here a track is confirmed by how often *and* how well it was seen:
with the defaults two sightings at score .9 confirm it, five at .4, and a steady .2 never. Sightings a thirtieth of a
second apart are not independent, so evidence comes by the second and not by the frame.

    first sighting   e  = FIRST_S (score_evidence o - doubt)
    every other one  e += min(seconds, LONGEST_S) (score_evidence o + sight_evidence - doubt)

with the log-odds o of the score. A track is confirmed at `confirm_evidence`, shown from 0 on, given up below DROP.
"""

import math
from typing import Any

from edge.kernels.jit import kernel
from edge.track import usual

# What the first sighting is worth, in seconds of evidence: one frame at the rate of the sets it was tuned on.
FIRST_S = 1 / 30
# A long gap between two frames is worth no more than this: two sightings never prove an object alone.
LONGEST_S = 0.1
DROP = -2.0  # log-odds: one to seven against an object
# Scores are taken for probabilities, but none is ever certain.
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
    rest a detector's trust in itself, see usual.py. Confirmed tracks are not doubted so: they may well stand behind
    somebody, and their size is their own.
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

"""What each component of NanoTrack's default is worth: left out alone, on every set.

    python -m benchmarks.accuracy.ablation [--sets real,mot15]

Needs the data folder (NANOTRACK_DATA) with the reference folder beside it.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.real import figures_of
from benchmarks.accuracy.sets import sets
from benchmarks.accuracy.trials import JITTER, Run
from benchmarks.results import table, write_section
from edge.val.run import Setting

DRAWS = 4  # of jitter
SURE = 3  # standard errors of the mean of so few draws that are no chance (Student's t, 5 %)
SETS = ("real", "mot15", "half", "frcnn", "dance", "light", "light2")  # the others are parts of these, or made of them
OFF: dict[str, dict[str, float]] = {
    "nothing": {},
    "camera motion": {"camera_noise": 0},
    "boxes grown by what is uncertain": {"uncertainty_reach": 0},
    "all scores below .3": {"low_score": 0.3},
    "low scores matched as others": {"similarity_enough": 1},
    "gone for long: must fit better": {"absence_s": math.inf},
    "lower edge": {"feet_tolerance": math.inf},
    "score continuity": {"continuity": 0},
    "evidence: all shown at once": {
        "confirm_evidence": -1e6,
        "score_evidence": 0,
        "sight_evidence": 0,
        "overlap_evidence": 0,
        "height_evidence": 0,
    },
    "evidence against overlap": {"overlap_evidence": 0},
    "evidence against odd heights": {"height_evidence": 0},
    "evidence against the overconfident": {"overconfidence": 0},
    "usual scores: every standing shown": {"wander_weight": 1e6},
    "standing clutter: still as walking": {"still_share": 0.45},
    "noise by score (constant .075)": {"score_noise": 0, "measurement_noise": 0.075},
    "noise by overlap": {"overlap_noise": 0},
    "low births (from .5 on)": {"birth_score": 0.5},
    "showing unseen tracks": {"coast_s": 0},
    "the second second of being lost": {"lost_s": 1},
}
TRIED = """Tried and left out, since the gain was within the noise or one set paid for another. The noise, from .5 %
box jitter, mean of three draws, is about .1 HOTA on light, half-val and Faster R-CNN and .3 on DanceTrack. Velocity of
sizes; zoom in the camera consensus and a test for a camera at rest; a Mahalanobis factor; ratio of widths; IoU of
heights; growing or wider boxes for lost tracks; the last observed box as a second prediction; a recovery stage;
direction consistency; observation-centric velocity; damped velocity; process noise adapted to innovations; no births
under a known box; a blend of detection and filter in the output; evidence lost at misses;
other powers of the similarity in the assignment; a least similarity for new tracks; an uncertainty of the first box
other than that of every box. Left out again when real detections did not support them: a limit of evidence, evidence
against confirmed tracks that overlap, low scores that revive only lost tracks about as good as they.

Against false positives and in crowds, HOTA beside the default: evidence that leaks within .4 to 1 s, light -.4; no more
than 5 to 8 for being seen at all, light -14; parts counted by containment, light -.5 to -1.2, DanceTrack -.7 to -1.7;
overlap counted only against the younger, the smaller or the lower score, no gain; boxes not shown where another covers
half of them, half-val -4; absence counted without the score, half-val +.4, light -.8.

Calibration of the detector, fitted on one half of the sequences and judged by the other: scores to probabilities
(logistic), light -1.8, half-val -.7, Faster R-CNN +.5, DanceTrack -2.1, built-in scene +1.0; sides of the boxes (linear
in the score), +.7, -.4, +1.1, +.5, +.7. The first does not pay, the second asks for labelled video of every detector
and gains little; neither is built in.

Sizes: errors of widths and heights are about twice those of centres, yet a filter that knows it loses, since
the errors of one frame resemble those of the last (correlation .6 to .95), which tells who is who. Noise of sizes
doubled, and their process noise .15 in place of .274, HOTA of one run: MOT15 +.9, real -.6, half-val -.4, DanceTrack
-5.8. The same for the boxes shown alone, process noise .2: +.4, -.3, -.1, -1.8. Noise of sizes learned online until
innovations follow each other with a correlation of .1, mean of two draws: +.3, 0, +.1, +.1, and +.2 for light at every
3rd frame: within the noise.
"""


def main() -> None:
    """Track, score, print and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", metavar="A,B", help="only these, without writing anything")
    args, begun = parser.parse_args(), time.monotonic()
    runs = [Run(Setting("nanotrack", parameters=off), JITTER, seed) for off in OFF.values() for seed in range(DRAWS)]
    with tempfile.TemporaryDirectory() as temporary:
        wanted = [s for s in sets(Path(temporary)) if s.key in (args.sets.split(",") if args.sets else SETS)]
        by_set = figures_of([(s, 1) for s in wanted], runs)
    titles = [("**simulated** " if s.simulated else "") + s.title for s in wanted]
    body = "\n".join([told(dict(zip(titles, by_set, strict=True))), *([] if args.sets else [TRIED])])
    print(body)
    print(f"{time.monotonic() - begun:.0f} s")
    if not args.sets:
        write_section(
            "ablation", "Component by component", body, "python -m benchmarks.accuracy.ablation",
            ("nanotrack-edge", "numba", "scipy"),
        )  # fmt: skip


def told(by_set: Mapping[str, list[Mapping[str, float]]]) -> str:
    """Tables of what leaving out each component does; `by_set`: figures of all draws of the first, of the second..."""
    parts = []
    for metric in ("HOTA", "MOTA"):
        draws = {
            title: np.array([f[metric] for f in figures]).reshape(len(OFF), DRAWS) for title, figures in by_set.items()
        }
        rows = [("nothing", "", *(f"{d[0].mean():.1f} ± {d[0].std(ddof=1):.1f}" for d in draws.values()))]
        for k, name in list(enumerate(OFF))[1:]:
            rows.append((name, "", *(effect(d[k] - d[0]) for d in draws.values())))
        parts.append(table((f"left out, {metric}", "", *draws), rows))
    return f"""Each component left out alone: what changes in the mean over the sequences of a set, mean of {DRAWS}
draws of {100 * JITTER:g} % jitter of the boxes, the same draws with and without it, and the standard error of that
mean. **Bold** is beyond {SURE} of those, which chance reaches once in 20 times. In the first row the scores of the
default and the standard deviation of a draw.

{parts[0]}
{parts[1]}"""


def effect(differences: npt.NDArray[np.float64]) -> str:
    """Mean and standard error of paired differences, bold where it is beyond noise."""
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    text = f"{mean:+.1f} ± {error:.1f}"
    return f"**{text}**" if abs(mean) > SURE * error and f"{abs(mean):.1f}" != "0.0" else text


if __name__ == "__main__":
    main()

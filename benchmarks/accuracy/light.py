"""Simulated detections of a light detector (NanoDet-Plus-m 416, person), made from ground truth; and how real they are.

    python -m benchmarks.accuracy.light                     compares the simulation with real detections
    python -m benchmarks.accuracy.light TRUTH OUT --seed 3  writes OUT/SEQUENCE.txt for MOT17's sequences in TRUTH

Per person and frame: logit(score) = a quadratic in the height, with visibility, + the sequence's offset + a slow part
(AR(1)) + a white, heavy-tailed one; sides of boxes err likewise, the more, the lower the score. False boxes: satellites
on people (parts, doubles, groups), and clutter. Constants of the first generation were measured on 39 frames, the first
4 to 8 of seven sequences; what lasts longer than that is extrapolation. The second generation is fitted to the 600
frames of one real sequence, MOT17-02: clutter that stays where it is, fainter boxes, and scores that flicker more.
"""

import argparse
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.light_figures import AGAIN_AFTER, FALSE_AT, RECALL_AT, figures, overlaps
from benchmarks.data import DATA
from benchmarks.results import table, write_section
from edge.motchallenge import read_detections, read_ground_truth, read_seqinfo
from edge.types import Detections

Array = npt.NDArray[np.float64]

BETA = np.array([-1.30, 0.857, -0.302, 1.63, 0.489])  # of 1, L, L^2, visibility, visibility * L; L = ln(height / 20 %)
ABOVE, BELOW = 0.58, 1.60  # scale of what is above and below that line: scores saturate upwards
JUMP, SMALL, LARGE = 0.13, 0.35, 2.6  # the white part: mostly SMALL, with the probability JUMP LARGE
PEOPLE = (1, 2, 7, 8, 12)  # classes of MOT17's truth that look like people
NMS_IOU = 0.6

# Of static and of moving cameras:
SLOW = (0.99, 0.95)  # what remains of the slow part of a score from frame to frame
SLOW_BOX = (0.985, 0.90)
WHITE_BOX = np.array([(0.14, 0.15, 0.14, 0.15), (0.33, 0.40, 0.40, 0.50)])  # white share of left, top, right, bottom
STAYS = (0.885, 0.64)  # chance of a false box to be there one frame later
SLOW_FALSE = (0.80, 0.52)
SHAKE_FALSE = (0.03, 0.07)  # jitter of its box, relative to the size


@dataclass(frozen=True)
class Street:
    """What differs between sequences, measured on their first frames.

    `offset` of people's logits; `satellites` per person and `clutter` per frame, means; their logits; `floor`: the
    lowest score that was kept, since the detector kept its 100 best boxes of 80 classes.
    """

    moving: bool
    offset: float
    satellites: float
    clutter: float
    satellite_logit: float
    clutter_logit: float
    floor: float


STREETS = {
    "MOT17-02": Street(False, 0.12, 1.17, 12.2, -1.06, -1.15, 0.173),
    "MOT17-04": Street(False, 0.08, 0.86, 7.6, -0.98, -1.12, 0.206),
    "MOT17-05": Street(True, 0.07, 1.94, 6.7, -1.45, -1.43, 0.132),
    "MOT17-09": Street(False, -0.23, 3.84, 21.0, -1.28, -1.56, 0.132),
    "MOT17-10": Street(True, 0.43, 1.76, 20.0, -1.09, -1.25, 0.166),
    "MOT17-11": Street(True, -0.30, 1.34, 6.0, -1.32, -1.57, 0.150),
    "MOT17-13": Street(True, 0.26, 1.16, 21.4, -1.26, -1.40, 0.146),
}
MOVING = ("ETH-Sunnyday",)  # of those without an entry
FADE = -0.85  # logit, a score of .3


@dataclass(frozen=True)
class Generation:
    """What the generations of the simulation differ in.

    `white`: share of a score's residual that is white, of static and moving cameras. `fading`: by what factor logits
    of people below `FADE` sink. `clutter`: share of the street's satellites and clutter. `spots`: how many things look
    like a person all the time, `spot_logit` their mean logit and its standard deviation, `spot_flicker` its change from
    frame to frame, `spot_stays` their chance to be there in the next frame. `faint`: boxes a frame of scores near
    `faint_logit` that come and go. `floor`: lowest score, None for the street's own. `most`: boxes a frame.
    """

    white: tuple[float, float]
    fading: float = 1.0
    clutter: float = 1.0
    spots: float = 0.0
    spot_logit: tuple[float, float] = (0.0, 0.0)
    spot_flicker: float = 0.0
    spot_stays: tuple[float, float] = (1.0, 1.0)
    faint: float = 0.0
    faint_logit: tuple[float, float] = (0.0, 0.0)
    floor: float | None = None
    most: int = 100


GENERATIONS = {
    1: Generation((0.035, 0.14)),
    2: Generation(
        white=(0.075, 0.14),
        fading=1.8,
        clutter=0.4,
        spots=9.0,
        spot_logit=(-1.1, 0.6),
        spot_flicker=0.3,
        spot_stays=(0.9995, 0.98),
        faint=100.0,
        faint_logit=(-2.1, 0.4),
        floor=0.1,
        most=170,
    ),
}


@dataclass
class Fake:
    """A false box: xyxy, or relative to a person's box; the slow part of its logit; its drift; its mean logit."""

    box: Array
    slow: float
    drift: Array
    logit: float = 0.0


def street(name: str) -> Street:
    """The constants of a sequence; for one that was not measured the means of those with the same kind of camera."""
    bare = next((key for key in STREETS if name.startswith(key)), None)
    if bare is not None:
        return STREETS[bare]
    moving = name in MOVING
    alike = [s for s in STREETS.values() if s.moving == moving]
    means = (float(np.mean([getattr(s, field) for s in alike])) for field in list(Street.__dataclass_fields__)[1:])
    return Street(moving, *means)


class Simulation:
    """One sequence. Everything follows from the arguments; `name` and `seed` decide what is drawn."""

    def __init__(self, name: str, size: tuple[int, int], generation: int = 2, seed: int = 0) -> None:
        self.street, self.generation, self.size = street(name), GENERATIONS[generation], size
        number = int(name[-2:]) if name in STREETS else zlib.crc32(name.encode())
        self._random = np.random.default_rng([seed, number])
        self._camera = int(self.street.moving)
        self._slow: dict[int, Array] = {}  # of people: score, left, top, right, bottom
        self._satellites: dict[int, list[Fake]] = {}
        self._clutter: list[Fake] = []
        self._spots: list[Fake] = []
        self._first = True

    def rows(self, truth: Array, frames: int) -> list[tuple[float, ...]]:
        """Rows (frame, left, top, width, height, score) of `truth`, float64 `[R, 9]` as in MOT17's file."""
        truth = truth[np.isin(truth[:, 7], PEOPLE)]
        floor = self.generation.floor or self.street.floor
        rows: list[tuple[float, ...]] = []
        for frame in range(1, frames + 1):
            people = truth[truth[:, 0] == frame]
            boxes, scores = self._frame(people)
            boxes = np.clip(boxes, 0, [*self.size, *self.size])
            kept = (scores > floor) & ((boxes[:, 2:] - boxes[:, :2]).min(1) > 2)
            boxes, scores = boxes[kept], scores[kept]
            for k in suppressed(boxes, scores, self.generation.most):
                x0, y0, x1, y1 = boxes[k].tolist()
                rows.append((frame, x0, y0, x1 - x0, y1 - y0, float(scores[k])))
        return rows

    def _frame(self, people: Array) -> tuple[Array, Array]:
        """All boxes and scores of one frame, before anything is left out."""
        ids = people[:, 1].astype(int).tolist()
        boxes = np.concatenate([people[:, 2:4], people[:, 2:4] + people[:, 4:6]], 1)
        found = [self._people(ids, boxes, people[:, 8])]
        for person, box in zip(ids, boxes, strict=True):
            found += self._around(person, box)
        found += self._background()
        if self.generation.spots:
            found += [*self._standing(), self._faint()]
        self._first = False
        return np.concatenate([box for box, _ in found]), np.concatenate([score for _, score in found])

    def _people(self, ids: list[int], boxes: Array, visibility: Array) -> tuple[Array, Array]:
        random, count = self._random, len(ids)
        keep = np.array([SLOW[self._camera]] + [SLOW_BOX[self._camera]] * 4)
        for person in ids:
            new = random.standard_normal(5)
            before = self._slow.get(person)
            self._slow[person] = new if before is None else keep * before + np.sqrt(1 - keep * keep) * new
        slow = np.array([self._slow[person] for person in ids]).reshape(-1, 5)
        sizes = boxes[:, 2:] - boxes[:, :2]
        height = np.log(np.maximum(sizes[:, 1], 1) / self.size[1] / 0.2)
        jump = random.random(count) < JUMP
        terms = np.stack([np.ones(count), height, height * height, visibility, visibility * height], 1)
        white, spread = self.generation.white[self._camera], np.where(jump, LARGE, SMALL)
        error = np.sqrt(1 - white) * slow[:, 0] + np.sqrt(white) * spread * random.standard_normal(count)
        logits = terms @ BETA + self.street.offset + error * np.where(error > 0, ABOVE, BELOW)
        if self.generation.fading != 1.0:
            logits = np.where(logits < FADE, FADE + self.generation.fading * (logits - FADE), logits)
        scores = _sigmoid(logits)
        off = _bias(scores) + _spread(scores) * self._strays(slow[:, 1:], spread)
        return _pulled(boxes, off), scores

    def _strays(self, slow: Array, spread: Array) -> Array:
        """By how much the sides err, in units of their spread."""
        white, noise = WHITE_BOX[self._camera], self._random.standard_normal(slow.shape)
        strays: Array = np.sqrt(1 - white) * slow + np.sqrt(white) * (noise * spread[:, None])
        return strays

    def _around(self, person: int, box: Array) -> list[tuple[Array, Array]]:
        """Satellites of a person, which come and go."""
        random, stays = self._random, STAYS[self._camera]
        mean = self.generation.clutter * self.street.satellites
        size = box[2:] - box[:2]
        height = float(np.log(max(size[1], 1) / self.size[1] / 0.2))
        live = self._satellites.get(person)
        if live is None:
            live = [self._satellite(height) for _ in range(random.poisson(mean))]
        else:
            live = [Fake(f.box, self._next(f.slow), f.drift) for f in live if random.random() < stays]
            live += [self._satellite(height) for _ in range(random.poisson(mean * (1 - stays)))]
        self._satellites[person] = live
        if not live:
            return []
        boxes = np.array([f.box for f in live]) * np.tile(size, 2) + np.tile(box[:2], 2)
        slow = np.array([f.slow for f in live])
        logits = np.minimum(self.street.satellite_logit - 0.733 + np.exp(-0.43 + 0.49 * slow), 0.2)
        return [(self._shaken(boxes), _sigmoid(logits))]

    def _satellite(self, height: float) -> Fake:
        """Relative to its person, with an IoU of .1 to .6: measured moments, drawn until it fits."""
        person = np.array([[0.0, 0, 1, 1]])
        for _ in range(50):
            dx, dy, w, h = self._random.normal(
                [-0.03, -0.06, -0.15 - 0.48 * height, -0.30 - 0.42 * height], [0.32, 0.21, 0.32, 0.37]
            )
            w, h = np.exp(w), np.exp(h)
            box = np.array([0.5 + dx - w / 2, 0.5 + dy - h / 2, 0.5 + dx + w / 2, 0.5 + dy + h / 2])
            if 0.1 < overlaps(box[None], person)[0, 0] < 0.6:
                break
        return Fake(box, self._random.standard_normal(), np.zeros(4))

    def _background(self) -> list[tuple[Array, Array]]:
        """Clutter that comes and goes."""
        random, stays = self._random, STAYS[self._camera]
        self._clutter = [
            Fake(f.box + f.drift, self._next(f.slow), f.drift) for f in self._clutter if random.random() < stays
        ]
        mean = self.generation.clutter * self.street.clutter
        for _ in range(random.poisson(mean * (1 if self._first else 1 - stays))):
            self._clutter.append(self._somewhere())
        if not self._clutter:
            return []
        slow = np.array([f.slow for f in self._clutter])
        logits = np.minimum(self.street.clutter_logit - 0.747 + np.exp(-0.384 + 0.43 * slow), 0)
        return [(self._shaken(np.array([f.box for f in self._clutter])), _sigmoid(logits))]

    def _somewhere(self) -> Fake:
        random, (width, height) = self._random, self.size
        h = height * np.exp(random.normal(-2.28, 0.49))
        w = h * np.exp(random.normal(-0.75, 0.46))
        x, y = random.uniform(0, width), random.uniform(0.2, 0.85) * height
        drift = self._camera * random.normal(0, 0.004, 2) * width
        return Fake(np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]), random.standard_normal(), np.tile(drift, 2))

    def _standing(self) -> list[tuple[Array, Array]]:
        """Clutter that stays: things which look a little like a person, all the time."""
        random, generation = self._random, self.generation
        stays = generation.spot_stays[self._camera]
        self._spots = [Fake(f.box + f.drift, f.slow, f.drift, f.logit) for f in self._spots if random.random() < stays]
        for _ in range(random.poisson(generation.spots * (1 if self._first else 1 - stays))):
            spot = self._somewhere()
            spot.logit = float(random.normal(*generation.spot_logit))
            self._spots.append(spot)
        if not self._spots:
            return []
        logits = np.array([f.logit for f in self._spots])
        logits += generation.spot_flicker * random.standard_normal(len(logits))
        return [(self._shaken(np.array([f.box for f in self._spots])), _sigmoid(logits))]

    def _faint(self) -> tuple[Array, Array]:
        """Boxes of low scores that are there for one frame."""
        count = int(self._random.poisson(self.generation.faint))
        boxes = np.array([self._somewhere().box for _ in range(count)]).reshape(-1, 4)
        return boxes, _sigmoid(self._random.normal(*self.generation.faint_logit, count))

    def _next(self, slow: float) -> float:
        keep = SLOW_FALSE[self._camera]
        return float(keep * slow + np.sqrt(1 - keep**2) * self._random.standard_normal())

    def _shaken(self, boxes: Array) -> Array:
        sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        shaken: Array = boxes + self._random.standard_normal(boxes.shape) * SHAKE_FALSE[self._camera] * sizes
        return shaken


def suppressed(boxes: Array, scores: Array, most: int) -> list[int]:
    """Rows that are left by non-maximum suppression, the best first, `most` at most."""
    order = np.argsort(-scores, kind="stable")
    alike = overlaps(boxes, boxes) > NMS_IOU
    free, kept = np.ones(len(boxes), np.bool_), []
    for row in order.tolist():
        if free[row]:
            kept.append(row)
            free &= ~alike[row]
            if len(kept) == most:
                break
    return kept


def _pulled(boxes: Array, off: Array) -> Array:
    """Boxes with errors `off` of their size, pulled back until their IoU is .5, as it was where they were measured."""
    scale = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    for _ in range(6):
        erring: Array = boxes + off * scale
        off[np.diag(overlaps(erring, boxes)) < 0.5] *= 0.7
    return erring


def _bias(scores: Array) -> Array:
    return np.stack([-0.09 + 0.08 * scores, 0 * scores, 0.10 - 0.20 * scores, -0.04 + 0.03 * scores], 1)


def _spread(s: Array) -> Array:
    spread: Array = np.clip(
        np.stack([0.19 - 0.155 * s, 0.17 - 0.21 * s, 0.19 - 0.155 * s, 0.125 - 0.135 * s], 1), 0.02, None
    )
    return spread


def _sigmoid(logits: Array) -> Array:
    scores: Array = 1 / (1 + np.exp(-logits))
    return scores


def write(folder: Path, out: Path, generation: int, seed: int, names: Sequence[str] = tuple(STREETS)) -> None:
    """Write `out`/SEQUENCE.txt for the sequences `names` under `folder`, which has their ground truth."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        rows = simulated(folder, name, generation, seed)
        lines = (f"{frame},-1,{x:.2f},{y:.2f},{w:.2f},{h:.2f},{score:.4f}\n" for frame, x, y, w, h, score in rows)
        (out / f"{name}.txt").write_text("".join(lines), "utf-8")


def simulated(folder: Path, name: str, generation: int, seed: int) -> list[tuple[float, ...]]:
    """The rows of one sequence under `folder`, see `Simulation.rows`."""
    info = read_seqinfo(folder / name / "seqinfo.ini")
    truth = np.loadtxt(folder / name / "gt/gt.txt", delimiter=",", ndmin=2)
    return Simulation(name, (info.width, info.height), generation, seed).rows(truth, info.frame_count)


def compared(seed: int = 0) -> str:
    """A table of what is real and what both generations make of the same truth, for every real sequence."""
    folder, rows = DATA / "real/gt", []
    for name in sorted(path.name for path in folder.iterdir()):
        truth, info = read_ground_truth(folder / name / "gt/gt.txt"), read_seqinfo(folder / name / "seqinfo.ini")
        real = read_detections(DATA / f"real/det_nanodet416/{name}.txt.gz", info.frame_count)
        rows.append((name, "real", *figures(truth, real).cells()))
        for generation in GENERATIONS:
            made = by_frame(simulated(folder, name, generation, seed), info.frame_count)
            rows.append(("", f"generation {generation}", *figures(truth, made).cells()))

    def at(thresholds: Sequence[float]) -> str:
        return " / ".join(f"{t:g}" for t in thresholds)

    columns = (
        "sequence",
        "detections",
        f"recall at {at(RECALL_AT)}",
        f"false boxes a frame at {at(FALSE_AT)}",
        f"false ones there again after {at(AGAIN_AFTER)} frames",
        "flicker",
    )
    return table(columns, rows)


def by_frame(rows: Sequence[tuple[float, ...]], frames: int) -> list[Detections]:
    """Rows as the detections of each frame."""
    values = np.array(rows).reshape(-1, 6)
    boxes = np.concatenate([values[:, 1:3], values[:, 1:3] + values[:, 3:5]], 1).astype(np.float32)
    ends = np.searchsorted(values[:, 0], np.arange(1, frames + 2))
    parts = [slice(first, end) for first, end in itertools.pairwise(ends.tolist())]
    return [Detections(boxes[part], values[part, 5].astype(np.float32)) for part in parts]


def main() -> None:
    """Write detections, or compare the generations with reality and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", nargs="?", type=Path, metavar="TRUTH", help="folder of MOT17's sequences")
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help="folder for the detections")
    parser.add_argument("--generation", type=int, default=2, choices=GENERATIONS, help="default: 2")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    args = parser.parse_args()
    if args.truth and args.out:
        write(args.truth, args.out, args.generation, args.seed)
        return
    if args.truth:
        parser.error("expected TRUTH and OUT, found one of them")
    body = f"""Real NanoDet-Plus-m 416 detections beside those **simulated** from the same ground truth. A box is
somebody's from an IoU of .5 on. *There again*: a false box from .3 on has such a one at the same place so many frames
later. *Flicker*: standard deviation of the change of the score's logit from one frame to the next. The second
generation is fitted to MOT17-02. Sequences that are not MOT17's have the mean constants of those with the same kind of
camera, so their recall, a matter of the pictures, is not expected to agree.

{compared(args.seed)}"""
    print(body)
    write_section(
        "light",
        "How real the simulated light detections are",
        body,
        "python -m benchmarks.accuracy.light",
        ("numpy", "scipy"),
    )


if __name__ == "__main__":
    main()

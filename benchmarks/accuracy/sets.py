"""The sets of sequences that trackers are compared on: real detections first, then simulated ones and crowds."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy import light
from benchmarks.accuracy.crowds import overlaid
from benchmarks.data import DATA
from edge.val.dataset import Sequence, find_sequences

RATES = (1, 2, 3, 5)  # of a sequence's frames every such one is kept


@dataclass(frozen=True)
class Set:
    """Sequences with one detector's detections, to be run with every `every[k]`-th frame.

    `simulated`: the detections are made from the ground truth, no detector saw a picture.
    """

    key: str
    title: str
    sequences: list[Sequence]
    every: tuple[int, ...] = (1,)
    simulated: bool = False

    def thinned(self, every: int) -> list[Sequence]:
        """The sequences with only every such frame."""
        return [sequence.thinned(every) for sequence in self.sequences]


def sets(folder: Path) -> list[Set]:
    """All sets; `folder` takes what is made for them. Raises NotFoundError where the data folder lacks one."""
    mot17, real = DATA / "mot17/gt", DATA / "real"
    first, second = folder / "light", folder / "light2"
    light.write(mot17, first, generation=1, seed=0)
    light.write(mot17, second, generation=2, seed=0)
    half = find_sequences(mot17, "MOT17", "val-half", DATA / "mot17/det_yolox_x_ablation")
    nanodet, int8 = (find_sequences(real / "gt", "MOT17", None, real / f"det_nanodet416{end}") for end in ("", "_int8"))
    dance = find_sequences(DATA / "dancetrack_val/gt", "DanceTrack", None, DATA / "dancetrack_val/det_yolox_x")
    return [
        Set("real", "real, NanoDet-Plus-m 416", nanodet, RATES),
        Set("real_int8", "real, NanoDet-Plus-m 416 in INT8", int8, RATES),
        Set(
            "mot15",
            "MOT15, SORT's Faster R-CNN",
            find_sequences(DATA / "mot15/gt", "MOT15", None, DATA / "mot15/det_frcnn_sort"),
        ),
        Set("half", "MOT17 half-val, YOLOX-X", half),
        Set(
            "frcnn",
            "MOT17, public Faster R-CNN",
            find_sequences(mot17, "MOT17", None, DATA / "mot17/det_frcnn_public"),
        ),
        Set("dance", "DanceTrack, 13 sequences, YOLOX-X", dance),
        Set("mot17_04", "MOT17-04 of half-val", [s for s in half if s.name == "MOT17-04"]),
        Set("crowds", "crowds laid over each other", overlaid(folder)),
        Set("light", "light, first generation", find_sequences(mot17, "MOT17", None, first), RATES, simulated=True),
        Set("light2", "light, second generation", find_sequences(mot17, "MOT17", None, second), RATES, simulated=True),
    ]

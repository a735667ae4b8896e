"""How well embeddings tell people apart on real pictures: same person against different people, with a histogram.

    python -m benchmarks.accuracy.appearance [--reid PACK|FILE.onnx]

People are the boxes of the ground truth; two crops of one person are from different frames of a sequence. A video
without ground truth gives pairs by geometry: in two frames that follow each other boxes that overlap far more than any
other are taken for one person, and two people seen in one frame are different.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.data import DATA
from benchmarks.results import RESULTS, table, write_section
from edge.detect.open import open_detector
from edge.infer.ladder import Wish
from edge.motchallenge import read_ground_truth, read_seqinfo
from edge.reid.embedder import Embedder
from edge.reid.open import open_embedder
from edge.video.images import read_image
from edge.video.open import open_source

Values = npt.NDArray[Any]

_LEAST_HEIGHT = 60  # pixels: what is smaller carries hardly any look
_SURE_IOU, _RIVAL_IOU = 0.6, 0.2
PICTURE = RESULTS / "appearance.svg"


def auc(same: Values, different: Values) -> float:
    """How often a pair of one person is more alike than a pair of two: the area under the ROC curve."""
    both = np.concatenate([same, different])
    order, ranks = np.argsort(both, kind="stable"), np.empty(len(both))
    ranks[order] = np.arange(1, len(both) + 1)
    for value in np.unique(both[np.flatnonzero(np.diff(np.sort(both)) == 0)]):
        ranks[both == value] = ranks[both == value].mean()
    return float((ranks[: len(same)].sum() - len(same) * (len(same) + 1) / 2) / (len(same) * len(different)))


class Pairs:
    """Cosines of pairs of crops: of one person, and of two people."""

    def __init__(self) -> None:
        self.same: list[float] = []
        self.different: list[float] = []

    def add(self, a: Values, b: Values, ids_a: Values, ids_b: Values, gap_s: float) -> None:
        """All pairs of two frames; of two people also those of one frame, where `gap_s` is 0."""
        cosines = a @ b.T
        one = ids_a[:, None] == ids_b[None]
        if gap_s > 0:
            self.same += cosines[one].tolist()
        self.different += cosines[~one & np.triu(np.ones_like(one))].tolist() if gap_s == 0 else cosines[~one].tolist()

    def row(self, name: str, people: int, crops: int) -> tuple[str, ...]:
        """A row of the table."""
        same, different = np.array(self.same), np.array(self.different)
        limit = float(np.quantile(different, 0.99))
        return (
            name,
            f"{people} people, {crops} crops",
            f"{len(same)}",
            f"{len(different)}",
            f"{np.median(same):.2f}",
            f"{np.median(different):.2f}",
            f"{limit:.2f}",
            f"{auc(same, different):.3f}",
            f"{100 * float((same > limit).mean()):.0f} %",
            f"{100 * float((different > 0.5).mean()):.0f} %",
        )


def labelled(embed: Embedder, folder: Path, pairs: Pairs) -> tuple[int, int]:
    """Add the pairs of a sequence with ground truth; how many people and crops it has."""
    truth, info = read_ground_truth(folder / "gt" / "gt.txt"), read_seqinfo(folder / "seqinfo.ini")
    frames = []
    for path in sorted((folder / info.image_folder).glob(f"*{info.image_suffix}")):
        number = int(path.stem)
        wanted = (truth.frames == number) & (truth.scores > 0) & (truth.classes == 1)
        wanted &= truth.boxes_ltwh[:, 3] >= _LEAST_HEIGHT
        ltwh = truth.boxes_ltwh[wanted]
        if len(ltwh):
            boxes = np.concatenate([ltwh[:, :2], ltwh[:, :2] + ltwh[:, 2:]], 1).astype(np.float32)
            frames.append((number / info.frame_rate, truth.ids[wanted], embed(read_image(path), boxes)))
    for i, (time_a, ids_a, vectors_a) in enumerate(frames):
        for time_b, ids_b, vectors_b in frames[i:]:
            pairs.add(vectors_a, vectors_b, ids_a, ids_b, time_b - time_a)
    return len(np.unique(np.concatenate([ids for _, ids, _ in frames]))), sum(len(ids) for _, ids, _ in frames)


def unlabelled(embed: Embedder, video: Path, model: Path, pairs: Pairs) -> tuple[int, int]:
    """Add the pairs of a video whose identities follow from boxes that stay in their places; people and crops."""
    detect, source = open_detector(model, floor=0.4), open_source(str(video))
    buffer = np.empty((source.size[1], source.size[0], 3), np.uint8)
    before: tuple[Values, Values] = np.zeros((0, 4)), np.zeros(0, np.int64)
    born = crops_seen = 0
    frames = []
    while (frame := source.read(buffer)) is not None:
        boxes = detect(frame.image).boxes_xyxy
        boxes = boxes[boxes[:, 3] - boxes[:, 1] >= _LEAST_HEIGHT]
        overlaps = _overlaps(boxes, before[0])
        ids = np.empty(len(boxes), np.int64)
        for i in range(len(boxes)):
            best = int(np.argmax(overlaps[i])) if overlaps.shape[1] else -1
            sure = best >= 0 and overlaps[i, best] > _SURE_IOU and (overlaps[i] > _RIVAL_IOU).sum() == 1
            if sure and (overlaps[:, best] > _RIVAL_IOU).sum() == 1:
                ids[i] = before[1][best]
            else:
                born += 1
                ids[i] = born
        before = boxes, ids
        crops_seen += len(ids)
        frames.append((frame.time_s, ids, embed(frame.image, boxes)))
    source.close()
    for i, (_, ids_a, vectors_a) in enumerate(frames):
        pairs.add(vectors_a, vectors_a, ids_a, ids_a, 0.0)  # two in one frame are two people; across frames not
        for _, ids_b, vectors_b in frames[i + 1 :]:
            one = ids_a[:, None] == ids_b[None]
            pairs.same += (vectors_a @ vectors_b.T)[one].tolist()
    return born, crops_seen


def _overlaps(a: Values, b: Values) -> Values:
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    both = np.clip(size, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    return np.asarray(both / (areas[0][:, None] + areas[1][None] - both), np.float64)


def _draw(named: dict[str, Pairs]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    bins = np.linspace(-0.2, 1, 61)
    for axes, (name, pairs) in zip(figure.subplots(1, len(named), sharey=True), named.items(), strict=True):
        for values, colour, label in (
            (pairs.different, "#868e96", "two people"),
            (pairs.same, "#d6336c", "one person, two frames"),
        ):
            axes.hist(values, bins, density=True, color=colour, alpha=0.6, label=label)
        axes.axvline(0.5, color="#212529", lw=0.8, ls=":")
        axes.set_title(
            f"{name}: AUC {auc(np.array(pairs.same), np.array(pairs.different)):.3f}", loc="left", fontsize=10
        )
        axes.set_xlabel("cosine of two embeddings")
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(PICTURE, facecolor="white", metadata={"Date": None})


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reid", type=Path, default=DATA / "models" / "osnet_x0_25_msmt17_dynamic.onnx")
    parser.add_argument("--detector", type=Path, default=DATA / "models" / "nanodet-plus-m_416.onnx")
    args = parser.parse_args()
    embed = open_embedder(args.reid, Wish())
    photographed, filmed = Pairs(), Pairs()
    sequences = sorted((DATA / "images" / "mot17_mini").iterdir())
    counts = np.array([labelled(embed, folder, photographed) for folder in sequences]).sum(axis=0)
    rows = [photographed.row(f"mot17_mini, {len(sequences)} sequences", *counts)]
    video = DATA / "videos" / "mmtracking_demo.mp4"
    rows.append(filmed.row(video.name, *unlabelled(embed, video, args.detector, filmed)))
    _draw({"mot17_mini": photographed, video.name: filmed})
    columns = (
        "pictures",
        "what",
        "pairs of one",
        "pairs of two",
        "median one",
        "median two",
        "99 % of two below",
        "AUC",
        "one above that",
        "two above .5",
    )
    body = f"""Cosines of embeddings of {args.reid.name}, people at least {_LEAST_HEIGHT} px high.
Pairs of one person are from two frames of a sequence, at most half a second apart in mot17_mini; pairs of two people
from the same sequence: same light, same camera. In the video identities follow from geometry alone (module docstring),
and pairs of two are from one frame. A cosine of .5 is the limit of BoT-SORT's rule.

{table(columns, rows)}
![cosines of two crops of one person, and of two people](appearance.svg)"""
    print(body)
    write_section(
        "appearance",
        "Appearance on real pictures",
        body,
        "python -m benchmarks.accuracy.appearance",
        ("numpy", "onnxruntime"),
    )


if __name__ == "__main__":
    main()

"""What cutting a network to one class is worth: a pack of all classes beside one made with --classes, in turns.

    python -m benchmarks.speed.classes ALL.pack PERSON.pack

Both packs are of one checkpoint. Pictures are mot17_mini's (NANOTRACK_DATA); one thread, ONNX Runtime.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from benchmarks.data import DATA
from benchmarks.results import table, write_section
from benchmarks.speed.operators import works
from calibration import frames
from edge import modelpack
from edge.detect.detector import Detector
from edge.errors import DataError
from edge.infer import turns
from edge.infer.backend import Backend
from edge.infer.ladder import Ladder, Wish
from edge.modelpack import ModelPack
from edge.spans import Spans
from edge.types import Detections

ROUNDS = 200  # of running the networks
PASSES = 5  # over the pictures, for what stands behind the network
CLASS = "person"


class Side:
    """One pack's detector on one rung, and what it took."""

    def __init__(self, pack: ModelPack, variant: str, classes: Sequence[str] = (CLASS,)) -> None:
        self.backend: Backend = Ladder(Wish(require=f"onnxruntime-{variant}")).open(pack, "detector")
        self._spans = Spans()
        self.detector = Detector(pack.detector, self.backend, classes=classes, spans=self._spans)

    @property
    def decoding_ms(self) -> float:
        """Decoding and NMS of a picture, lower quartile."""
        (times_ms,) = [span.recent_ms() for name, span in self._spans if name == "decode+nms"]
        return float(np.percentile(times_ms, 25))


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("all", type=Path)
    parser.add_argument("one", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    packs = [modelpack.read(path) for path in (args.all, args.one)]
    if packs[0].detector.source.sha256 != packs[1].detector.source.sha256:
        raise DataError(f"{args.one}: expected a pack of the checkpoint of {args.all}")
    body = measured(*packs)
    print(body)
    if not args.dry_run:
        write_section(
            "classes",
            "A pack of one class",
            body,
            "python -m benchmarks.speed.classes ALL.pack PERSON.pack",
            ("onnxruntime",),
        )


def measured(whole: ModelPack, cut: ModelPack) -> str:
    """The table, a row for each variant that both packs have."""
    pictures = list(frames.find(39, str(DATA / "images/mot17_mini")).pictures())
    names = whole.detector.classes
    rows = []
    for variant in ("fp32", "int8"):
        sides = [Side(whole, variant, names), Side(whole, variant), Side(cut, variant)]
        found: list[list[Detections]] = []
        for _ in range(PASSES):
            found = [[side.detector(picture) for picture in pictures] for side in sides]
        run_ms = turns.in_turns([side.backend.run for side in sides[1:]], 1, ROUNDS)
        gain, boxes = f"{run_ms[0] / run_ms[1]:.3f}x", same(*found[1:])
        rows.append((variant, "network", "", *(f"{ms:.2f}" for ms in run_ms), gain, boxes))
        decoding_ms = [side.decoding_ms for side in sides]
        gain = f"{decoding_ms[0] / decoding_ms[2]:.2f}x, {decoding_ms[1] / decoding_ms[2]:.2f}x"
        rows.append(("", "decoding and NMS", *(f"{ms:.3f}" for ms in decoding_ms), gain, ""))
    products = [last_products(pack) for pack in (whole, cut)]
    columns = (
        "variant",
        "what",
        f"{len(names)} classes, all wanted, ms",
        f"{len(names)} classes, {CLASS} wanted, ms",
        f"{CLASS} alone, ms",
        "gain",
        "boxes",
    )
    return (
        f"{whole.detector.source.architecture}. CPU time of the network, wall clock of the rest, lower quartiles; boxes"
        f" of {len(pictures)} pictures.\n\n{table(columns, rows)}\nWhat is cut: {products[0][0] - products[1][0]:.0f}"
        f" million multiply-adds of the last layers' {products[0][0]:.0f}, of {products[0][1]:.0f} in all, so"
        f" {1 / (1 - (products[0][0] - products[1][0]) / products[0][1]):.3f}x where every layer runs at the same rate."
        " In int8 the last layers run at a higher rate than the network on average, and what does not multiply is left"
        " as it was.\n"
    )


def last_products(pack: ModelPack) -> tuple[float, float]:
    """Multiply-adds of the last layers, and of all, in millions."""
    found = works(onnx.load(pack.path(pack.detector.variants["int8"]))).values()
    last = sum(work.products for work in found if "last layers" in work.kind)
    return last / 1e6, sum(work.products for work in found) / 1e6


def same(whole: Sequence[Detections], cut: Sequence[Detections]) -> str:
    """Whether both found the same boxes, in words."""
    counts = [(len(a), len(b)) for a, b in zip(whole, cut, strict=True)]
    if any(a != b for a, b in counts):
        return f"{sum(a for a, _ in counts)} and {sum(b for _, b in counts)}"
    furthest = max(
        (float(np.abs(a.boxes_xyxy - b.boxes_xyxy).max()) for a, b in zip(whole, cut, strict=True) if len(a)),
        default=0.0,
    )
    return f"{sum(a for a, _ in counts)} in both, at most {furthest:.2g} pixels apart"


if __name__ == "__main__":
    main()

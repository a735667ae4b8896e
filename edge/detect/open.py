"""Detectors by path: out of a model pack, or an ONNX file that is understood by itself or with the user's word."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from edge import modelpack
from edge.detect import adopt, selfcheck
from edge.detect.detector import Detector
from edge.detect.families import registry
from edge.detect.joint import JointDetector
from edge.errors import NotFoundError, UsageError
from edge.infer.backend import Backend, BackendName, VariantName
from edge.infer.ladder import Ladder, Wish
from edge.infer.onnxrt import trial
from edge.infer.open import open_backend
from edge.modelpack import Detector as Description
from edge.modelpack import ModelPack
from edge.spans import Spans
from edge.types import Image

logger = logging.getLogger(__name__)


def open_detector(
    model: ModelPack | Path | str,
    *,
    classes: Sequence[str] = ("person",),
    floor: float | None = None,
    backend: BackendName = "auto",
    variant: VariantName = "auto",
    require: str | None = None,
    threads: int = 1,
    side_by_side: bool = False,
    overrides: adopt.Overrides = adopt.NONE,
    known: Description | None = None,
    spans: Spans | None = None,
) -> Detector | JointDetector:
    """The detector of a model pack, its folder, or an ONNX file that `edge.detect.adopt` understands with `overrides`.

    A pack's runs on the best rung of this board's ladder that `backend`, `variant` and `require` allow, a bare ONNX
    file on ONNX Runtime. One of several that stand `side_by_side` has one thread, if it is none that looks back at the
    frame before. `known` is what a file that was opened before was understood as. Raises as `edge.Pipeline`.
    """
    wish = Wish(backend, variant, require, 1 if side_by_side else threads)
    model = Path(model) if isinstance(model, str) else model
    network: Backend
    if isinstance(model, Path) and model.is_file():
        modelpack.refuse_checkpoint(model, "--detector")
        if known is None:
            trial.require_bearable(model, input_size=overrides.input_size)
        network = open_backend(model, name=wish.backend, threads=wish.threads, input_size=overrides.input_size)
        description = known or _understood(model, network, overrides)
    else:
        if isinstance(model, Path) and not model.exists():
            raise NotFoundError(f"{model}: expected a model pack or an ONNX file, found nothing there")
        pack = model if isinstance(model, ModelPack) else modelpack.read(model)
        description = pack.detector
        _check_overrides(pack, overrides)
        if side_by_side and description.is_joint:
            wish = Wish(backend, variant, require, threads)
        network = Ladder(wish).open(pack, "detector")
    if description.is_joint:
        return JointDetector(description, network, classes=classes, floor=floor, spans=spans)
    return Detector(description, network, classes=classes, floor=floor, spans=spans)


def warn_of_nonsense(
    description: Description, network: Backend, name: str, pictures: Iterable[Image] | None = None
) -> None:
    """Log what is strange about the boxes that an adopted network finds in `pictures`, the built-in ones by default."""
    looking = Detector(description, network, classes=description.classes, floor=selfcheck.FLOOR)
    if strange := selfcheck.suspicion(looking, selfcheck.pictures() if pictures is None else pictures):
        logger.warning("%s: suspicious boxes: %s; check --family and the other flags of the detector", name, strange)


def _understood(path: Path, network: Backend, overrides: adopt.Overrides) -> Description:
    description = adopt.detector(path, network, overrides)
    if description.is_joint:
        raise UsageError(
            f"{path}: a joint network as it was trained, its peaks not found in the graph; make a pack of it with"
            " nanotrack-export pack --detector"
        )
    warn_of_nonsense(description, network, str(path))
    return description


def _check_overrides(pack: ModelPack, overrides: adopt.Overrides) -> None:
    """Refuse to change what a pack says of itself; its family may be named, which makes one of the user's own known."""
    if overrides.family:
        registry.find(overrides.family)
    if overrides not in (adopt.NONE, adopt.Overrides(pack.detector.head.type)):
        raise UsageError(f"{pack.folder}: a pack keeps its family and preparation; leave out --family and the like")

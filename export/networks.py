"""From a file to a network for the board: a checkpoint is rebuilt as our own graph, an ONNX file adopted as it is."""

import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from edge.detect import adopt
from edge.detect.classes import class_names
from edge.detect.families.joint import has_dense_heads
from edge.errors import DataError, UsageError
from edge.modelpack import Detector, Reid, Source, sha256_of
from edge.reid import adopt as adopt_reid
from export import adopted, checkpoint, joint, jointnet, mobilenet, nanodet, onnxfile, osnet, resnet
from export.config import NOTHING_SAID, Config
from export.crops import PUBLISHED_SIZE
from export.graph import OPSET
from export.weights import Weights

logger = logging.getLogger(__name__)

DEFAULT_SIZE = (416, 416)
SUPPORTED = (
    "NanoDet-Plus and NanoDet (v0.x with PAN), both on ShuffleNetV2 0.5x, 1.0x or 1.5x, EfficientNet-Lite or RepVGG"
    " (A0 to B3), the built-in joint network, OSNet, OSNet-IBN and OSNet-AIN x0.25, x0.5, x0.75 or x1.0, ResNet-50 of"
    " torchreid and fast-reid, and torchreid's MobileNetV2"
)

_REID = (osnet, resnet, mobilenet)
_DETECTORS = (nanodet, jointnet)

Description = TypeVar("Description", Detector, Reid)


@dataclass(frozen=True)
class Network(Generic[Description]):
    """An ONNX file's bytes, its opset, and the manifest's description of it with `variants` still empty.

    `batch` is how many pictures or crops it takes at once, None where that is free.
    """

    content: bytes
    opset: int
    description: Description
    batch: int | None = None


def detector(
    path: Path,
    size: tuple[int, int] | None = None,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    overrides: adopt.Overrides = adopt.NONE,
    config: Config | None = None,
) -> Network[Detector]:
    """The detector in `path`.

    `size` is the width and height of its input (default: what the file says itself; for a checkpoint that does not,
    416x416),
    `names` its class names in order (default: its own, or else COCO's for 80 classes), `classes` the names of those to
    keep (default: all). `overrides` say how pictures are prepared where it is otherwise, and decide how an ONNX file is
    read; `config` what a NanoDet checkpoint was built of and trained on. Raises an error of `edge.errors` for a file
    that is missing, broken or not understood, and for options that do not fit.
    """
    if path.suffix == ".onnx":
        if config is not None:
            raise UsageError(f"{path}: --config and --activation are for NanoDet checkpoints; leave them out")
        if classes:
            raise UsageError(f"{path}: --classes rebuilds a checkpoint; the classes of an ONNX file are those it has")
        content, model = adopted.detector(path, size or overrides.input_size)
        overrides = replace(overrides, class_names=tuple(names) if names else overrides.class_names)
        with adopted.on_disk(path, content) as copy, adopt.opened(copy) as opened:
            found = adopt.detector(copy, opened, overrides)
        found = replace(found, source=replace(found.source, sha256=sha256_of(path)))
        if has_dense_heads({value.name for value in model.graph.output}):
            model = joint.with_peaks(path.name, model)
            content = model.SerializeToString()
        return Network(content, onnxfile.opset(model), found)
    if overrides.family is not None:
        raise UsageError(f"--family {overrides.family}: {path} is a checkpoint, which shows what it is; leave it out")
    weights = Weights(path.name, *checkpoint.read(path))
    said = config or NOTHING_SAID
    size = size or overrides.input_size or weights.meta.input_size or said.input_size or DEFAULT_SIZE
    names = names or overrides.class_names or (None if weights.meta.class_names else said.class_names)
    if config is not None and not nanodet.recognised(weights):
        raise UsageError(f"{path}: --config and --activation are for NanoDet checkpoints; leave them out")
    if jointnet.recognised(weights):
        all_names = _all_names(path, jointnet.class_count(weights), names, weights)
        architecture = jointnet.ARCHITECTURE
        model, image, head = jointnet.build(weights, *size, _positions(path, all_names, classes or all_names))
    elif kind := nanodet.recognised(weights):
        all_names = _all_names(path, nanodet.class_count(weights), names, weights)
        architecture = nanodet.architecture(weights, kind)
        if config is None and weights.meta.input_size is None:  # none of ours, which are all as published
            logger.warning("%s: %s", path, nanodet.assumed(weights, kind))
        kept = _positions(path, all_names, classes or all_names)
        model, image, head = nanodet.build(weights, kind, *size, kept, config=said, overrides=overrides)
    else:
        raise _unknown(weights, "--detector")
    source = Source(path.name, sha256_of(path), architecture)
    return Network(model.SerializeToString(), OPSET, Detector(source, image, head, tuple(classes or all_names), {}))


def reid(path: Path, overrides: adopt.Overrides = adopt.NONE, output: str | None = None) -> Network[Reid]:
    """The ReID network in `path`, for crops of the size that a checkpoint names or else of the published one.

    `overrides` say how crops are prepared where it is otherwise, `output` which of an ONNX file's outputs is the
    embedding. Raises an error of `edge.errors` for a file that is missing, broken or unknown.
    """
    if path.suffix == ".onnx":
        content, model = adopted.reid(path, overrides.input_size, output)
        inputs, outputs = onnxfile.ports(model)
        found = adopt_reid.reid(path.name, sha256_of(path), inputs, outputs)
        said = overrides.scale, overrides.mean, overrides.std
        adopt_reid.check(path, found, prepared=said != (None, None, None))
        found = replace(found, input=adopt.prepared(found.input, overrides))
        return Network(content, onnxfile.opset(model), found, batch=inputs[0].shape[0])
    weights = Weights(path.name, *checkpoint.read(path))
    family = _reid_family(weights)
    if family is None:
        raise _unknown(weights, "--reid")
    if output is not None:
        raise UsageError(f"--reid-output {output}: {path} is a checkpoint, which has one output; leave it out")
    size = overrides.input_size or weights.meta.input_size or PUBLISHED_SIZE
    model, crops, embedding = family.build(weights, *size, overrides)
    source = Source(path.name, sha256_of(path), family.architecture(weights))
    return Network(model.SerializeToString(), OPSET, Reid(source, crops, adopt_reid.OWN_EMBEDDING, embedding, {}))


def architecture(weights: Weights) -> str | None:
    """What network the weights of a checkpoint are of, with a detector's number of classes; None for an unknown one.

    Raises DataError for a known network of a size that is not supported.
    """
    if kind := nanodet.recognised(weights):
        return f"{nanodet.architecture(weights, kind)}, {nanodet.class_count(weights)} classes"
    if jointnet.recognised(weights):
        return f"{jointnet.ARCHITECTURE}, {jointnet.class_count(weights)} classes"
    family = _reid_family(weights)
    return None if family is None else str(family.architecture(weights))


def _reid_family(weights: Weights) -> ModuleType | None:
    return next((family for family in _REID if family.recognised(weights)), None)


def _all_names(path: Path, count: int, names: Sequence[str] | None, weights: Weights) -> tuple[str, ...]:
    own = weights.meta.class_names
    if names or own is None:
        return _names(path, count, names)
    if len(own) != count:
        raise DataError(
            f"{path}: its meta.class_names has {len(own)} names, its head tells {count} apart; give --class-names"
        )
    return own


def _names(path: Path, count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    if names and len(names) != count:
        raise UsageError(f"--class-names has {len(names)} names, {path} has {count} classes: name each one, in order")
    return tuple(names) if names else class_names(count)


def _positions(path: Path, names: Sequence[str], classes: Sequence[str]) -> list[int]:
    unknown = [name for name in classes if name not in names]
    if unknown:
        near = difflib.get_close_matches(unknown[0], names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; {path} has {', '.join(names)}"
        raise UsageError(f"--classes: unknown class {unknown[0]!r}{hint}")
    return [names.index(name) for name in classes]


def _unknown(weights: Weights, flag: str) -> DataError:
    other = "--reid" if flag == "--detector" else "--detector"
    if any(family.recognised(weights) for family in (_REID if flag == "--detector" else _DETECTORS)):
        return DataError(f"{weights.file}: given as {flag}, but belongs to {other}")
    return DataError(
        f"{weights.file}: not an architecture that is known; supported are {SUPPORTED};"
        f" found tensors {weights.outline()}. Other networks can be given as ONNX files"
    )

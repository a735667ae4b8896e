"""Networks to go on training from: published weights, or ours, in PyTorch's form."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from edge.detect.classes import COCO_CLASSES
from edge.detect.families.nanodet import PLUS
from edge.errors import DataError
from export import checkpoint, nanodet
from export.train import detector
from export.train.jointnet import JointNet
from export.train.nanodet import NanoDetPlus
from export.train.osnet import OSNet
from export.weights import Weights

DETECTOR_INPUT, REID_INPUT = (416, 416), (128, 256)  # width and height of the published networks


class Started(NamedTuple):
    """A network with its weights, the size of its pictures, and how many of the wanted classes it knew before."""

    net: nn.Module
    input: tuple[int, int]
    known: int = 0


def nanodet_plus(path: Path, names: Sequence[str]) -> Started:
    """NanoDet-Plus-m with one output for each of `names`; those that the weights know by name keep what they learned.

    Raises DataError for weights that are none of it, and as `export.checkpoint.read`.
    """
    found = checkpoint.read(path)
    weights = Weights(path.name, *found)
    if nanodet.recognised(weights) != PLUS:
        raise DataError(f"--from {path}: expected weights of NanoDet-Plus-m, found {weights.outline()}; choose others")
    width = nanodet.architecture(weights, PLUS).rpartition(" ")[2]
    count = nanodet.class_count(weights)
    known = found.meta.class_names or (COCO_CLASSES if count == len(COCO_CLASSES) else ())
    tensors = _tensors(found.tensors)
    sides = len(tensors["head.gfl_cls.0.weight"]) - count
    net = NanoDetPlus(width, len(names), sides // 4 - 1)  # type: ignore[arg-type]
    detector.prepare(net)
    fresh = net.state_dict()
    rows = [known.index(name) if name in known else -1 for name in names]
    for name in [name for name in tensors if name.startswith("head.gfl_cls.") and name in fresh]:
        kept = [fresh[name][i] if row < 0 else tensors[name][row] for i, row in enumerate(rows)]
        tensors[name] = torch.cat([torch.stack(kept), tensors[name][count:]])
    _load(net, tensors, path)
    return Started(net, found.meta.input_size or DETECTOR_INPUT, sum(row >= 0 for row in rows))


def osnet(path: Path, identities: int) -> Started:
    """OSNet of the width of the weights, with a new classifier for so many people. Raises as `nanodet_plus`."""
    found = checkpoint.read(path)
    tensors = {name: tensor for name, tensor in _tensors(found.tensors).items() if not name.startswith("classifier")}
    if "conv1.conv.weight" not in tensors or "fc.0.weight" not in tensors or any(".IN." in name for name in tensors):
        raise DataError(f"--from {path}: expected weights of OSNet, found {Weights(path.name, *found).outline()}")
    width, embedding = len(tensors["conv1.conv.weight"]) / 64, len(tensors["fc.0.weight"])
    net = OSNet(width, identities, embedding)
    _load(net, tensors, path)
    return Started(net, found.meta.input_size or REID_INPUT)


def joint(path: Path) -> Started:
    """The joint network of one class. Raises as `nanodet_plus`."""
    found = checkpoint.read(path)
    net = JointNet()
    _load(net, _tensors(found.tensors), path)
    from export.train.pairs import INPUT

    return Started(net, found.meta.input_size or INPUT)


def _tensors(found: checkpoint.Tensors) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(np.array(values, np.float32 if values.dtype.kind == "f" else values.dtype))
        for name, values in found.items()
    }


def _load(net: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Put the weights in; what training alone needs may be there or not."""
    wanted = net.state_dict()
    optional = ("classifier", "num_batches_tracked")
    missing = [name for name in wanted if name not in tensors and not any(part in name for part in optional)]
    wrong = [name for name in wanted if name in tensors and tensors[name].shape != wanted[name].shape]
    if missing or wrong:
        name = (missing + wrong)[0]
        found = list(tensors[name].shape) if name in tensors else "none"
        raise DataError(
            f"--from {path}: {name}: expected {list(wanted[name].shape)}, found {found}; the weights are of another"
            " network, or incomplete"
        )
    net.load_state_dict({name: tensors.get(name, value) for name, value in wanted.items()})

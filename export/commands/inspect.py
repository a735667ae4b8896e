"""Say what a file holds: a checkpoint (read without executing anything), an ONNX file, or a model pack."""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
from onnx import numpy_helper
from rich.table import Table

from edge import modelpack
from edge.console.terminal import Terminal
from edge.detect import adopt
from edge.errors import DataError, NanoTrackError
from edge.infer.backend import Port
from edge.modelpack import Detector, ImageInput, Reid
from edge.reid import adopt as adopt_reid
from export import checkpoint, networks, onnxfile
from export.weights import Weights

Facts = list[tuple[str, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("file", type=Path, metavar="FILE", help=".pth, .pt, .ckpt, .safetensors, .onnx or a pack")


def run(args: argparse.Namespace) -> None:
    """Print the facts as a table of two columns."""
    path: Path = args.file
    read = _pack if path.is_dir() else _onnx if path.suffix == ".onnx" else _checkpoint
    table = Table(box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for fact in read(path):
        table.add_row(*fact)
    Terminal().print(table, highlight=False)


def _checkpoint(path: Path) -> Facts:
    tensors, meta = checkpoint.read(path)
    weights = Weights(path.name, tensors)
    dtypes = Counter(str(t.dtype) for t in tensors.values())
    parameters = sum(t.size for t in tensors.values())
    return [
        ("file", f"{path.name}, a PyTorch checkpoint"),
        ("network", _recognised(weights)),
        *_said(meta),
        ("tensors", f"{len(tensors)} ({', '.join(f'{n} {d}' for d, n in dtypes.most_common())})"),
        ("numbers", f"{parameters:,}"),
        ("parts", weights.outline()),
        ("sha256", modelpack.sha256_of(path)),
    ]


def _said(meta: checkpoint.Meta) -> Facts:
    """What the exporter takes from the checkpoint unless its flags say otherwise."""
    size = [("input", "{}x{}".format(*meta.input_size))] if meta.input_size else []
    return [*size, *([("classes", _listed(meta.class_names))] if meta.class_names else [])]


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names[:8])}{', …' * (len(names) > 8)}"


def _recognised(weights: Weights) -> str:
    try:
        return networks.architecture(weights) or "not one that is known"
    except DataError as error:
        return str(error)


def _onnx(path: Path) -> Facts:
    _, model = onnxfile.load(path)
    inputs, outputs = onnxfile.ports(model)
    operators = Counter(node.op_type for node in model.graph.node)
    numbers = sum(numpy_helper.to_array(tensor).size for tensor in model.graph.initializer)
    return [
        ("file", f"{path.name}, ONNX opset {onnxfile.opset(model)}, IR {model.ir_version}, by {_producer(model)}"),
        ("inputs", "\n".join(map(str, inputs))),
        ("outputs", "\n".join(map(str, outputs))),
        *_understood(path, inputs, outputs),
        ("operators", ", ".join(f"{count} {name}" for name, count in operators.most_common())),
        ("numbers", f"{numbers:,}"),
        ("sha256", modelpack.sha256_of(path)),
    ]


def _understood(path: Path, inputs: list[Port], outputs: list[Port]) -> Facts:
    """What the file would be as `--detector` or `--reid`."""
    reasons = []
    understood: dict[str, Callable[[], Detector | Reid]] = {
        "--detector": lambda: _detector(path),
        "--reid": lambda: _reid(path, inputs, outputs),
    }
    for flag, understand in understood.items():
        try:
            return [("usable as", flag), *_description(understand())]
        except NanoTrackError as error:
            reasons.append(str(error))
    return [("usable as", "neither --detector nor --reid"), *(("because", reason) for reason in reasons)]


def _detector(path: Path) -> Detector:
    with adopt.opened(path) as network:
        return adopt.detector(path, network)


def _reid(path: Path, inputs: list[Port], outputs: list[Port]) -> Reid:
    found = adopt_reid.reid(path.name, "", inputs, outputs)
    adopt_reid.check(path, found)
    return found


def _pack(path: Path) -> Facts:
    pack = modelpack.read(path)
    facts = [("pack", f"{pack.manifest.name}, schema {pack.manifest.schema}, by {pack.manifest.tool}")]
    for name, network in (("detector", pack.detector), ("reid", pack.reid)):
        if network is None:
            continue
        facts += [(name, f"{network.source.architecture}, from {network.source.file}"), *_description(network)]
        facts += [("licence", network.source.licence)] if network.source.licence else []
        for variant, entry in network.variants.items():
            size = pack.path(entry).stat().st_size / 1e6
            gate = "" if entry.passed else ", failed its accuracy gate"
            facts.append((variant, f"{entry.file}, opset {entry.opset}, {size:.1f} MB{gate}"))
    manifest = pack.manifest
    extras = {"golden": manifest.golden, "calibration": manifest.calibration, "accuracy": manifest.accuracy}
    return facts + [(name, extra.file if extra else "none") for name, extra in extras.items()]


def _description(network: Detector | Reid) -> Facts:
    facts = [("input", _input(network.input))]
    if isinstance(network, Reid):
        return [*facts, ("embedding", f"{network.embedding} numbers")]
    head = network.head
    return [
        *facts,
        ("head", f"{head.type}, strides {', '.join(map(str, head.strides))}, {head.scores}, reg_max {head.reg_max}"),
        ("classes", _listed(network.classes)),
    ]


def _input(wanted: ImageInput) -> str:
    return f"{wanted.name}, {wanted.width}x{wanted.height} {wanted.colour.upper()}, {wanted.layout}, {wanted.resize}"


def _producer(model: onnx.ModelProto) -> str:
    return f"{model.producer_name} {model.producer_version}".strip() or "an unnamed tool"

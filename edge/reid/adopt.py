"""What a foreign appearance network is: understood by the shapes and types of its inputs and outputs."""

from collections.abc import Sequence
from pathlib import Path

from edge.errors import DataError
from edge.infer import graph
from edge.infer.backend import Port
from edge.modelpack import ImageInput, Layout, Reid, Source

# ImageNet's (.485, .456, .406) and (.229, .224, .225) in pixel values: what torchreid trains with.
IMAGENET_MEAN_RGB = (123.675, 116.28, 103.53)
IMAGENET_STD_RGB = (58.395, 57.12, 57.375)

# Names of the exporter's own graphs.
OWN_CROPS = "crops"
OWN_EMBEDDING = "embedding"
_PROBABILITIES = ("LogSoftmax", "Softmax")  # what a classifier ends with, and no embedding
_OTHER_TASKS = ("classify", "detect", "obb", "pose", "segment")  # in the metadata that ultralytics and LibreYOLO write


def reid(file: str, sha256: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Reid:
    """The description of the ReID network in ONNX `file`, its `variants` left empty.

    Understood are `[N,3,H,W]` float32 or float16 (RGB, ImageNet's normalisation) or `[N,H,W,3]` uint8 (BGR, the
    exporter's own) to `[N,D]`; N is dynamic or fixed. Raises DataError that says what was found.
    """
    wanted = "expected one input [N,3,H,W] float32 or float16 (or [N,H,W,3] uint8) and one output [N,D]"
    found = f"{file}: not a ReID network that is understood: {wanted}; found {_listed(inputs)} -> {_listed(outputs)}"
    if len(inputs) != 1 or len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise DataError(f"{found}; export the network with its embedding as the only output")
    (crops,), (out,) = inputs, outputs
    size, layout = _image_size(crops)
    embedding = out.shape[1]
    if size is None or embedding is None or out.dtype not in ("float32", "float16"):
        raise DataError(f"{found}; export the network with a fixed picture size and a floating-point output")
    if crops.shape[0] != out.shape[0]:
        raise DataError(f"{found}; export the network with one embedding for each crop")
    bgr = layout == "nhwc-uint8"
    image = ImageInput(
        crops.name,
        *size,
        layout=layout,
        colour="bgr" if bgr else "rgb",
        mean=IMAGENET_MEAN_RGB[::-1] if bgr else IMAGENET_MEAN_RGB,
        std=IMAGENET_STD_RGB[::-1] if bgr else IMAGENET_STD_RGB,
    )
    return Reid(Source(file, sha256, "ReID (ONNX)"), image, out.name, embedding, {})


def check(path: Path, description: Reid, *, prepared: bool = False) -> None:
    """Raise DataError where the graph in ONNX file `path` shows what its shapes, which `description` was made of, do
    not: that it classifies, or, unless the user said how crops are `prepared`, that it changes pixels itself first.

    fast-reid's exporter writes its mean and std into the graph, which then wants pixels of 0..255; others only divide
    by 255. Whoever subtracts a mean twice gets embeddings that tell nobody apart, so it is asked.
    """
    network, image = graph.read(path), description.input
    last = network.maker(description.output)
    task = network.metadata.get("task", "")
    is_other = task in _OTHER_TASKS
    if is_other or (last is not None and last.op in _PROBABILITIES):
        shown = (
            f"its metadata says that its task is {task!r}" if is_other else f"its last operator is {last and last.op}"
        )
        raise DataError(f"{path}: not a ReID network: {shown}; expected one that puts out an embedding for each crop")
    inside = network.prepares(image.name) if image.layout != "nhwc-uint8" else ""
    if inside and not prepared:
        raise DataError(
            f"{path}: changes its pixels itself first ({inside}), so how crops are to be prepared is not known; say it:"
            " nanotrack-export pack --reid-scale 1 for pixels of 0..255 as they are (as fast-reid exports), 1/255 for"
            " 0..1, with --reid-mean and --reid-std where they are wanted besides"
        )


def _image_size(port: Port) -> tuple[tuple[int, int] | None, Layout]:
    """Width and height of an image input, None if it is none or of dynamic size, and its layout."""
    if len(port.shape) == 4:
        _, *chw = port.shape
        if port.dtype == "uint8" and chw[2] == 3 and chw[0] and chw[1]:
            return (chw[1], chw[0]), "nhwc-uint8"
        if port.dtype in ("float32", "float16") and chw[0] == 3 and chw[1] and chw[2]:
            return (chw[2], chw[1]), "nchw-float32" if port.dtype == "float32" else "nchw-float16"
    return None, "nchw-float32"


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(map(str, ports)) or "nothing"

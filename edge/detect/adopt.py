"""What a foreign ONNX file is: its inputs and outputs, understood as a NanoDet detector or a ReID network.

Only names, shapes and dtypes are looked at, so the same rules hold on the workstation (which reads them with `onnx`)
and on the board (which reads them from its inference session).
"""

from collections.abc import Sequence
from typing import Literal

from edge.errors import DataError
from edge.infer.backend import Port
from edge.modelpack import Detector, HeadType, ImageInput, Layout, NanoDetHead, Reid, Source

# fmt: off
COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on

# Of every published NanoDet (RangiLyu/nanodet, config/*.yml), in BGR order.
NANODET_MEAN_BGR = (103.53, 116.28, 123.675)
NANODET_STD_BGR = (57.375, 57.12, 58.395)
REG_MAX = 7
# ImageNet's (.485, .456, .406) and (.229, .224, .225) in pixel values: what torchreid trains with.
IMAGENET_MEAN_RGB = (123.675, 116.28, 103.53)
IMAGENET_STD_RGB = (58.395, 57.12, 57.375)

# Head type -> strides of its levels and the offset of a cell's prior, in cells.
HEADS: dict[HeadType, tuple[tuple[int, ...], float]] = {
    "nanodet-plus": ((8, 16, 32, 64), 0.0),
    "nanodet": ((8, 16, 32), 0.5),
}

# Names of the exporter's own graphs: the one form whose class scores are logits.
OWN_INPUT = "image"
OWN_OUTPUTS = ("class_logits", "distances")
OWN_CROPS = "crops"
OWN_EMBEDDING = "embedding"


def class_names(count: int) -> tuple[str, ...]:
    """Names for `count` classes of a network that carries none: COCO's for 80, "person" for 1, else "class_0", ..."""
    if count == len(COCO_CLASSES):
        return COCO_CLASSES
    return ("person",) if count == 1 else tuple(f"class_{i}" for i in range(count))


def cell_counts(width: int, height: int, strides: Sequence[int]) -> list[int]:
    """The number of cells of each level for an input of `width` x `height` pixels."""
    return [-(-width // stride) * -(-height // stride) for stride in strides]


def detector(file: str, sha256: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Detector:
    """The description of the NanoDet network in ONNX `file`, its `variants` left empty.

    Understood are one output `[1,N,C+32]` and 2 x levels outputs (`[1,n,C]` each, `[1,n,32]` each) with class
    probabilities, as published for NanoDet-Plus and NanoDet, and the two outputs of the exporter's own graphs.
    Raises DataError that says what was found.
    """
    image = _detector_input(file, inputs)
    head, classes = _one_output(image, outputs) or _per_level(image, outputs) or _own(image, outputs) or (None, 0)
    if head is None:
        raise DataError(
            f"{file}: not a detector that is understood: expected one output [1,N,C+32], class and distribution outputs"
            f" for each level, or {' and '.join(OWN_OUTPUTS)}, for input {image.width}x{image.height};"
            f" found {_listed(outputs)}; export NanoDet or NanoDet-Plus"
        )
    return Detector(Source(file, sha256, f"{head.type} (ONNX)"), image, head, class_names(classes), {})


def reid(file: str, sha256: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Reid:
    """The description of the ReID network in ONNX `file`, its `variants` left empty.

    Understood are `[N,3,H,W]` float32 (RGB, ImageNet's normalisation) or `[N,H,W,3]` uint8 (BGR, the exporter's own)
    to `[N,D]`, N dynamic. Raises DataError that says what was found.
    """
    wanted = "expected one input [N,3,H,W] float32 (or [N,H,W,3] uint8) and one output [N,D] float32, N dynamic"
    found = f"{file}: not a ReID network that is understood: {wanted}; found {_listed(inputs)} -> {_listed(outputs)}"
    if len(inputs) != 1 or len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise DataError(f"{found}; export the network with its embedding as the only output")
    (crops,), (out,) = inputs, outputs
    size, layout = _image_size(crops)
    embedding = out.shape[1]
    if size is None or embedding is None or out.dtype != "float32":
        raise DataError(f"{found}; export the network with a fixed picture size and float32 output")
    if crops.shape[0] is not None or out.shape[0] is not None:
        raise DataError(f"{found}; export the network with a dynamic batch")
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


def _detector_input(file: str, inputs: Sequence[Port]) -> ImageInput:
    size, layout = _image_size(inputs[0]) if len(inputs) == 1 else (None, "nchw-float32")
    if size is None or inputs[0].shape[0] not in (1, None):
        raise DataError(
            f"{file}: not a detector that is understood: expected one image input [1,3,H,W] float32"
            f" (or [1,H,W,3] uint8) of fixed size; found {_listed(inputs)}; export it with batch 1 and a fixed size"
        )
    return ImageInput(inputs[0].name, *size, layout, "bgr", NANODET_MEAN_BGR, NANODET_STD_BGR)


def _image_size(port: Port) -> tuple[tuple[int, int] | None, Layout]:
    """Width and height of an image input, None if it is none or of dynamic size, and its layout."""
    if len(port.shape) == 4:
        _, *chw = port.shape
        if port.dtype == "uint8" and chw[2] == 3 and chw[0] and chw[1]:
            return (chw[1], chw[0]), "nhwc-uint8"
        if port.dtype == "float32" and chw[0] == 3 and chw[1] and chw[2]:
            return (chw[2], chw[1]), "nchw-float32"
    return None, "nchw-float32"


def _one_output(image: ImageInput, outputs: Sequence[Port]) -> tuple[NanoDetHead, int] | None:
    if len(outputs) != 1 or not _are_rows(outputs):
        return None
    _, cells, width = outputs[0].shape
    classes = (width or 0) - 4 * (REG_MAX + 1)
    for type_, (strides, _) in HEADS.items():
        if cells == sum(cell_counts(image.width, image.height, strides)) and classes > 0:
            return _head(type_, [outputs[0].name], "probabilities"), classes
    return None


def _per_level(image: ImageInput, outputs: Sequence[Port]) -> tuple[NanoDetHead, int] | None:
    """Class outputs are told from distributions by their width; where both are 32, the first half are classes."""
    if not _are_rows(outputs):
        return None
    for type_, (strides, _) in HEADS.items():
        levels = len(strides)
        if len(outputs) != 2 * levels:
            continue
        width = 4 * (REG_MAX + 1)
        classes = [p for p in outputs if p.shape[2] != width] or list(outputs[:levels])
        sides = [p for p in outputs if p not in classes]
        wanted = cell_counts(image.width, image.height, strides)
        both = [sorted(group, key=lambda p: -(p.shape[1] or 0)) for group in (classes, sides)]
        if all([p.shape[1] for p in group] == wanted for group in both) and len({p.shape[2] for p in classes}) == 1:
            return _head(type_, [p.name for group in both for p in group], "probabilities"), classes[0].shape[2] or 0
    return None


def _own(image: ImageInput, outputs: Sequence[Port]) -> tuple[NanoDetHead, int] | None:
    if tuple(p.name for p in outputs) != OWN_OUTPUTS or not _are_rows(outputs):
        return None
    (_, cells, classes), (_, same, sides) = (p.shape for p in outputs)
    for type_, (strides, _) in HEADS.items():
        if cells == same == sum(cell_counts(image.width, image.height, strides)) and sides and sides % 4 == 0:
            return _head(type_, OWN_OUTPUTS, "logits", sides // 4 - 1), classes or 0
    return None


def _head(
    type_: HeadType, outputs: Sequence[str], scores: Literal["probabilities", "logits"], reg_max: int = REG_MAX
) -> NanoDetHead:
    strides, offset = HEADS[type_]
    return NanoDetHead(type_, tuple(outputs), strides, reg_max, offset, scores)


def _are_rows(outputs: Sequence[Port]) -> bool:
    return all(len(p.shape) == 3 and p.shape[0] in (1, None) and p.dtype == "float32" for p in outputs)


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(map(str, ports)) or "nothing"

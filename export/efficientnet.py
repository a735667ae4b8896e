"""EfficientNet-Lite, EfficientNet without squeeze-and-excitation (Tan & Le 2019): inverted bottlenecks.

Written from the paper, and from the parameter names of NanoDet's checkpoints on it (RangiLyu/nanodet).
"""

from collections.abc import Sequence

from edge.detect.families.nanodet import LITE_MEAN_BGR, LITE_STD_BGR
from edge.errors import DataError
from export.config import Activations
from export.layers import Features, Layers
from export.weights import Weights

# Of NanoDet's published configurations on it (config/EfficientNet-Lite), in pixel values.
ACTIVATIONS = Activations("ReLU6", head="ReLU6")
MEAN_BGR = LITE_MEAN_BGR
STD_BGR = LITE_STD_BGR
EPSILON = 1e-3  # of its batch norms

_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
_LEVELS = (2, 4, 6)  # stages whose outputs have strides 8, 16 and 32
# Channels of the last stage and blocks of the second, which tell the sizes apart.
_SIZES = {(320, 2): "Lite0", (320, 3): "Lite1", (352, 3): "Lite2", (384, 3): "Lite3", (448, 4): "Lite4"}


def recognised(weights: Weights) -> bool:
    """Whether these are tensors of such a backbone."""
    return "backbone.blocks.0.0._depthwise_conv.weight" in weights


def name(weights: Weights) -> str:
    """Such as "EfficientNet-Lite0"; DataError for a size that is not known."""
    last = len(_STRIDES) - 1
    channels = weights.shape(f"backbone.blocks.{last}.0._project_conv.weight")[0]
    blocks = weights.count(r"backbone\.blocks\.1\.(\d+)\.")
    if (channels, blocks) not in _SIZES:
        raise DataError(
            f"{weights.file}: an EfficientNet-Lite of {channels} channels in its last stage and {blocks} blocks in its"
            f" second; supported are {', '.join(f'{c} and {b} ({size})' for (c, b), size in _SIZES.items())}"
        )
    return f"EfficientNet-{_SIZES[channels, blocks]}"


def backbone(layers: Layers, image: Features, std: Sequence[float]) -> list[Features]:
    """The features of strides 8, 16 and 32 of `image`."""
    x = layers.activated(layers.first(image, "backbone.stem.0", "backbone.stem.1", std))
    features = []
    for stage, stride in enumerate(_STRIDES):
        for block in range(layers.weights.count(rf"backbone\.blocks\.{stage}\.(\d+)\.")):
            x = _bottleneck(layers, x, f"backbone.blocks.{stage}.{block}", 1 if block else stride)
        if stage in _LEVELS:
            features.append(x)
    return features


def _bottleneck(layers: Layers, x: Features, block: str, stride: int) -> Features:
    inner = x
    if f"{block}._expand_conv.weight" in layers.weights:
        inner = layers.activated(layers.pointwise(x, f"{block}._expand_conv", f"{block}._bn0"))
    inner = layers.activated(layers.depthwise(inner, f"{block}._depthwise_conv", f"{block}._bn1", stride))
    out = layers.pointwise(inner, f"{block}._project_conv", f"{block}._bn2")
    return layers.sum(block, out, x) if stride == 1 and out.count == x.count else out

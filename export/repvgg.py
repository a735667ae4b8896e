"""RepVGG (Ding et al. 2021): convolutions of 3x3 alone, each merged from the three branches that it was trained as.

Written from the paper, and from the parameter names of NanoDet's checkpoints on it (RangiLyu/nanodet).
"""

from collections.abc import Sequence

import numpy as np

from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR
from edge.errors import DataError
from export.config import Activations
from export.layers import Features, Layers
from export.weights import NORM_EPSILON, Float64s, Weights

# Of NanoDet's published configuration on it (config/RepVGG).
ACTIVATIONS = Activations("ReLU", head="ReLU")
MEAN_BGR = NANODET_MEAN_BGR
STD_BGR = NANODET_STD_BGR
EPSILON = NORM_EPSILON

_STAGES = (1, 2, 3, 4)
_LEVELS = (2, 3, 4)  # stages whose outputs have strides 8, 16 and 32
# Channels of stages 3 and 4 and blocks of stage 3, which tell the sizes apart.
_SIZES = {
    (192, 1280, 14): "A0", (256, 1280, 14): "A1", (384, 1408, 14): "A2", (256, 1280, 16): "B0", (512, 2048, 16): "B1",
    (640, 2560, 16): "B2", (768, 2560, 16): "B3",
}  # fmt: skip


def recognised(weights: Weights) -> bool:
    """Whether these are tensors of such a backbone, its branches merged or not."""
    return any(f"backbone.stage0.{kind}.weight" in weights for kind in ("rbr_dense.0", "rbr_reparam"))


def name(weights: Weights) -> str:
    """Such as "RepVGG-A0"; DataError for a size that is not known."""
    kind = "rbr_reparam" if "backbone.stage0.rbr_reparam.weight" in weights else "rbr_dense.0"
    middle, last = (weights.shape(f"backbone.stage{stage}.0.{kind}.weight")[0] for stage in (3, 4))
    found = middle, last, weights.count(r"backbone\.stage3\.(\d+)\.")
    if found not in _SIZES:
        raise DataError(
            f"{weights.file}: a RepVGG of {middle} and {last} channels in stages 3 and 4 and {found[2]} blocks in stage"
            f" 3; supported are {', '.join(_SIZES.values())}"
        )
    return f"RepVGG-{_SIZES[found]}"


def backbone(layers: Layers, image: Features, std: Sequence[float]) -> list[Features]:
    """The features of strides 8, 16 and 32 of `image`."""
    weight, bias = _merged(layers.weights, "backbone.stage0", image.count)
    x = layers.activated(layers.folded(image, "backbone.stage0", weight / np.reshape(std, (1, -1, 1, 1)), bias, 2))
    features = []
    for stage in _STAGES:
        for block in range(layers.weights.count(rf"backbone\.stage{stage}\.(\d+)\.")):
            layer = f"backbone.stage{stage}.{block}"
            x = layers.activated(layers.folded(x, layer, *_merged(layers.weights, layer, x.count), 1 if block else 2))
        if stage in _LEVELS:
            features.append(x)
    return features


def _merged(weights: Weights, layer: str, inputs: int) -> tuple[Float64s, Float64s]:
    """Weight and bias of the one convolution that does what the branches of `layer` do together (section 3.3)."""
    if f"{layer}.rbr_reparam.weight" in weights:
        return weights.layer(f"{layer}.rbr_reparam", inputs=inputs, size=3)
    weight, bias = weights.layer(f"{layer}.rbr_dense.0", f"{layer}.rbr_dense.1", inputs=inputs, size=3)
    outputs, point = len(weight), f"{layer}.rbr_1x1"
    single, shift = weights.layer(f"{point}.0", f"{point}.1", inputs=inputs, outputs=outputs, size=1)
    weight[:, :, 1, 1] += single[:, :, 0, 0]
    bias = bias + shift
    if outputs == inputs and f"{layer}.rbr_identity.weight" in weights:
        factor, shift = weights.batch_norm(f"{layer}.rbr_identity", inputs)
        weight[:, :, 1, 1] += np.diag(factor)
        bias = bias + shift
    return weight, bias

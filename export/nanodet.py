"""NanoDet-Plus and NanoDet v0.x as ONNX graphs: raw pixels in, class logits and distribution logits out.

Written from the papers "ShuffleNet V2", "GhostNet", "Path Aggregation Network" and "Generalized Focal Loss", and from
the parameter names of the checkpoints of RangiLyu/nanodet.
"""

from collections.abc import Sequence

import numpy as np
import onnx

from edge.detect import adopt
from edge.detect.cells import cell_counts
from edge.detect.families.nanodet import (
    CELL_OFFSET,
    OWN_INPUT,
    OWN_OUTPUTS,
    PLUS,
    REG_MAX,
    RESIZE,
    STRIDES,
    V0,
)
from edge.errors import DataError, UsageError
from edge.modelpack import Head, ImageInput
from export.config import KEEPING_RATIO, PUBLISHED, Config
from export.graph import Graph
from export.layers import UNCHANGED, Features, Layers, Order, pixels
from export.shufflenet import WIDTHS, backbone
from export.weights import Weights

SIZE_MULTIPLE = 32
# Hidden channels in sixteens suit the kernels of ONNX Runtime: 1.08, 1.05 and 1.02 times as fast as without padding for
# widths 1.0x, 0.5x and 1.5x (float32, 416x416, one thread of an AMD EPYC with AVX-512, ONNX Runtime 1.31, 21 Nov 2026).
ALIGN = 16
# What training adds and inference does not need: NanoDet-Plus's auxiliary head and pyramid, the bins 0..reg_max, the
# classifier of a backbone that was trained on ImageNet, and the counter of averaged weights.
_IGNORED = (r"^aux_", r"^head\.distribution_project\.", r"^backbone\.(conv5|fc)\.", r"^n_averaged$")


def recognised(weights: Weights) -> str | None:
    """Which kind of NanoDet on a ShuffleNetV2 these are, None if neither."""
    if "backbone.stage2.0.branch2.5.weight" not in weights or "head.gfl_cls.0.weight" not in weights:
        return None
    if "fpn.reduce_layers.0.conv.weight" in weights:
        return PLUS
    return V0 if "fpn.lateral_convs.0.conv.weight" in weights else None


def architecture(weights: Weights, kind: str) -> str:
    """A readable name, such as "NanoDet-Plus-m 1.0x"; DataError for an unknown width."""
    channels = 2 * weights.shape("backbone.stage2.0.branch2.5.weight")[0]
    if channels not in WIDTHS:
        raise DataError(
            f"{weights.file}: a ShuffleNetV2 with {channels} channels in stage 2;"
            f" supported are {', '.join(f'{c} ({w})' for c, w in WIDTHS.items())}"
        )
    return f"{'NanoDet-Plus-m' if kind == PLUS else 'NanoDet-m'} {WIDTHS[channels]}"


def class_count(weights: Weights) -> int:
    """How many classes the head tells apart."""
    rows = weights.shape("head.gfl_cls.0.weight")[0]
    return rows if "head.gfl_reg.0.weight" in weights else rows - 4 * (_reg_max(weights) + 1)


def build(
    weights: Weights,
    kind: str,
    width: int,
    height: int,
    kept: Sequence[int] | None = None,
    align: int = ALIGN,
    config: Config = PUBLISHED,
    overrides: adopt.Overrides = adopt.NONE,
) -> tuple[onnx.ModelProto, ImageInput, Head]:
    """The graph for pictures of `width` x `height` and what the board must know of it.

    `kept` are the class outputs to keep, in order; None keeps all. `align` pads hidden channels to a multiple. `config`
    says what weights do not tell, `overrides` how pictures are prepared where that is otherwise.
    Raises UsageError for a size that is not a multiple of 32, DataError for weights that do not fit.
    """
    if min(width, height) <= 0 or width % SIZE_MULTIPLE or height % SIZE_MULTIPLE:
        raise UsageError(f"--input-size {width}x{height}: expected multiples of {SIZE_MULTIPLE}, such as 416x416")
    name = architecture(weights, kind)
    graph = Graph()
    parts = config.activations
    body, neck, top = (Layers(graph, weights, align, part) for part in (parts.backbone, parts.pyramid, parts.head))
    resize = RESIZE[kind] if config.keep_ratio is None else KEEPING_RATIO if config.keep_ratio else "squash"
    wanted = ImageInput(OWN_INPUT, width, height, "nhwc-uint8", "bgr", config.mean_bgr, config.std_bgr, resize)
    wanted = adopt.prepared(wanted, overrides)
    image = pixels(graph, OWN_INPUT, [1, height, width, 3], UNCHANGED, wanted.mean)
    features = backbone(body, image, wanted.std)
    levels = _ghost_pan(neck, features) if kind == PLUS else _pan(neck, features)
    strides = tuple(STRIDES[PLUS][: len(levels)])
    cells = cell_counts(width, height, strides)
    if weights.count(r"head\.gfl_cls\.(\d+)\.") != len(strides):
        raise DataError(
            f"{weights.file}: a pyramid of {len(strides)} levels and a head of another number (head.gfl_cls)"
        )
    rows = np.arange(class_count(weights)) if kept is None else np.asarray(kept)
    _head(top, levels, cells, rows)
    weights.finish(name, _IGNORED)
    head = Head(kind, OWN_OUTPUTS, strides, _reg_max(weights), CELL_OFFSET[kind], "logits")
    return graph.model(name), wanted, head


def assumed(kind: str) -> str:
    """What has to be taken for granted of weights without a configuration."""
    kept = "not kept" if RESIZE[kind] == "squash" else "kept"
    return (
        f"its weights do not tell activations and preparation; assumed as published: LeakyReLU, BGR, NanoDet's mean and"
        f" std, the aspect ratio {kept}; --config nanodet.yml says otherwise"
    )


def _reg_max(weights: Weights) -> int:
    bins = "head.distribution_project.project"
    return weights.shape(bins)[0] - 1 if bins in weights else REG_MAX


def _separable(layers: Layers, x: Features, name: str, stride: int = 1) -> Features:
    x = layers.activated(layers.depthwise(x, f"{name}.depthwise", f"{name}.dwnorm", stride))
    return layers.activated(layers.pointwise(x, f"{name}.pointwise", f"{name}.pwnorm"))


def _ghost_pan(layers: Layers, features: list[Features]) -> list[Features]:
    """The pyramid of NanoDet-Plus: top-down, bottom-up, and usually one more level, of stride 64."""
    reduced = []
    for i, x in enumerate(features):
        name = f"fpn.reduce_layers.{i}"
        reduced.append(layers.activated(layers.pointwise(x, f"{name}.conv", f"{name}.bn")))
    tops = [reduced[-1]]
    for i, low in enumerate(reversed(reduced[:-1])):
        name = f"fpn.top_down_blocks.{i}"
        tops.insert(0, _ghost_blocks(layers, layers.concat(f"{name}.input", [layers.doubled(tops[0]), low]), name))
    levels = [tops[0]]
    for i, high in enumerate(tops[1:]):
        name = f"fpn.bottom_up_blocks.{i}"
        down = _separable(layers, levels[-1], f"fpn.downsamples.{i}", stride=2)
        levels.append(_ghost_blocks(layers, layers.concat(f"{name}.input", [down, high]), name))
    for i in range(layers.weights.count(r"fpn\.extra_lvl_in_conv\.(\d+)\.")):
        deepest = _separable(layers, reduced[-1], f"fpn.extra_lvl_in_conv.{i}", stride=2)
        extra = _separable(layers, levels[-1], f"fpn.extra_lvl_out_conv.{i}", stride=2)
        levels.append(layers.sum(f"fpn.extra_level{i or ''}", deepest, extra))
    return levels


def _ghost_blocks(layers: Layers, x: Features, name: str) -> Features:
    for i in range(layers.weights.count(rf"{name}\.blocks\.(\d+)\.")):
        block = f"{name}.blocks.{i}"
        inner = _ghost(layers, x, f"{block}.ghost1", active=True)
        inner = _ghost(layers, inner, f"{block}.ghost2", active=False)
        if f"{block}.shortcut.0.weight" in layers.weights:
            x = layers.depthwise(x, f"{block}.shortcut.0", f"{block}.shortcut.1")
            x = layers.pointwise(x, f"{block}.shortcut.2", f"{block}.shortcut.3", rows=inner.order, outputs=inner.count)
        x = layers.sum(block, inner, x)
    return x


def _ghost(layers: Layers, x: Features, name: str, *, active: bool) -> Features:
    primary = layers.pointwise(x, f"{name}.primary_conv.0", f"{name}.primary_conv.1")
    primary = layers.activated(primary) if active else primary
    cheap = layers.depthwise(primary, f"{name}.cheap_operation.0", f"{name}.cheap_operation.1")
    return layers.concat(name, [primary, layers.activated(cheap) if active else cheap])


def _pan(layers: Layers, features: list[Features]) -> list[Features]:
    """The pyramid of NanoDet v0.x, which adds resized levels and convolves nothing."""
    levels = [layers.pointwise(x, f"fpn.lateral_convs.{i}.conv") for i, x in enumerate(features)]
    for i in reversed(range(len(levels) - 1)):
        levels[i] = layers.sum(f"fpn.top_down.{i}", levels[i], layers.doubled(levels[i + 1]))
    for i in range(1, len(levels)):
        levels[i] = layers.sum(f"fpn.bottom_up.{i}", levels[i], layers.halved(levels[i - 1]))
    return levels


def _head(layers: Layers, levels: Sequence[Features], cells: Sequence[int], kept: Order) -> None:
    """Both outputs, cells row by row. No sigmoid: a threshold on logits decides the same and costs the board less."""
    classes, sides = class_count(layers.weights), 4 * (_reg_max(layers.weights) + 1)
    of_classes, of_sides = [], []
    for level, x in enumerate(levels):
        feature = _towers(layers, x, f"head.cls_convs.{level}")
        last = f"head.gfl_cls.{level}"
        shared = f"head.gfl_reg.{level}.weight" not in layers.weights
        outputs = classes + sides if shared else classes
        of_classes.append(layers.pointwise(feature, last, rows=kept, outputs=outputs, name=f"{last}.classes"))
        if shared:
            rows = np.arange(classes, outputs)
            side = layers.pointwise(feature, last, rows=rows, name=f"{last}.distances")
        else:
            feature = _towers(layers, x, f"head.reg_convs.{level}")
            side = layers.pointwise(feature, f"head.gfl_reg.{level}", rows=np.arange(sides), outputs=sides)
        of_sides.append(side)
    for name, parts, width in zip(OWN_OUTPUTS, (of_classes, of_sides), (len(kept), sides), strict=True):
        _rows(layers.graph, name, parts)
        layers.graph.output(name, [1, sum(cells), width])


def _towers(layers: Layers, x: Features, name: str) -> Features:
    for i in range(layers.weights.count(rf"{name}\.(\d+)\.")):
        x = _separable(layers, x, f"{name}.{i}")
    return x


def _rows(graph: Graph, name: str, levels: Sequence[Features]) -> None:
    """Output `name` `[1, cells, channels]` from pictures of the same channels."""
    flat = [
        graph.add("Reshape", [x.name, graph.constant("head.flat.shape", [0, 0, -1], np.int64)], f"{x.name}.flat")
        for x in levels
    ]
    graph.add("Transpose", [graph.add("Concat", flat, f"{name}.columns", axis=2)], name, perm=[0, 2, 1])

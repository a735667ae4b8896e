"""NanoDet-Plus and NanoDet v0.x as ONNX graphs: raw pixels in, class logits and distribution logits out.

Written from the papers "GhostNet", "Path Aggregation Network" and "Generalized Focal Loss", and from the parameter
names of the checkpoints of RangiLyu/nanodet. A backbone is a module: how it is recognised, what it is called, its
layers, and what the published networks on it share that weights do not tell.
"""

from collections.abc import Sequence
from types import ModuleType

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
from export import efficientnet, repvgg, shufflenet
from export.config import KEEPING_RATIO, NOTHING_SAID, Config
from export.graph import Graph
from export.layers import UNCHANGED, Features, Layers, Order, pixels
from export.weights import Weights

SIZE_MULTIPLE = 32
# Hidden channels in sixteens suit the kernels of ONNX Runtime: 1.08, 1.05 and 1.02 times as fast as without padding for
# widths 1.0x, 0.5x and 1.5x (float32, 416x416, one thread of an AMD EPYC with AVX-512, ONNX Runtime 1.31, 21 Nov 2026).
ALIGN = 16
# What training adds and inference does not need: NanoDet-Plus's auxiliary head and pyramid, the bins 0..reg_max, the
# classifier of a backbone that was trained on ImageNet, and the counter of averaged weights.
_IGNORED = (r"^aux_", r"^head\.distribution_project\.", r"^backbone\.(conv5|fc)\.", r"^n_averaged$")
# Of early heads whose classes and distances are one convolution's: what comes of the other is thrown away.
_IGNORED_IN_SHARED = (r"^head\.gfl_reg\.",)
_BACKBONES = (shufflenet, efficientnet, repvgg)


def recognised(weights: Weights) -> str | None:
    """Which kind of NanoDet on a backbone that is known these are, None if neither."""
    if not any(one.recognised(weights) for one in _BACKBONES) or "head.gfl_cls.0.weight" not in weights:
        return None
    if "fpn.reduce_layers.0.conv.weight" in weights:
        return PLUS
    return V0 if "fpn.lateral_convs.0.conv.weight" in weights else None


def architecture(weights: Weights, kind: str) -> str:
    """A readable name, such as "NanoDet-Plus-m 1.0x"; DataError for a backbone of an unknown size."""
    of, title = _backbone(weights), "NanoDet-Plus" if kind == PLUS else "NanoDet"
    return f"{title}{'-m' if of is shufflenet else ''} {of.name(weights)}"


def class_count(weights: Weights) -> int:
    """How many classes the head tells apart."""
    rows = weights.shape("head.gfl_cls.0.weight")[0]
    return rows - 4 * (_reg_max(weights) + 1) if _is_shared(weights) else rows


def _backbone(weights: Weights) -> ModuleType:
    return next(one for one in _BACKBONES if one.recognised(weights))


def _is_shared(weights: Weights) -> bool:
    """Whether one convolution makes classes and distances: there is no second tower."""
    return weights.count(r"head\.reg_convs\.0\.(\d+)\.") == 0


def build(
    weights: Weights,
    kind: str,
    width: int,
    height: int,
    kept: Sequence[int] | None = None,
    align: int = ALIGN,
    config: Config = NOTHING_SAID,
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
    of = _backbone(weights)
    parts = config.activations or of.ACTIVATIONS
    body = Layers(graph, weights, align, parts.backbone, of.EPSILON)
    neck, top = (Layers(graph, weights, align, part) for part in (parts.pyramid, parts.head))
    resize = RESIZE[kind] if config.keep_ratio is None else KEEPING_RATIO if config.keep_ratio else "squash"
    mean, std = config.mean_bgr or of.MEAN_BGR, config.std_bgr or of.STD_BGR
    wanted = ImageInput(OWN_INPUT, width, height, "nhwc-uint8", "bgr", mean, std, resize)
    wanted = adopt.prepared(wanted, overrides)
    image = pixels(graph, OWN_INPUT, [1, height, width, 3], UNCHANGED, wanted.mean)
    features = of.backbone(body, image, wanted.std)
    levels = _ghost_pan(neck, features) if kind == PLUS else _pan(neck, features)
    strides = tuple(STRIDES[PLUS][: len(levels)])
    cells = cell_counts(width, height, strides)
    if weights.count(r"head\.gfl_cls\.(\d+)\.") != len(strides):
        raise DataError(
            f"{weights.file}: a pyramid of {len(strides)} levels and a head of another number (head.gfl_cls)"
        )
    rows = np.arange(class_count(weights)) if kept is None else np.asarray(kept)
    _head(top, levels, cells, rows)
    weights.finish(name, _IGNORED + (_IGNORED_IN_SHARED if _is_shared(weights) else ()))
    head = Head(kind, OWN_OUTPUTS, strides, _reg_max(weights), CELL_OFFSET[kind], "logits")
    return graph.model(name), wanted, head


def assumed(weights: Weights, kind: str) -> str:
    """What has to be taken for granted of weights without a configuration."""
    of, kept = _backbone(weights), "not kept" if RESIZE[kind] == "squash" else "kept"
    parts = of.ACTIVATIONS
    used = parts.head if parts.backbone == parts.head else f"{parts.backbone}, in the head {parts.head}"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (of.MEAN_BGR, of.STD_BGR))
    return (
        f"its weights do not tell activations and preparation; assumed as published: {used}, BGR, mean {mean} and std"
        f" {std}, the aspect ratio {kept}; --config nanodet.yml says otherwise"
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
    shared = _is_shared(layers.weights)
    of_classes, of_sides = [], []
    for level, x in enumerate(levels):
        feature = _towers(layers, x, f"head.cls_convs.{level}")
        last = f"head.gfl_cls.{level}"
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
        if f"{name}.{i}.conv.weight" in layers.weights:
            x = layers.activated(layers.convolution(x, f"{name}.{i}.conv", f"{name}.{i}.bn"))
        else:
            x = _separable(layers, x, f"{name}.{i}")
    return x


def _rows(graph: Graph, name: str, levels: Sequence[Features]) -> None:
    """Output `name` `[1, cells, channels]` from pictures of the same channels."""
    flat = [
        graph.add("Reshape", [x.name, graph.constant("head.flat.shape", [0, 0, -1], np.int64)], f"{x.name}.flat")
        for x in levels
    ]
    graph.add("Transpose", [graph.add("Concat", flat, f"{name}.columns", axis=2)], name, perm=[0, 2, 1])

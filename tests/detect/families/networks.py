"""Small networks in ONNX with the outputs of each detector family, of random weights: every cell sees something else.

Layouts are written from the families' own exporters. `Net` collects nodes; a function a family puts them together.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
STRIDES = (8, 16, 32)
COCO = 80


class Net:
    """Nodes and constants of a graph with one picture input."""

    def __init__(
        self,
        seed: int = 0,
        *,
        size: int = SIZE,
        batch: int | str = 1,
        half: bool = False,
        open_size: bool = False,
        activation: str = "LeakyRelu",
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.size = size
        self.float = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        sides: list[int | str] = ["height", "width"] if open_size else [size, size]
        self.inputs = [helper.make_tensor_value_info("images", self.float, [batch, 3, *sides])]
        self.outputs: list[onnx.ValueInfoProto] = []
        self.batch = batch
        self.features = self._features(activation)

    def add(self, op: str, inputs: Sequence[str], name: str | None = None, **attributes: Any) -> str:
        name = name or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        name = f"c{len(self.constants)}"
        kind = dtype or (np.float16 if self.float == TensorProto.FLOAT16 else np.float32)
        self.constants[name] = np.asarray(value, kind)
        return name

    def conv(self, x: str, channels: int, inputs: int, bias: float = 0.0, spread: float = 1.0) -> str:
        weight = self.random.normal(0, spread / np.sqrt(inputs), (channels, inputs, 1, 1))
        shift = self.random.normal(bias, 0.2 * spread, channels)
        return self.add("Conv", [x, self.constant(weight), self.constant(shift)], kernel_shape=[1, 1])

    def _features(self, activation: str) -> list[str]:
        """A map of 8 channels for each stride: means over cells of a few colours, mixed."""
        x = self.add(activation, [self.conv("images", 8, 3)])
        maps = []
        for stride in STRIDES:
            mean = self.add("AveragePool", [x], kernel_shape=[stride] * 2, strides=[stride] * 2)
            maps.append(self.add(activation, [self.conv(mean, 8, 8, spread=2.0)]))
        return maps

    def joined(self, how: str) -> None:
        """Join each level with the next one resized, by `Concat` or `Add`; by anything else not at all."""
        for level in (1, 0) if how in ("Concat", "Add") else ():
            scales = self.constant([1, 1, 2, 2], np.float32)
            up = self.add("Resize", [self.features[level + 1], "", scales], mode="nearest")
            both = [up, self.features[level]]
            joined = self.add("Concat", both, axis=1) if how == "Concat" else self.add("Add", both)
            self.features[level] = self.conv(joined, 8, 16 if how == "Concat" else 8)

    def flat(self, x: str, channels: int) -> str:
        """`[1, C, h, w]` as `[1, C, cells]`."""
        return self.add("Reshape", [x, self.constant([0, channels, -1], np.int64)])

    def output(self, name: str, shape: Sequence[int | str], dtype: int | None = None) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, dtype or self.float, list(shape)))

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells `[2, N]` and strides `[1, N]` of all levels."""
        cells, strides = [], []
        for stride in STRIDES:
            side = self.size // stride
            y, x = np.mgrid[:side, :side].reshape(2, -1)
            cells.append(np.stack([x, y]))
            strides.append(np.full((1, side * side), stride))
        return np.concatenate(cells, 1), np.concatenate(strides, 1)

    @property
    def cells(self) -> int:
        return sum((self.size // stride) ** 2 for stride in STRIDES)

    def write(self, path: Path, metadata: Mapping[str, str] | None = None, opset: int = 14) -> Path:
        tensors = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "family", self.inputs, self.outputs, tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        helper.set_model_props(model, dict(metadata or {}))
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return path


def nanodet(path: Path, *, how: str = "Concat", classes: int = COCO, reg_max: int = 7, **options: Any) -> Path:
    """One output `[1, N, C + 4 * bins]` of three levels, as RangiLyu/nanodet writes it."""
    net = Net(**options)
    net.joined(how)
    rows = []
    for x in net.features:
        scores = net.flat(net.add("Sigmoid", [net.conv(x, classes, 8, bias=-2.0)]), classes)
        sides = net.flat(net.conv(x, 4 * (reg_max + 1), 8, spread=3.0), 4 * (reg_max + 1))
        rows.append(net.add("Concat", [scores, sides], axis=1))
    net.add("Transpose", [net.add("Concat", rows, axis=2)], "output", perm=[0, 2, 1])
    net.output("output", [net.batch, net.cells, classes + 4 * (reg_max + 1)])
    return net.write(path)


def per_level(path: Path, *, how: str = "Concat", classes: int = COCO, shuffled: bool = False, **options: Any) -> Path:
    """A class output and one of distributions a level, as PicoDet without postprocessing and NanoDet v0.x."""
    net = Net(**options)
    net.joined(how)
    for i, x in enumerate(net.features):
        scores = net.flat(net.add("Sigmoid", [net.conv(x, classes, 8, bias=-2.0)]), classes)
        net.add("Transpose", [scores], f"cls{i}", perm=[0, 2, 1])
        net.add("Transpose", [net.flat(net.conv(x, 32, 8, spread=3.0), 32)], f"reg{i}", perm=[0, 2, 1])
    names = [(f"{kind}{i}", i, width) for kind, width in (("cls", classes), ("reg", 32)) for i in range(3)]
    for name, level, width in names[::-1] if shuffled else names:
        net.output(name, [1, (net.size // STRIDES[level]) ** 2, width])
    return net.write(path)


def yolox(
    path: Path,
    *,
    classes: int = COCO,
    decoded: bool = False,
    sure: bool = False,
    bias: float = -1.0,
    **options: Any,
) -> Path:
    """`[1, N, 5 + C]`: offsets and logarithms in grid units, or `decoded` to pixels; objectness, or ones in its place
    (`sure`, as in YOLOv6); classes, whose logits have a `bias`."""
    net = Net(**options)
    rows = []
    for x in net.features:
        parts = [
            net.conv(x, 4, 8, spread=0.5),
            net.add("Sigmoid", [net.conv(x, 1, 8, bias=bias + 1)]),
            net.add("Sigmoid", [net.conv(x, classes, 8, bias=bias)]),
        ]
        rows.append(net.flat(net.add("Concat", parts, axis=1), 5 + classes))
    table = net.add("Concat", rows, axis=2)
    if decoded:
        cells, _ = net.grid()
        xy = net.add("Mul", [net.add("Add", [_rows(net, table, 0, 2), net.constant(cells[None])]), _strides(net)])
        wh = net.add("Mul", [net.add("Exp", [_rows(net, table, 2, 4)]), _strides(net)])
        objects = net.constant(np.ones((1, 1, net.cells))) if sure else _rows(net, table, 4, 5)
        table = net.add("Concat", [xy, wh, objects, _rows(net, table, 5, 5 + classes)], axis=1)
    net.add("Transpose", [table], "output", perm=[0, 2, 1])
    net.output("output", [net.batch, net.cells, 5 + classes])
    return net.write(path)


def yolov5(path: Path, *, classes: int = COCO, **options: Any) -> Path:
    """`[1, 3 N, 5 + C]` of three anchors: level by level, anchor by anchor, decoded to pixels."""
    net = Net(**options)
    tables = []
    for x, stride in zip(net.features, STRIDES, strict=True):
        side = net.size // stride
        y, x_ = np.mgrid[:side, :side].reshape(2, -1)
        for _ in range(3):
            values = net.add("Sigmoid", [net.flat(net.conv(x, 5 + classes, 8, bias=0.3), 5 + classes)])
            cells = net.constant((np.stack([x_, y]) - 0.5)[None])
            two, size = net.constant(2.0), net.constant(float(stride))
            xy = net.add("Mul", [net.add("Add", [net.add("Mul", [_rows(net, values, 0, 2), two]), cells]), size])
            wh = net.add("Mul", [_rows(net, values, 2, 4), net.constant(4.0 * stride)])
            tables.append(net.add("Concat", [xy, wh, _rows(net, values, 4, 5 + classes)], axis=1))
    net.add("Transpose", [net.add("Concat", tables, axis=2)], "output", perm=[0, 2, 1])
    net.output("output", [1, 3 * net.cells, 5 + classes])
    return net.write(path)


def yolov8(
    path: Path,
    *,
    classes: int = COCO,
    extra: str = "",
    names: Sequence[str] = (),
    task: str = "",
    bias: float = -2.0,
    **options: Any,
) -> Path:
    """`[1, 4 + C, N]`; `bias` of the class logits; `extra` puts an `angle`, `points` or mask coefficients (`mask`)
    behind the classes."""
    net = Net(**options)
    boxes = net.add("Concat", [net.flat(net.conv(x, 4, 8, spread=0.3), 4) for x in net.features], axis=2)
    scores = [net.flat(net.conv(x, classes, 8, bias=bias), classes) for x in net.features]
    cells, _ = net.grid()
    xy = net.add("Mul", [net.add("Add", [_rows(net, boxes, 0, 2), net.constant(cells[None] + 0.5)]), _strides(net)])
    wh = net.add("Mul", [net.add("Exp", [_rows(net, boxes, 2, 4)]), _strides(net)])
    both = net.add("Concat", [xy, wh], axis=1)
    parts = [both, net.add("Sigmoid", [net.add("Concat", scores, axis=2)])]
    more = {"angle": 1, "points": 51, "mask": 32, "": 0}[extra]
    if more:
        behind = net.add("Concat", [net.flat(net.conv(x, more, 8), more) for x in net.features], axis=2)
        parts.append(net.add("Mul", [net.add("Sigmoid", [behind]), net.constant(0.9)]) if extra == "angle" else behind)
    net.add("Concat", parts, "output0", axis=1)
    net.output("output0", [net.batch, 4 + classes + more, "anchors" if "open_size" in options else net.cells])
    if extra == "mask":
        scales = net.constant([1, 1, 2, 2], np.float32)
        net.add("Resize", [net.conv(net.features[0], more, 8), "", scales], "output1", mode="nearest")
        net.output("output1", [1, more, net.size // 4, net.size // 4])
    metadata = {"names": str(dict(enumerate(names)))} if names else {}
    return net.write(path, metadata | ({"task": task} if task else {}))


def end_to_end(path: Path, *, names: Sequence[str] = (), rows: int = 16, **options: Any) -> Path:
    """`[1, K, 6]`: the best of the cells of the last level, corners in pixels, score, class number."""
    net = Net(**options)
    net.add("Identity", [_list(net, rows, classes=3)], "output0")
    net.output("output0", [1, rows, 6])
    return net.write(path, {"names": str(dict(enumerate(names)))} if names else {})


def _list(net: Net, rows: int, classes: int) -> str:
    """`[1, K, 6]`, best first."""
    x, side = net.features[0], net.size // 8
    y, x_ = np.mgrid[:side, :side].reshape(2, -1) * 8 + 4
    away = net.add("Mul", [net.add("Sigmoid", [net.flat(net.conv(x, 4, 8), 4)]), net.constant(16.0)])
    signs = net.constant(np.array([-1, -1, 1, 1])[None, :, None])
    boxes = net.add("Add", [net.add("Mul", [away, signs]), net.constant(np.stack([x_, y, x_, y])[None])])
    scores = net.add("Sigmoid", [net.flat(net.conv(x, classes, 8), classes)])
    best = net.add("ReduceMax", [scores], axes=[1], keepdims=1)
    label = net.add("Cast", [net.add("ArgMax", [scores], axis=1, keepdims=1)], to=net.float)
    table = net.add("Concat", [boxes, best, label], axis=1)
    flat = net.add("Reshape", [best, net.constant([-1], np.int64)])
    net.nodes.append(helper.make_node("TopK", [flat, net.constant([rows], np.int64)], ["top", "places"]))
    return net.add("Transpose", [net.add("Gather", [table, "places"], axis=2)], perm=[0, 2, 1])


def dfine(path: Path, *, classes: int = COCO, patches: bool = False, size_input: str = "orig_target_sizes") -> Path:
    """`labels`, `boxes`, `scores` of K queries, boxes in the size of the second input; labels by division."""
    net = Net()
    if patches:
        weight, bias = net.constant(np.ones((1, 3, 16, 16))), net.constant([0.0])
        net.nodes.insert(
            0, helper.make_node("Conv", ["images", weight, bias], ["patches"], strides=[16, 16], kernel_shape=[16, 16])
        )
    net.inputs.append(helper.make_tensor_value_info(size_input, TensorProto.INT64, [1, 2]))
    x, rows, cells = net.features[0], 48, (net.size // 8) ** 2
    logits = net.flat(net.conv(x, classes, 8, bias=-1.0), classes)
    by_query = net.add("Transpose", [net.add("Sigmoid", [logits])], perm=[0, 2, 1])
    flat = net.add("Reshape", [by_query, net.constant([1, cells * classes], np.int64)])
    net.nodes.append(helper.make_node("TopK", [flat, net.constant([rows], np.int64)], ["scores", "places"], axis=1))
    count = net.constant(classes, np.int64)
    query = net.add("Div", ["places", count])
    net.add("Sub", ["places", net.add("Mul", [query, count])], "labels")
    shares = net.add("Transpose", [net.add("Sigmoid", [net.flat(net.conv(x, 4, 8), 4)])], perm=[0, 2, 1])
    size = net.add("Cast", [size_input], to=net.float)
    twice = net.add("Unsqueeze", [net.add("Concat", [size, size], axis=1), net.constant([1], np.int64)])
    scaled = net.add("Mul", [_corners(net, shares), twice])
    where = net.add("Unsqueeze", [query, net.constant([-1], np.int64)])
    index = net.add("Expand", [where, net.constant([1, rows, 4], np.int64)])
    net.add("GatherElements", [scaled, index], "boxes", axis=1)
    net.output("labels", [1, rows], TensorProto.INT64)
    net.output("boxes", [1, rows, 4])
    net.output("scores", [1, rows])
    return net.write(path)


def rfdetr(path: Path, *, classes: int = 91, masks: bool = False, probabilities: bool = False) -> Path:
    """`dets` cxcywh in shares and `labels`, logits of each query."""
    net = Net()
    x, queries = net.features[0], (net.size // 8) ** 2
    shares = net.flat(net.add("Sigmoid", [net.conv(x, 4, 8)]), 4)
    net.add("Transpose", [shares], "dets", perm=[0, 2, 1])
    logits = net.flat(net.conv(x, classes, 8, bias=-2.0, spread=2.0), classes)
    net.add("Transpose", [net.add("Sigmoid", [logits]) if probabilities else logits], "labels", perm=[0, 2, 1])
    net.output("dets", [1, queries, 4])
    net.output("labels", [1, queries, classes])
    if masks:
        net.add("Identity", [x], "masks")
        net.output("masks", [1, 8, 8, 8])
    return net.write(path)


def queries(path: Path, *, logits: str = "logits", **options: Any) -> Path:
    """The same under the names of Hugging Face's models, or of the models themselves."""
    model = onnx.load(rfdetr(path, **options))
    names = {"dets": "pred_boxes", "labels": logits}
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in model.graph.output:
        value.name = names.get(value.name, value.name)
    onnx.save(model, path)
    return path


def rtmdet(path: Path, *, cspnext: bool = False) -> Path:
    """`dets` with scores and `labels` behind a non-maximum suppression: as many rows as survive. `cspnext`: behind a
    block as in RTMDet's backbone."""
    net = Net()
    if cspnext:
        x = net.features[0]
        weight, bias = net.constant(net.random.normal(0, 0.1, (8, 1, 5, 5))), net.constant(np.zeros(8))
        wide = net.add("Conv", [x, weight, bias], kernel_shape=[5, 5], group=8, pads=[2, 2, 2, 2])
        silu = net.add("Mul", [wide, net.add("Sigmoid", [wide])])
        gate = net.add("HardSigmoid", [net.conv(net.add("GlobalAveragePool", [silu]), 8, 8)])
        net.features[0] = net.add("Add", [x, net.add("Mul", [silu, gate])])
    table = _list(net, 32, classes=3)
    boxes, score = net.add("Slice", [table, *_range(net, 0, 4, 2)]), net.add("Slice", [table, *_range(net, 4, 5, 2)])
    by_class = net.add("Transpose", [score], perm=[0, 2, 1])
    limits = [net.constant([100], np.int64), net.constant([0.3], np.float32), net.constant([0.5], np.float32)]
    picked = net.add("NonMaxSuppression", [boxes, by_class, *limits])
    rows = net.add("Reshape", [net.add("Slice", [picked, *_range(net, 2, 3, 1)]), net.constant([-1], np.int64)])
    net.add("Gather", [net.add("Slice", [table, *_range(net, 0, 5, 2)]), rows], "dets", axis=1)
    label = net.add("Gather", [net.add("Slice", [table, *_range(net, 5, 6, 2)]), rows], axis=1)
    flat = net.add("Reshape", [label, net.constant([1, -1], np.int64)])
    net.add("Cast", [flat], "labels", to=TensorProto.INT64)
    net.output("dets", [1, "found", 5])
    net.output("labels", [1, "found"], TensorProto.INT64)
    return net.write(path)


def yolo_nms(path: Path, *, together: bool = True) -> Path:
    """Lists as YOLOv7 writes them, number in the batch, corners, class and score `together`, or as YOLOv6 does."""
    net = Net()
    table = _list(net, 16, classes=3)
    if together:
        batch = net.constant(np.zeros((1, 16, 1)))
        ordered = net.add("Gather", [table, net.constant([0, 1, 2, 3, 5, 4], np.int64)], axis=2)
        rows = net.add("Concat", [batch, ordered], axis=2)
        net.add("Reshape", [rows, net.constant([16, 7], np.int64)], "output")
        net.output("output", [16, 7])
        return net.write(path)
    net.add("Slice", [table, *_range(net, 0, 4, 2)], "det_boxes")
    for name, column in (("det_scores", 4), ("classes", 5)):
        part = net.add("Slice", [table, *_range(net, column, column + 1, 2)])
        net.add("Reshape", [part, net.constant([1, -1], np.int64)], name)
    net.add("Cast", ["classes"], "det_classes", to=TensorProto.INT64)
    net.add("Identity", [net.constant([[16]], np.int64)], "num_dets")
    net.output("num_dets", [1, 1], TensorProto.INT64)
    net.output("det_boxes", [1, 16, 4])
    net.output("det_scores", [1, 16])
    net.output("det_classes", [1, 16], TensorProto.INT64)
    return net.write(path)


def ssd(path: Path) -> Path:
    """TensorFlow's names: shares of the picture, y first; raw pixels in."""
    net = Net()
    net.inputs[0] = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, net.size, net.size, 3])
    small = helper.make_node("Mul", ["cast", net.constant(1 / 255)], ["small"])
    planes = helper.make_node("Transpose", ["small"], ["images"], perm=[0, 3, 1, 2])
    net.nodes[:0] = [helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT), small, planes]
    table = _list(net, 10, classes=3)
    turned = net.add("Gather", [table, net.constant([1, 0, 3, 2], np.int64)], axis=2)
    net.add("Div", [turned, net.constant(float(net.size))], "detection_boxes")
    for name, column in (("detection_scores", 4), ("detection_classes", 5)):
        part = net.add("Slice", [table, *_range(net, column, column + 1, 2)])
        net.add("Reshape", [part, net.constant([1, -1], np.int64)], name)
    net.add("Identity", [net.constant([10.0])], "num_detections")
    net.output("num_detections", [1])
    net.output("detection_boxes", [1, 10, 4])
    net.output("detection_scores", [1, 10])
    net.output("detection_classes", [1, 10])
    return net.write(path)


def torchvision(path: Path) -> Path:
    """A picture without a batch in; boxes, labels and scores of as many as survive out."""
    net = Net()
    net.inputs[0] = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [3, net.size, net.size])
    net.nodes.insert(0, helper.make_node("Unsqueeze", ["picture", net.constant([0], np.int64)], ["images"]))
    table = net.add("Reshape", [_list(net, 32, classes=3), net.constant([32, 6], np.int64)])
    scores = net.add("Reshape", [net.add("Slice", [table, *_range(net, 4, 5, 1)]), net.constant([-1], np.int64)])
    kept = net.add("Greater", [scores, net.constant(0.5)])
    rows = net.add("Compress", [table, kept], axis=0)
    net.add("Slice", [rows, *_range(net, 0, 4, 1)], "boxes")
    labels = net.add("Reshape", [net.add("Slice", [rows, *_range(net, 5, 6, 1)]), net.constant([-1], np.int64)])
    net.add("Cast", [labels], "labels", to=TensorProto.INT64)
    net.add("Reshape", [net.add("Slice", [rows, *_range(net, 4, 5, 1)]), net.constant([-1], np.int64)], "scores")
    net.output("boxes", ["found", 4])
    net.output("labels", ["found"], TensorProto.INT64)
    net.output("scores", ["found"])
    return net.write(path)


def _corners(net: Net, boxes: str) -> str:
    middle, size = net.add("Slice", [boxes, *_range(net, 0, 2, 2)]), net.add("Slice", [boxes, *_range(net, 2, 4, 2)])
    half = net.add("Mul", [size, net.constant(0.5)])
    return net.add("Concat", [net.add("Sub", [middle, half]), net.add("Add", [middle, half])], axis=2)


def _rows(net: Net, table: str, low: int, high: int) -> str:
    return net.add("Slice", [table, *_range(net, low, high, 1)])


def _range(net: Net, low: int, high: int, axis: int) -> list[str]:
    return [net.constant([value], np.int64) for value in (low, high, axis)]


def _strides(net: Net) -> str:
    return net.constant(net.grid()[1][None])


Writer = Callable[[Path], Path]

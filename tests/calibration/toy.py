"""A small network with everything that a detector has: depthwise and 1x1 convolutions, Split, Concat, Add, rows out."""

import numpy as np
import onnx
from onnx import TensorProto

from calibration.network import Network
from edge.detect.classes import class_names
from edge.modelpack import Detector, Head, ImageInput, Source
from export.graph import Graph

SIZE = 16
CELLS = SIZE * SIZE


def network(seed: int = 0, *, unlike: float = 1.0) -> Network:
    """uint8 `image` [1, 16, 16, 3] -> `rows` [1, 256, 8]. The ranges of its channels differ by a factor of `unlike`."""
    random = np.random.default_rng(seed)
    graph = Graph()
    channels = np.exp(np.linspace(0, np.log(unlike), 16))

    def conv(x: str, name: str, outputs: int, inputs: int, kernel: int = 1, group: int = 1) -> str:
        weight = random.normal(0, 1 / np.sqrt(inputs * kernel**2), (outputs, inputs, kernel, kernel))
        if outputs == 16:
            weight = weight * channels.reshape(-1, 1, 1, 1)
        named = [
            graph.constant(f"{name}.weight", weight),
            graph.constant(f"{name}.bias", random.normal(0, 0.3, outputs)),
        ]
        pads = [kernel // 2] * 4
        return graph.add("Conv", [x, *named], name, kernel_shape=[kernel] * 2, pads=pads, strides=[1, 1], group=group)

    def leaky(x: str) -> str:
        return graph.add("LeakyRelu", [x], f"{x}.act", alpha=0.1)

    image = graph.input("image", [1, SIZE, SIZE, 3], TensorProto.UINT8)
    x = graph.add("Cast", [image], "float", to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], "planes", perm=[0, 3, 1, 2])
    x = graph.add("Mul", [x, graph.constant("share", 1 / 128)], "scaled")
    x = leaky(conv(x, "first.0", 16, 3, 3))
    a = leaky(conv(conv(leaky(conv(x, "body.0.in", 16, 16)), "body.0.deep", 16, 1, 3, 16), "body.0.out", 16, 16))
    left, right = graph.split(a, [8, 8], ["left", "right"])
    joined = graph.add("Concat", [right, left], "joined", axis=1)
    total = graph.add("Add", [conv(joined, "body.1.in", 16, 16), leaky(conv(x, "body.1.skip", 16, 16))], "total")
    last = conv(leaky(conv(total, "head.0.deep", 16, 1, 3, 16)), "head.0.last", 8, 16)
    flat = graph.add("Reshape", [last, graph.constant("flat", [0, 0, -1], np.int64)], "last.flat")
    graph.add("Transpose", [graph.add("Concat", [flat], "columns", axis=2)], "rows", perm=[0, 2, 1])
    graph.output("rows", [1, CELLS, 8])
    return Network(graph.model("toy"))


def detector(seed: int = 0) -> bytes:
    """A NanoDet-Plus look-alike of random weights for pictures of 64x64, two classes; it sees things everywhere."""
    random = np.random.default_rng(seed)
    graph = Graph()

    def conv(x: str, name: str, outputs: int, inputs: int, kernel: int = 1, stride: int = 1, group: int = 1) -> str:
        weight = random.normal(0, 1.5 / np.sqrt(inputs * kernel**2), (outputs, inputs, kernel, kernel))
        named = [graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.bias", random.normal(0, 1, outputs))]
        shape = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4, "strides": [stride] * 2, "group": group}
        return graph.add("Conv", [x, *named], name, **shape)

    x = graph.add("Cast", [graph.input("image", [1, 64, 64, 3], TensorProto.UINT8)], "float", to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], "planes", perm=[0, 3, 1, 2])
    x = graph.add("Mul", [x, graph.constant("share", 1 / 128)], "scaled")
    x = graph.add("MaxPool", [conv(x, "first.0", 16, 3, 3, 2)], "pool", kernel_shape=[2, 2], strides=[2, 2])
    shape = graph.constant("flat", [0, 0, -1], np.int64)
    rows: dict[str, list[str]] = {"class_logits": [], "distances": []}
    for level in range(4):
        x = conv(x, f"body.{level}.deep", 16, 1, 3, 2, 16)
        x = graph.add("LeakyRelu", [conv(x, f"body.{level}.flat", 16, 16)], f"level{level}", alpha=0.1)
        for name, width in (("class_logits", 2), ("distances", 32)):
            last = conv(x, f"head.{level}.{name}", width, 16)
            rows[name].append(graph.add("Reshape", [last, shape], f"{last}.rows"))
    for name, width in (("class_logits", 2), ("distances", 32)):
        graph.add("Transpose", [graph.add("Concat", rows[name], f"{name}.columns", axis=2)], name, perm=[0, 2, 1])
        graph.output(name, [1, 64 + 16 + 4 + 1, width])
    return graph.model("toy").SerializeToString()


def images(count: int, seed: int = 0) -> list[np.ndarray]:
    """Pictures of noise on gradients."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 150, SIZE)[None, :, None, None] * random.random((count, 1, 1, 3))
    noisy = np.clip(ramp + random.normal(60, 30, (count, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    return [image[None] for image in noisy]


def off(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative error."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def description(content: bytes) -> Detector:
    """What a pack would say of `detector`."""
    (classes, sides) = (v.type.tensor_type.shape.dim[2].dim_value for v in onnx.load_from_string(content).graph.output)
    image = ImageInput("image", 64, 64, "nhwc-uint8", "bgr", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    head = Head("nanodet-plus", ("class_logits", "distances"), (8, 16, 32, 64), sides // 4 - 1, 0.0, "logits")
    return Detector(Source("toy.onnx", "0" * 64, "toy"), image, head, class_names(classes), {})

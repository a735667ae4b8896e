"""What all rebuilt appearance networks have in common: raw BGR crops in, one vector for each out."""

from collections.abc import Sequence

from edge.detect import adopt
from edge.modelpack import ImageInput
from edge.reid.adopt import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, OWN_CROPS, OWN_EMBEDDING
from export.graph import Graph
from export.layers import BGR_OF_RGB, UNCHANGED, Features, picked, pixels
from export.weights import Weights

PUBLISHED_SIZE = (128, 256)  # width and height of a crop, of torchreid and fast-reid


def crops(
    graph: Graph, width: int, height: int, overrides: adopt.Overrides
) -> tuple[Features, Sequence[float], ImageInput]:
    """The input `[N, height, width, 3]` as planes without their mean, the std that they still want division by, and
    what the board must know. Networks were trained on RGB with ImageNet's mean and std unless `overrides` say else."""
    trained = ImageInput(OWN_CROPS, width, height, "nhwc-uint8", "rgb", IMAGENET_MEAN_RGB, IMAGENET_STD_RGB)
    trained = adopt.prepared(trained, overrides)
    wanted = adopt.prepared(trained, adopt.Overrides(colour="bgr"))
    order = BGR_OF_RGB if trained.colour == "rgb" else UNCHANGED
    return pixels(graph, OWN_CROPS, ["batch", height, width, 3], order, wanted.mean), wanted.std, wanted


def vector(graph: Graph, x: Features) -> int:
    """Put out a picture of one pixel as the embedding; its length."""
    graph.add("Flatten", [x.name], OWN_EMBEDDING)
    graph.output(OWN_EMBEDDING, ["batch", len(x.order)])
    return len(x.order)


def connected_vector(graph: Graph, weights: Weights, x: Features) -> int:
    """The same through the fully connected layer `fc.0`, its batch norm `fc.1` and a ReLU, as torchreid has them."""
    weight, bias = weights.layer("fc.0", "fc.1", inputs=x.count, flat=True)
    flat = graph.add("Flatten", [x.name], f"{x.name}.vector")
    columns = graph.constant("fc.0.weight", picked(weight.T, x.order))
    product = graph.add("Gemm", [flat, columns, graph.constant("fc.0.bias", bias)], "fc.0")
    graph.add("Relu", [product], OWN_EMBEDDING)
    graph.output(OWN_EMBEDDING, ["batch", len(weight)])
    return len(weight)

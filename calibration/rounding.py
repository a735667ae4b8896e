"""Weights rounded so that the layer's output changes least, not each weight: GPTQ.

Frantar et al. 2022, "GPTQ", in its form for one layer: columns are rounded one after the other, those with most energy
first, and each one's error is compensated by the columns still to come. That can turn out worse than rounding each
weight to nearest, so every row gets the better of the two. The input statistics are uncentred, X'X, and half of the
positions lie on objects, which fill only a small part of a picture.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from calibration.network import Array, Network, attribute
from calibration.quantize import Family, Rounded, nearest, weight_scales
from calibration.runtime import Feed, Runner, parallel_map

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]

POSITIONS = 300  # per picture and layer
MOST_VALUES = 1200  # that one output sees: the moment of more takes seconds to invert and megabytes to keep
DAMPING = 0.02  # of the mean diagonal
JITTER = 0.02  # of the picture, around an object's centre


def moments(
    network: Network, layers: Sequence[str], inputs: Iterable[Feed], objects: Sequence[Points], seed: int = 0
) -> dict[str, Floats]:
    """X'X of what each layer reads, `[K, K]`, for a depthwise layer `[channels, K, K]`.

    `objects` are the centres of what the float network sees in each input, `[n, 2]` in 0..1; none is fine.
    """
    nodes = {
        node.output[0]: node for node in network.weighted() if node.output[0] in set(layers) and _fits(network, node)
    }
    if not nodes:
        return {}
    reads = {name: network.activations(node)[0] for name, node in nodes.items()}
    runner = Runner(network.showing(dict.fromkeys(reads.values())))

    def of_one(feed: Feed, points: Points) -> dict[str, Floats]:
        values = runner(feed)
        return {name: _moment(network, node, values[reads[name]], points) for name, node in nodes.items()}

    random = np.random.default_rng(seed)
    found: dict[str, Floats] = {}
    for moments in parallel_map(of_one, inputs, (_points(centres, random) for centres in objects)):
        found = {name: found[name] + moment for name, moment in moments.items()} if found else moments
    return found


def rounded(network: Network, statistics: Mapping[str, Floats], family: Family) -> dict[str, Rounded]:
    """The integer weights of every layer; those without statistics are rounded to nearest."""
    found = {}
    for node in network.weighted():
        name, weight = node.output[0], network.weight(node).astype(np.float64)
        scales = weight_scales(weight, family)
        if name not in statistics:
            found[name] = nearest(weight, scales)
            continue
        rows = weight.reshape(len(weight), -1) / scales[:, None]
        moments = statistics[name]
        integers = _best(rows, _damped(moments if moments.ndim == 3 else moments[None])).reshape(weight.shape)
        found[name] = Rounded(integers.astype(np.int8), scales)
    return found


def _fits(network: Network, node: NodeProto) -> bool:
    """Whether the statistics of a layer can be taken: a matrix, or a convolution of pictures in one group or depthwise
    that sees few enough values. Others are rounded to nearest, which costs the large ones least."""
    weight = network.weight(node)
    if node.op_type == "Gemm":
        return weight.shape[1] <= MOST_VALUES
    one_group = attribute(node, "group", 1) == 1 or network.depthwise(node)
    plain = attribute(node, "dilations", [1, 1]) == [1, 1] and attribute(node, "auto_pad", b"NOTSET") == b"NOTSET"
    return weight.ndim == 4 and one_group and plain and weight[0].size <= MOST_VALUES


def _points(centres: Points, random: np.random.Generator) -> Points:
    """`POSITIONS` places in 0..1, half of them near objects if there are any."""
    spread = random.random((POSITIONS, 2))
    if len(centres):
        half = POSITIONS // 2
        picked = centres[random.integers(0, len(centres), half)]
        spread[:half] = picked + JITTER * random.standard_normal((half, 2))
    return np.clip(spread, 0, 1 - 1e-9)


def _moment(network: Network, node: NodeProto, values: Array, points: Points) -> Floats:
    if values.ndim == 2:  # a matrix product: [channels, cells] or [n, channels]
        columns = values.T if attribute(node, "transA", 0) else values
        picked = columns[(points[:, 1] * len(columns)).astype(int)].astype(np.float64)
        return picked.T @ picked
    patches = _patches(node, network.weights[node.input[1]].shape[2:], values, points)
    if network.depthwise(node):
        by_channel = patches.transpose(1, 0, 2)
        return np.asarray(by_channel.transpose(0, 2, 1) @ by_channel)
    flat = patches.reshape(len(patches), -1)
    return np.asarray(flat.T @ flat)


def _patches(node: NodeProto, kernel: Sequence[int], values: Array, points: Points) -> Floats:
    """What the kernel sees at `points` of a map `[1, C, H, W]`: `[points, C, kernel]`."""
    height, width = kernel
    stride = attribute(node, "strides", [1, 1])
    pads = attribute(node, "pads", [0] * 4)
    padded = np.pad(values[0], ((0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    down = (padded.shape[1] - height) // stride[0] + 1
    across = (padded.shape[2] - width) // stride[1] + 1
    tops = (points[:, 1] * down).astype(int) * stride[0]
    lefts = (points[:, 0] * across).astype(int) * stride[1]
    y = tops[:, None] + np.repeat(np.arange(height), width)
    x = lefts[:, None] + np.tile(np.arange(width), height)
    return padded[:, y, x].transpose(1, 0, 2).astype(np.float64)


def _damped(moment: Floats) -> Floats:
    size = moment.shape[-1]
    mean = np.trace(moment, axis1=-2, axis2=-1)[..., None, None] / size
    return moment + (DAMPING * mean + 1e-12) * np.eye(size)


def _best(rows: Floats, moments: Floats) -> Floats:
    """`rows` `[R, K]` on integers: compensated or nearest, whichever has the smaller error."""
    compensated, nearest = _compensated(rows, moments), np.clip(np.rint(rows), -127, 127)
    better = _energy(compensated - rows, moments) < _energy(nearest - rows, moments)
    return np.where(better[:, None], compensated, nearest)


def _energy(errors: Floats, moments: Floats) -> Floats:
    """Mean square change of each row's output that `errors` `[R, K]` of its weights make, but for a factor: `[R]`."""
    return np.einsum("ri,rij,rj->r", errors, np.broadcast_to(moments, (len(errors), *moments.shape[1:])), errors)


def _compensated(rows: Floats, moments: Floats) -> Floats:
    """`rows` `[R, K]` on integers, their error as `moments` weigh it kept small; one moment for all, or one a row."""
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), axis=1, kind="stable")
    ordered = np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None, :], 2)
    upper = np.linalg.cholesky(np.linalg.inv(ordered)).transpose(0, 2, 1)
    left = np.take_along_axis(rows, order, 1)
    integers = np.empty_like(left)
    for k in range(left.shape[1]):
        integers[:, k] = np.clip(np.rint(left[:, k]), -127, 127)
        error = (left[:, k] - integers[:, k]) / upper[:, k, k]
        left[:, k + 1 :] -= error[:, None] * upper[:, k, k + 1 :]
    result = np.empty_like(integers)
    np.put_along_axis(result, order, integers, 1)
    return result

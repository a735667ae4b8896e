"""What flows through a float network: extremes of each channel, then histograms; one input in memory at a time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from calibration.network import Network, attribute
from calibration.ranges import Histogram
from calibration.runtime import Feed, Runner

Floats = npt.NDArray[np.float32]


class Extremes(NamedTuple):
    """Smallest and largest value of each channel of a tensor, `[inputs, channels]` each."""

    lows: Floats
    highs: Floats


def float_tensors(network: Network, example: Feed) -> list[str]:
    """The tensors that nodes of `network` compute in float32."""
    names = [name for node in network.nodes for name in node.output if name]
    found = Runner(network.showing(names))(example)
    return [name for name in names if found[name].dtype == np.float32]


def extremes(network: Network, tensors: Sequence[str], inputs: Iterable[Feed]) -> dict[str, Extremes]:
    """The extremes of every one of `tensors` over `inputs`; channels are axis 1 of a map, else all is one channel."""
    rows: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in tensors}
    for found in Runner(network.showing(tensors)).each(inputs):
        for name, values in found.items():
            by_channel = values.reshape(*values.shape[:2], -1) if values.ndim == 4 else values.reshape(1, 1, -1)
            rows[name].append((by_channel.min((0, 2)), by_channel.max((0, 2))))
    return {name: Extremes(*map(np.stack, zip(*pairs, strict=True))) for name, pairs in rows.items()}


def histograms(
    network: Network, limits: Mapping[str, tuple[float, float]], inputs: Iterable[Feed]
) -> dict[str, Histogram]:
    """Histograms of the tensors in `limits`, between these limits."""
    found = {name: Histogram.empty(low, high, negative_slope(network, name)) for name, (low, high) in limits.items()}
    for values in Runner(network.showing(limits)).each(inputs):
        for name, histogram in found.items():
            histogram.add(values[name])
    return found


def negative_slope(network: Network, tensor: str) -> float:
    """What negative values of `tensor` are multiplied by before they matter: that of a (leaky) ReLU that alone reads
    it, perhaps behind a max-pool; 1 without one."""
    readers = network.readers(tensor)
    while len(readers) == 1 and readers[0].op_type == "MaxPool":
        readers = network.readers(readers[0].output[0])
    if len(readers) != 1 or tensor in network.outputs:
        return 1.0
    if readers[0].op_type == "Relu":
        return 0.0
    return float(attribute(readers[0], "alpha", 0.01)) if readers[0].op_type == "LeakyRelu" else 1.0

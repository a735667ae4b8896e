"""What flows through a float network: extremes of each channel, then histograms; one input in memory at a time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from calibration.network import Array, Network, attribute
from calibration.ranges import ChannelHistograms
from calibration.runtime import Feed, Runner, parallel_map

Floats = npt.NDArray[np.float32]


class Extremes(NamedTuple):
    """Smallest and largest value of each channel of a tensor, `[inputs, channels]` each."""

    lows: Floats
    highs: Floats


def float_tensors(network: Network, example: Feed) -> list[str]:
    """The tensors that nodes of `network` compute in float32."""
    names = [name for node in network.nodes for name in node.output if name]
    found = Runner(network.showing(names))(example)
    return [name for name in names if found[name].dtype == np.float32 and found[name].size]


def extremes(network: Network, tensors: Sequence[str], inputs: Iterable[Feed]) -> dict[str, Extremes]:
    """The extremes of every one of `tensors` over `inputs`; channels are axis 1 of a map, else all is one channel."""
    if not tensors:
        return {}
    runner = Runner(network.showing(tensors))

    def of_one(feed: Feed) -> dict[str, tuple[Floats, Floats]]:
        channels = {name: _by_channel(values) for name, values in runner(feed).items()}
        return {name: (values.min(1), values.max(1)) for name, values in channels.items()}

    found = list(parallel_map(of_one, inputs))
    return {name: Extremes(*map(np.stack, zip(*(row[name] for row in found), strict=True))) for name in tensors}


def histograms(
    network: Network, limits: Mapping[str, Extremes], inputs: Iterable[Feed]
) -> dict[str, ChannelHistograms]:
    """Histograms of the channels of every tensor in `limits`, between the extremes that these say, over `inputs`."""
    found = {
        name: ChannelHistograms.empty(seen.lows.min(0), seen.highs.max(0), negative_slope(network, name))
        for name, seen in limits.items()
    }
    for values in Runner(network.showing(limits)).each(inputs) if limits else ():
        for name, histogram in found.items():
            histogram.add(_by_channel(values[name]))
    return found


def _by_channel(values: Array) -> Floats:
    """`values` as `[channels, N]`; what is no map is one channel."""
    return np.moveaxis(values, 1, 0).reshape(values.shape[1], -1) if values.ndim == 4 else values.reshape(1, -1)


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

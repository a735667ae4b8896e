"""Which layers to leave in float, ranked by the error that each saves for the time it costs.

Time is modelled, not measured, so that the same input gives the same pack on a busy machine and on an idle one. The
model gives the order of magnitude on one x86-64 core with VNNI; a ranking needs no more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from calibration import placement
from calibration.gate import Judge
from calibration.network import Network
from calibration.runtime import Feed, Runner, parallel_map
from calibration.search import Quantized

# Nanoseconds on one core of an AMD EPYC (AVX512-VNNI), ONNX Runtime 1.31, NanoDet-Plus-m 416 (2026-11-20): dense
# convolutions run 43 GMAC/s in float and 150 in int8; depthwise ones take as long in both, but then the activation is
# free in float and a table lookup of .27 in int8; a border of integer and float is a pass over the values.
_FLOAT_MAC_NS, _INTEGER_MAC_NS = 1 / 43, 1 / 150
_DEPTHWISE_NS, _LOOKUP_NS, _BORDER_NS = 0.7, 0.27, 0.45
MOST_UNITS = 32  # each is measured
LEAST_GAIN = 0.02  # of the error; less may be noise


@dataclass(frozen=True)
class Unit:
    """Layers that go to float together: the time this costs, in microseconds and as a share of the whole network's,
    the error that is left, the error saved, and that as a share."""

    name: str
    layers: tuple[str, ...]
    cost_us: float
    cost_share: float
    error: float
    gain: float
    gain_share: float

    @property
    def worth(self) -> float:
        """Error saved for each microsecond; what costs nothing is worth most."""
        return self.gain / max(self.cost_us, 1.0)


def units(network: Network, floats: Sequence[str]) -> dict[str, list[str]]:
    """Layers that can be integer by block: the name up to its first number, as `backbone.stage2.0`, `head.cls_convs.1`.

    A model whose layers have no such names is taken in pieces of as many layers each, in the order of execution.
    """
    found: dict[str, list[str]] = {}
    for name in placement.candidates(network):
        if name not in floats:
            match = re.match(r"(?:[A-Za-z]\w*\.)+?\d+(?=\.)", name)
            found.setdefault(match[0] if match else name, []).append(name)
    if len(found) <= MOST_UNITS:
        return found
    pieces = np.array_split(np.array(list(found), object), MOST_UNITS)
    return {f"{piece[0]} to {piece[-1]}": [layer for name in piece for layer in found[name]] for piece in pieces}


def ranked(calibrated: Quantized, judge: Judge, floats: Sequence[str], example: Feed) -> list[Unit]:
    """The units of a calibrated network, the most worthwhile first, measured one by one with all others integer."""
    network = calibrated.network
    base = judge.error(calibrated.run(floats))
    sizes = _sizes(network, example)
    total = sum(_integer_ns(network, node, sizes) for node in network.weighted())

    def measured(name: str, layers: Sequence[str]) -> Unit:
        error = judge.error(calibrated.run([*floats, *layers]))
        cost = _cost_ns(network, set(layers), sizes)
        gain = base - error
        return Unit(name, tuple(layers), cost / 1000, cost / total, error, gain, gain / max(base, 1e-12))

    found = parallel_map(measured, *zip(*units(network, floats).items(), strict=True))
    return sorted(found, key=lambda unit: (-unit.worth, unit.name))


def paying(ranking: Sequence[Unit]) -> list[Unit]:
    """Those that save a larger share of the error than they cost of the time, and more than measurement noise.

    Each was measured alone, but what one saves the next cannot: a share counts of what those taken before have left.
    """
    taken, left = [], 1.0
    for unit in ranking:
        if unit.gain_share * left > max(unit.cost_share, LEAST_GAIN):
            taken.append(unit)
            left *= 1 - min(unit.gain_share, 1.0)
    return taken


def _sizes(network: Network, example: Feed) -> dict[str, int]:
    names = {name for node in network.weighted() for name in (*network.activations(node), *node.output)}
    return {name: values.size for name, values in Runner(network.showing(sorted(names)))(example).items()}


def _macs(network: Network, node: NodeProto, sizes: Mapping[str, int]) -> float:
    return sizes[node.output[0]] * float(np.prod(network.weight(node).shape[1:]))


def _integer_ns(network: Network, node: NodeProto, sizes: Mapping[str, int]) -> float:
    """What a layer and its activation take in integers."""
    size = sizes[node.output[0]]
    own = size * _DEPTHWISE_NS if network.depthwise(node) else _macs(network, node, sizes) * _INTEGER_MAC_NS
    return own + size * _LOOKUP_NS


def _cost_ns(network: Network, layers: set[str], sizes: Mapping[str, int]) -> float:
    """What these layers take longer in float, with the borders of integer and float that they add."""
    total = 0.0
    for node in network.weighted():
        name, (read,) = node.output[0], network.activations(node)
        if name not in layers:
            continue
        dense = 0.0 if network.depthwise(node) else _macs(network, node, sizes)
        total += dense * (_FLOAT_MAC_NS - _INTEGER_MAC_NS) - sizes[name] * _LOOKUP_NS
        total += _BORDER_NS * (sizes[name] / 2 + (sizes[read] if _origin(network, read) not in layers else 0))
    return max(total, 0.0)


def _origin(network: Network, tensor: str) -> str | None:
    """The nearest layer upstream."""
    node = network.maker(tensor)
    while node is not None and node.op_type not in ("Conv", "Gemm"):
        inputs = network.activations(node)
        node = network.maker(inputs[0]) if inputs else None
    return node.output[0] if node is not None else None

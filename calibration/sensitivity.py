"""Which layers to leave in float, ranked by the error that each saves for the time it costs.

Time is modelled, not measured, so that the same input gives the same pack on a busy machine and on an idle one. The
model gives the order of magnitude on one x86-64 core with VNNI; a ranking needs no more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration import placement
from calibration.gate import Judge
from calibration.network import Network
from calibration.recipe import Calibrated
from calibration.runtime import Array, Runner

# Nanoseconds, measured on one core of an AMD EPYC (AVX512-VNNI), ONNX Runtime 1.31, NanoDet-Plus-m 416 (2026-11-20):
# 1x1 convolutions 43 GMAC/s in float and 150 in int8; depthwise outputs are as fast in both, but the activation is free
# in float and a table lookup in int8.
SAVED_PER_MAC_NS = 1 / 43 - 1 / 150
SAVED_PER_OUTPUT_NS = -0.27
REFORMAT_PER_VALUE_NS = 0.45


@dataclass(frozen=True)
class Unit:
    """Layers that go to float together, what that costs, and how much nearer to float the output then is."""

    name: str
    layers: tuple[str, ...]
    cost_us: float
    error: float
    gain: float

    @property
    def worth(self) -> float:
        """Error saved for each microsecond; what costs nothing is worth most."""
        return self.gain / max(self.cost_us, 1.0)


def units(network: Network, floats: Sequence[str]) -> dict[str, list[str]]:
    """Layers that can be integer by block: the name up to its first number, as `backbone.stage2.0`, `head.cls_convs.1`.

    A model whose layers have no such names is taken layer by layer.
    """
    found: dict[str, list[str]] = {}
    for name in placement.candidates(network):
        if name not in floats:
            match = re.match(r"(?:[A-Za-z]\w*\.)+?\d+(?=\.)", name)
            found.setdefault(match[0] if match else name, []).append(name)
    return found


def ranked(calibrated: Calibrated, judge: Judge, floats: Sequence[str], example: Array) -> list[Unit]:
    """The units of a calibrated network, the most worthwhile first, measured one by one with all others integer."""
    network = calibrated.network
    base = judge.error(calibrated.run(floats))
    sizes = _sizes(network, example)
    found = []
    for name, layers in units(network, floats).items():
        error = judge.error(calibrated.run([*floats, *layers]))
        found.append(Unit(name, tuple(layers), _cost_us(network, set(layers), sizes), error, base - error))
    return sorted(found, key=lambda unit: (-unit.worth, unit.name))


def _sizes(network: Network, example: Array) -> dict[str, int]:
    names = {name for node in network.weighted() for name in (*network.activations(node), *node.output)}
    return {name: values.size for name, values in Runner(network.showing(sorted(names)))(example).items()}


def _cost_us(network: Network, layers: set[str], sizes: Mapping[str, int]) -> float:
    """What these layers take longer in float, with a reformat at each border of integer and float."""
    total = 0.0
    for node in network.weighted():
        name, (read,) = node.output[0], network.activations(node)
        if name not in layers:
            continue
        if network.depthwise(node):
            total += sizes[name] * SAVED_PER_OUTPUT_NS
        else:
            total += sizes[name] * float(np.prod(network.weight(node).shape[1:])) * SAVED_PER_MAC_NS
        if _origin(network, read) not in layers:
            total += sizes[read] * REFORMAT_PER_VALUE_NS
        total += sizes[name] * REFORMAT_PER_VALUE_NS / 2
    return max(total, 0.0) / 1000


def _origin(network: Network, tensor: str) -> str | None:
    """The nearest layer upstream."""
    node = network.maker(tensor)
    while node is not None and node.op_type not in ("Conv", "Gemm"):
        inputs = network.activations(node)
        node = network.maker(inputs[0]) if inputs else None
    return node.output[0] if node is not None else None

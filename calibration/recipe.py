"""From a float network to an integer one, step by step; every choice between alternatives is made by measured error.

1. Extremes of all channels on the calibration inputs; equalisation of several strengths, the best kept.
2. Histograms of the equalised network; GPTQ-rounded weights.
3. How ranges are chosen: of several methods, for the trunk and for the last stretches, the best kept.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calibration import activations, equalise, placement, quantize, ranges, rounding
from calibration.activations import Extremes
from calibration.equalise import Strength
from calibration.gate import Judge
from calibration.network import Network
from calibration.placement import Placement
from calibration.quantize import Family, Rounded
from calibration.ranges import Histogram, Method, Range
from calibration.rounding import Points
from calibration.runtime import Array, Runner

# Inputs for: ranges, GPTQ's moments, and the comparison of alternatives.
FOR_RANGES, FOR_MOMENTS, FOR_CHOICES = 48, 24, 24
FOR_STRENGTHS = 12  # histograms of a strength that is only compared

# Found on NanoDet-Plus-m 416: a weight of the negative side of 1/3 and a share of .4 is the best for all tensors at
# once, the others are best for some stages.
CPU_STRENGTHS = (Strength(1 / 3, 0.4), Strength(1 / 1.5, 0.6), Strength(1 / 2, 0.5), Strength(0.0, 0.5))
# TensorRT's grids lie behind the activation, so only what it leaves of the negative side counts.
TENSORRT_STRENGTHS = (Strength(0.0, 0.5),)


@dataclass(frozen=True)
class Choice:
    """Methods for the ranges of the trunk and of the last, unbranched stretches, whose few large values are results."""

    trunk: Method
    tails: Method

    def __str__(self) -> str:
        return self.trunk if self.trunk == self.tails else f"{self.trunk}, tails {self.tails}"


CHOICES = (
    Choice("l3", "max"),
    Choice("l3", "l3"),
    Choice("l2", "max"),
    Choice("percentile", "percentile"),
    Choice("entropy", "max"),
    Choice("max", "max"),
)


@dataclass(frozen=True)
class Subject:
    """A float network with what it is calibrated on: `inputs`, and the `objects` that it sees in each of them."""

    network: Network
    inputs: Sequence[Array]
    objects: Sequence[Points]
    tuning: Judge


@dataclass(frozen=True)
class Target:
    """A family of runtimes: where it wants its integers, and which equalisations to try."""

    family: Family
    place: Callable[[Network, Collection[str]], Placement]
    strengths: Sequence[Strength]


CPU = Target(quantize.CPU, placement.for_cpu, CPU_STRENGTHS)
TENSORRT = Target(quantize.TENSORRT, placement.for_tensorrt, TENSORRT_STRENGTHS)


@dataclass(frozen=True)
class Calibrated:
    """A network ready to be written with any set of float layers."""

    target: Target
    network: Network
    histograms: Mapping[str, Histogram]
    weights: Mapping[str, Rounded]
    tails: frozenset[str]
    choice: Choice
    strength: Strength | None
    tried: Mapping[str, float]

    def ranges(self, floats: Collection[str] = ()) -> dict[str, Range]:
        """The range of every tensor that has a grid when the layers `floats` are left in float."""
        placed = self.target.place(self.network, floats)
        members: dict[str, list[str]] = {}
        for name, root in placement.grids(self.network, placed.gridded).items():
            members.setdefault(root, []).append(name)
        found = {}
        for names in members.values():
            method = self.choice.tails if self.tails.issuperset(names) else self.choice.trunk
            histogram = ranges.merged(self.histograms[name] for name in names)
            covered = ranges.choose(histogram, method, symmetric=self.target.family.symmetric)
            found.update(dict.fromkeys(names, covered))
        return found

    def content(self, floats: Collection[str] = ()) -> bytes:
        """The ONNX file with the layers `floats` left in float."""
        placed = self.target.place(self.network, floats)
        grids = {name: quantize.grid(covered, self.target.family) for name, covered in self.ranges(floats).items()}
        model = quantize.quantized(self.network, placed, grids, self.weights, self.target.family)
        return bytes(model.SerializeToString(deterministic=True))

    def run(self, floats: Collection[str] = (), *, exact: bool = False) -> Runner:
        """The network on ONNX Runtime; `exact` computes every Q/DQ pair as it stands."""
        return Runner(self.content(floats), exact=exact)


def calibrate(
    subject: Subject,
    target: Target,
    floats: Collection[str],
    seen: Mapping[str, Extremes],
    progress: Callable[[str], None],
) -> Calibrated:
    """`subject` calibrated for `target`. `seen` are the float network's extremes on its inputs; alternatives are
    compared with the layers `floats` in float, nearest rounding first, GPTQ for the final comparison of methods."""
    tried: dict[str, float] = {}
    best: Calibrated | None = None
    for strength in (None, *target.strengths):
        progress(f"equalisation {strength or 'none'}")
        candidate = _started(subject, target, seen, strength, FOR_STRENGTHS)
        error = tried[f"equalisation {strength or 'none'}"] = subject.tuning.error(candidate.run(floats))
        if best is None or error < tried[f"equalisation {best.strength or 'none'}"]:
            best = candidate
        if equalise.shared_weights(subject.network):
            break
    final = _started(subject, target, seen, best.strength if best else None, FOR_RANGES)
    progress("rounding")
    layers = [name for name in placement.candidates(final.network) if name not in floats]
    moments = rounding.moments(final.network, layers, subject.inputs[:FOR_MOMENTS], subject.objects)
    final = replace(final, weights=rounding.rounded(final.network, moments, target.family))
    for choice in CHOICES:
        progress(f"ranges by {choice}")
        tried[f"ranges {choice}"] = subject.tuning.error(replace(final, choice=choice).run(floats))
    chosen = min(CHOICES, key=lambda choice: tried[f"ranges {choice}"])
    return replace(final, choice=chosen, tried=tried)


def extremes(subject: Subject) -> dict[str, Extremes]:
    """The extremes of every float tensor of a network on its inputs."""
    names = activations.float_tensors(subject.network, subject.inputs[0])
    return activations.extremes(subject.network, names, subject.inputs[:FOR_RANGES])


def _started(
    subject: Subject, target: Target, seen: Mapping[str, Extremes], strength: Strength | None, count: int
) -> Calibrated:
    """Equalised with `strength`, histograms of `count` inputs, weights rounded to nearest."""
    network, limits = subject.network, {name: _limits(found, 1.0) for name, found in seen.items()}
    if strength is not None:
        channels = equalise.Channels(network)
        divisors = equalise.factors(network, channels, seen, equalise.same_everywhere(channels, strength))
        network = equalise.equalised(network, channels, divisors)
        for name, found in seen.items():
            if name in channels.of and found.lows.shape[1] == len(channels.of[name]):
                limits[name] = _limits(found, divisors[channels.of[name]])
    gridded = target.place(network, ()).gridded
    histograms = activations.histograms(network, {n: limits[n] for n in gridded if n in limits}, subject.inputs[:count])
    return Calibrated(
        target,
        network,
        histograms,
        rounding.rounded(network, {}, target.family),
        frozenset(placement.tails(network)),
        CHOICES[0],
        strength,
        {},
    )


def _limits(found: Extremes, divisors: npt.NDArray[np.float64] | float) -> tuple[float, float]:
    return float(np.min(found.lows / divisors)), float(np.max(found.highs / divisors))

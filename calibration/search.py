"""The search for the best integer form of a network: every choice between alternatives is made by measured error.

1. Extremes and histograms of all channels on the calibration inputs.
2. Equalisation of several strengths, the best kept, first everywhere the same and then for each of a few sections of
   the network; GPTQ-rounded weights.
3. How ranges are chosen: of several methods, for the trunk and for the output branches, the best kept.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from calibration import activations, equalise, placement, quantize, ranges, rounding
from calibration.activations import Extremes
from calibration.equalise import Strength
from calibration.gate import Judge
from calibration.network import Network
from calibration.placement import Placement
from calibration.quantize import Family, Rounded
from calibration.ranges import ChannelHistograms, Histogram, Method, Range
from calibration.rounding import Points
from calibration.runtime import Feed, Runner, parallel_map

# Inputs for: ranges, GPTQ's moments, and the comparison of alternatives.
FOR_RANGES, FOR_MOMENTS, FOR_COMPARISON = 48, 24, 24

# Found on NanoDet-Plus-m 416: a weight of the negative side of 1/3 and a share of .4 is the best for all tensors at
# once; for some sections of the network another is better, by up to a tenth of the error.
CPU_STRENGTHS = (Strength(1 / 3, 0.4), Strength(1 / 2, 0.5), Strength(1 / 1.5, 0.6))
SECTIONS = 5
# TensorRT's grids lie behind the activation, so only what it leaves of the negative side counts.
TENSORRT_STRENGTHS = (Strength(0.0, 0.5),)


Strengths = tuple[Strength | None, ...]  # of each section; none: left as it is


@dataclass(frozen=True)
class RangeMethods:
    """How ranges are chosen in the trunk, and in the output branches, whose few large values are results."""

    trunk: Method
    outputs: Method

    def __str__(self) -> str:
        return self.trunk if self.trunk == self.outputs else f"{self.trunk}, output branches {self.outputs}"


RANGE_METHODS = (
    RangeMethods("l3", "max"),
    RangeMethods("l3", "l3"),
    RangeMethods("l2", "max"),
    RangeMethods("percentile", "percentile"),
    RangeMethods("entropy", "max"),
    RangeMethods("max", "max"),
)


@dataclass(frozen=True)
class Subject:
    """A float network with what it is calibrated on: `inputs`, and the `objects` that it sees in each of them."""

    network: Network
    inputs: Sequence[Feed]
    objects: Sequence[Points]
    tuning: Judge


class Observed(NamedTuple):
    """What flows through a float network: extremes of its tensors, and histograms of those that may get a grid."""

    extremes: Mapping[str, Extremes]
    histograms: Mapping[str, ChannelHistograms]


@dataclass(frozen=True)
class Target:
    """A family of runtimes: where it wants its integers, and which equalisations to try."""

    family: Family
    place: Callable[[Network, Collection[str]], Placement]
    strengths: Sequence[Strength]


CPU = Target(quantize.CPU, placement.for_cpu, CPU_STRENGTHS)
TENSORRT = Target(quantize.TENSORRT, placement.for_tensorrt, TENSORRT_STRENGTHS)


class GridRanges:
    """The ranges of tensors and of groups of tensors that share a grid, each chosen once: that takes milliseconds, and
    the many variants that a search compares have most of them in common. Threads may share it."""

    def __init__(self, histograms: Mapping[str, Histogram], *, symmetric: bool):
        self.histograms = histograms
        self._symmetric = symmetric
        self._found: dict[tuple[tuple[str, ...], Method], Range] = {}

    def of(self, tensors: tuple[str, ...], method: Method) -> Range:
        """The range that the common grid of `tensors` gets from `method`."""
        key = tensors, method
        if key not in self._found:  # two threads may both choose it, and find the same
            histogram = ranges.merged(self.histograms[name] for name in tensors)
            self._found[key] = ranges.choose(histogram, method, symmetric=self._symmetric)
        return self._found[key]


@dataclass(frozen=True)
class Quantized:
    """A network ready to be written with any set of float layers."""

    target: Target
    network: Network
    grid_ranges: "GridRanges"
    weights: Mapping[str, Rounded]
    output_branches: frozenset[str]
    methods: RangeMethods
    strengths: Strengths
    tried: Mapping[str, float]

    def ranges(self, floats: Collection[str] = ()) -> dict[str, Range]:
        """The range of every tensor that has a grid when the layers `floats` are left in float."""
        placed = self.target.place(self.network, floats)
        members: dict[str, list[str]] = {}
        for name, root in placement.grids(self.network, placed.gridded).items():
            members.setdefault(root, []).append(name)
        found = {}
        for names in members.values():
            method = self.methods.outputs if self.output_branches.issuperset(names) else self.methods.trunk
            found.update(dict.fromkeys(names, self.grid_ranges.of(tuple(names), method)))
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


def best(
    subject: Subject,
    target: Target,
    floats: Collection[str],
    seen: Observed,
    progress: Callable[[str], None],
) -> Quantized:
    """The best quantization of `subject` for `target` among those tried.

    `seen` is what was observed of it; alternatives are compared with the layers `floats` in float, nearest rounding
    first, GPTQ for the final comparison of range methods. `progress` hears of each of `steps(target)` steps.
    """
    errors: dict[Strengths, float] = {}
    sections = [] if equalise.shared_weights(subject.network) else _sections(subject.network)

    def error(strengths: Strengths) -> float:
        return subject.tuning.error(started(subject, target, seen, sections, strengths).run(floats))

    def best_of(candidates: Sequence[Strengths]) -> Strengths:
        new = [strengths for strengths in dict.fromkeys(candidates) if strengths not in errors]
        errors.update(zip(new, parallel_map(error, new), strict=True))
        return min(candidates, key=errors.__getitem__)

    # Everywhere the same first, then section by section.
    progress("equalisation")
    strengths = best_of([(strength,) * len(sections) for strength in (None, target.strengths[0])])
    for i in range(SECTIONS if len(target.strengths) > 1 else 0):
        progress(f"equalisation of section {i + 1} of {SECTIONS}")
        if i >= len(sections):
            continue
        before, after = strengths[:i], strengths[i + 1 :]
        strengths = best_of([strengths, *((*before, strength, *after) for strength in target.strengths[1:])])
    final = started(subject, target, seen, sections, strengths)
    progress("rounding")
    layers = [name for name in placement.candidates(final.network) if name not in floats]
    moments = rounding.moments(final.network, layers, subject.inputs[:FOR_MOMENTS], subject.objects)
    final = replace(final, weights=rounding.rounded(final.network, moments, target.family))
    progress("ranges")
    judged = parallel_map(
        lambda methods: subject.tuning.error(replace(final, methods=methods).run(floats)), RANGE_METHODS
    )
    by_methods = dict(zip(RANGE_METHODS, judged, strict=True))
    chosen = min(RANGE_METHODS, key=by_methods.__getitem__)
    tried = {f"equalisation {_text(strengths)}": error for strengths, error in errors.items()}
    tried |= {f"ranges {methods}": error for methods, error in by_methods.items()}
    return replace(final, methods=chosen, tried=tried)


def steps(target: Target) -> int:
    """How many steps `best` takes: equalisation, its sections, rounding, ranges."""
    return 3 + (SECTIONS if len(target.strengths) > 1 else 0)


def rough(subject: Subject, target: Target, seen: Observed) -> Quantized:
    """`subject` calibrated quickly, without a search: good enough to see which layers matter."""
    sections = [] if equalise.shared_weights(subject.network) else _sections(subject.network)
    return started(subject, target, seen, sections, (target.strengths[0],) * len(sections))


def observed(subject: Subject, target: Target) -> Observed:
    """What flows through the network of `subject`, where `target` may want a grid."""
    network, inputs = subject.network, subject.inputs[:FOR_RANGES]
    wanted = dict.fromkeys(_source(network, name) for name in target.place(network, ()).gridded)
    needed = wanted.keys() | {node.output[0] for node in network.weighted()}
    computed = [name for name in activations.float_tensors(network, inputs[0]) if name in needed]
    extremes = activations.extremes(network, computed, inputs)
    limits = {name: extremes[name] for name in wanted if name in extremes}
    return Observed(extremes, activations.histograms(network, limits, inputs))


def _sections(network: Network) -> list[list[int]]:
    """The equalisation groups of a network in order of execution, in sections of about as many layers."""
    channels = equalise.Channels(network)
    numbers = channels.groups()
    layers = [node.output[0] for node in network.weighted() if node.output[0] in channels.of]
    groups = [int(numbers[channels.of[name][0]]) for name in layers]
    parts = [part.tolist() for part in np.array_split(np.arange(len(groups)), SECTIONS)]
    taken: set[int] = set()
    sections = []
    for part in parts:
        new = list(dict.fromkeys(groups[i] for i in part if groups[i] not in taken))
        taken.update(new)
        sections.append(new)
    return sections


def _text(strengths: Strengths) -> str:
    """The strengths of the sections in a few words."""
    texts = [str(strength or "none") for strength in strengths]
    return texts[0] if len(set(texts)) == 1 else ", ".join(texts) or "none"


def started(
    subject: Subject, target: Target, seen: Observed, sections: Sequence[Sequence[int]], strengths: Strengths
) -> Quantized:
    """Equalised with the strength of each section, weights rounded to nearest."""
    network, divisors = subject.network, {}
    by_group = {group: s for groups, s in zip(sections, strengths, strict=True) if s for group in groups}
    if by_group:
        channels = equalise.Channels(network)
        factors = equalise.factors(network, channels, seen.extremes, by_group)
        network = equalise.equalised(network, channels, factors)
        divisors = {name: factors[ids] for name, ids in channels.of.items()}
    sources = {name: _source(network, name) for name in target.place(network, ()).gridded}
    histograms = {
        name: seen.histograms[source].together(divisors.get(source, 1.0))
        for name, source in sources.items()
        if source in seen.histograms
    }
    return Quantized(
        target,
        network,
        GridRanges(histograms, symmetric=target.family.symmetric),
        rounding.rounded(network, {}, target.family),
        frozenset(placement.output_branches(network)),
        RANGE_METHODS[0],
        strengths,
        {},
    )


def _source(network: Network, tensor: str) -> str:
    """The tensor that `tensor` is in another shape, in which channels can be told; itself if it was not reshaped."""
    maker = network.maker(tensor)
    return _source(network, maker.input[0]) if maker is not None and maker.op_type == "Reshape" else tensor

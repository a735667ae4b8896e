"""One record for a tracking method: what it is made of and what it can; and the one compiled call that all share.

A method is a compiled `step` between reading the detections and showing the tracks, and a `Method` that describes it.
Whatever else wants to know something of a method asks its record; `edge.track.registry` finds it by its name.
"""

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import UsageError
from edge.kernels.jit import CompileError, entry, given, is_kernel, nothing
from edge.track import parameters
from edge.track.appearance.memory import Memories, Rule
from edge.track.lifecycle import compact, read, show
from edge.track.matching.boxes import Records
from edge.track.motion.prediction import Boxes, predicted_xywh
from edge.track.parameters import Parameters
from edge.track.state import PREVIOUS, TRACK, Work, argument_types, run_dtype


@dataclass(frozen=True)
class Preset:
    """A setting by name: `values` in place of the parameters' defaults.

    `method` is the algorithm where it is another one. With `counts_calls` published code is reproduced, defects
    included: it counts calls and knows no time.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    method: "Method | None" = None
    counts_calls: bool = True


@dataclass(frozen=True, eq=False)
class Method:
    """A tracking method.

    `parameters` is a frozen dataclass of `edge.track.parameters.number` fields. `step(work, frames, similarity,
    inputs)`, a kernel, does everything between reading and showing: it advances the tracks of `work` (see
    `edge.track.state.Work`) by `frames`, matches, updates, starts and removes them, and returns how many candidate
    pairs it met (0 if it does not use `work.pairs`). `show`, a kernel, writes the tracks to show to the output arrays.

    `high` and `low` name the parameters with the scores that bound the pools; without them all detections are high.
    `track_dtype` are its tracks, `run_fields` further fields of its record of settings and counters. `shown_id` is the
    field of a track with the id that is shown, `id_counter` that of the record with which they are counted.
    `predicted_boxes(run, table, frames)` are the tracks' boxes `frames` later.
    With `coasts` tracks may be shown without a detection.

    `memories(rule, parameters)` makes the tracks' appearance memories, without it the method uses no appearance: then
    `similarity` is None, and else what `Memories.compare` gives. `rule` is how a method remembers that goes by
    appearance alone. `inputs` is the compiled type of what else `compare` gives. `appearance_iou` names the parameter
    with the IoU below which appearance changes nothing. With `wants_logit_scale` the embeddings' own scale should be
    its parameter `logit_scale`.

    `keeps_groups_apart`: it never matches tracks and detections of two groups of classes. `is_joint`: it needs the
    offsets of a joint network. `presets` are published settings; "default" is every method's.
    """

    name: str
    parameters: type[Any]
    step: Callable[..., int]
    show: Callable[..., int] = show
    high: str | None = None
    low: str | None = None
    presets: Mapping[str, Preset] = field(default_factory=dict)
    track_dtype: np.dtype[np.void] = TRACK
    run_fields: Sequence[Any] = ()
    shown_id: str = "id"
    id_counter: str = "next_id"
    predicted_boxes: Callable[[Records, Records, float], Boxes] = predicted_xywh
    coasts: bool = False
    memories: Callable[[Rule | None, Any], Memories] | None = None
    rule: Rule | None = None
    inputs: Any = nothing
    appearance_iou: str | None = None
    wants_logit_scale: bool = False
    keeps_groups_apart: bool = False
    is_joint: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for a record whose parts do not fit together."""
        if not dataclasses.is_dataclass(self.parameters) or "track_buffer" not in dir(self.parameters):
            raise UsageError(f"method {self.name}: parameters: expected a dataclass with a `track_buffer`")
        fields = {field.name for field in dataclasses.fields(self.parameters)}
        for part, name in (("high", self.high), ("low", self.low), ("appearance_iou", self.appearance_iou)):
            if name is not None and name not in fields:
                raise UsageError(f"method {self.name}: {part}: expected the name of a parameter, found {name!r}")
        if self.shown_id not in (self.track_dtype.names or ()):
            raise UsageError(f"method {self.name}: shown_id: its tracks have no field {self.shown_id!r}")
        if not is_kernel(self.step):
            raise UsageError(f"method {self.name}: step: expected a function that edge.kernels.jit.kernel decorates")

    @functools.cached_property
    def run_dtype(self) -> np.dtype[np.void]:
        """Of the one record of settings and counters."""
        return run_dtype(self.name, self.parameters, self.run_fields)

    @functools.cached_property
    def frame(self) -> Callable[..., tuple[int, int, int]]:
        """The compiled call for one frame, see `frame`; compiled or read from the cache when it is first asked for.

        Raises UsageError for a step that does not compile, and OutputError as `edge.kernels.jit.entry`.
        """
        similarity = nothing if self.memories is None else given("f4", 2)
        copy = types.FunctionType(frame.__code__, {**globals(), "step": self.step, "show": self.show})
        copy.__qualname__ = self.cache_name
        types_ = argument_types(self.run_dtype, self.track_dtype, similarity, self.inputs)
        try:
            return entry(*types_, source=Path(self.step.__code__.co_filename))(copy)
        except CompileError as error:
            raise UsageError(f"method {self.name}: its step does not compile: {error}") from error

    @property
    def cache_name(self) -> str:
        """What the cache knows the compiled call by; different for every method."""
        return f"{self.step.__module__}.{self.name}"

    @property
    def reenters(self) -> bool:
        """Whether new tracks go on with the identity of one that is gone, where appearance is followed."""
        return issubclass(self.parameters, parameters.ReentryParameters)

    def choose(self, preset: str = "default") -> "Choice":
        """The method with one of its presets. Raises UsageError for another name."""
        presets = {"default": Preset(counts_calls=False)} | dict(self.presets)
        if preset not in presets:
            raise UsageError(f"preset {preset!r} is unknown; {parameters.nearest(preset, presets)}")
        chosen = presets[preset]
        return Choice(self.name, preset, chosen.method or self, chosen.values, not chosen.counts_calls)


@dataclass(frozen=True)
class Choice:
    """`preset` of the method called `name`: its algorithm is `method`, with `values` in place of the defaults.

    `follows_time`: it goes by the time between frames, and not by their number.
    """

    name: str
    preset: str
    method: Method
    values: Mapping[str, float]
    follows_time: bool

    @property
    def keeps_groups_apart(self) -> bool:
        """Whether a tracker can be given groups of classes. What reproduces published code can not."""
        return self.method.keeps_groups_apart and self.follows_time

    @property
    def needs_embeddings(self) -> bool:
        """Whether it goes by appearance alone, unless told otherwise."""
        return self.method.rule is not None

    @property
    def takes_appearance(self) -> bool:
        """Whether appearance can be followed. The published methods that go by motion know none."""
        return self.method.memories is not None and (self.needs_embeddings or self.follows_time)

    @property
    def wants_logit_scale(self) -> bool:
        """Whether the embeddings' own scale should be the parameter `logit_scale`; published settings have theirs."""
        return self.method.wants_logit_scale and self.follows_time

    def build_parameters(self, values: Mapping[str, object]) -> Parameters:
        """The parameters, `values` in place of the preset's. Raises UsageError for a wrong name or value."""
        built: Parameters = parameters.build(self.method.parameters, self.name, {**self.values, **values})
        return built


def step(work: Work, frames: float, similarity: Any, inputs: Any) -> int:
    """Stands in `frame` for the step of a method."""
    raise NotImplementedError


def frame(
    run_record: Records,
    table: Records,
    detections: Records,
    spans: Records,
    pairs: Records,
    nodes: Records,
    clusters: Records,
    boxes: Any,
    scores: Any,
    classes: Any,
    similarity: Any,
    inputs: Any,
    out_ids: Any,
    out_boxes: Any,
    out_scores: Any,
    out_classes: Any,
    out_rows: Any,
    frames: float,
) -> tuple[int, int, int]:
    """One frame: (tracks to show or a negative error of `read`, tracks alive, candidate pairs met).

    This is the code of every method's compiled call: each has a copy in which `step` and `show` are its own. Arrays are
    arguments of their own because a tuple of them takes 5 us longer to enter.
    """
    work = Work(run_record, table, detections, spans, spans[PREVIOUS], pairs, nodes, clusters, len(scores))
    run = run_record[0]
    error = read(run, detections, boxes, scores, classes)
    if error < 0:
        return error, 0, 0
    met = step(work, frames, similarity, inputs)
    compact(run, table)
    shown = show(work, out_ids, out_boxes, out_scores, out_classes, out_rows)
    run["calls"] += 1
    return shown, run["tracks"], met

"""Embeddings where they pay: of all detections, of those whose assignment is in doubt, or of none."""

from dataclasses import dataclass, replace
from time import perf_counter_ns
from typing import Literal, Protocol

import numpy as np

from edge.errors import UsageError
from edge.modelpack import Reid
from edge.track.tracker import Tracker
from edge.types import Detections, Float32s, Image

Policy = Literal["always", "auto", "never"]
POLICIES: tuple[Policy, ...] = ("always", "auto", "never")

_FORGET = 0.9  # weight of what an embedding cost so far, against what it cost in this frame


@dataclass(slots=True)
class Counter:
    """`computed` embeddings, and `saved` ones that `always` would have computed as well."""

    computed: int = 0
    saved: int = 0

    @property
    def share(self) -> float:
        """Of all embeddings that `always` computes, how many were computed: 0..1."""
        return self.computed / max(1, self.computed + self.saved)

    def text(self) -> str:
        """Both in a few words."""
        if not self.computed + self.saved:
            return "no embeddings were needed"
        return f"{self.computed} embeddings computed, {self.saved} saved ({100 * (1 - self.share):.0f} %)"


class Embeds(Protocol):
    """What gives embeddings: an `edge.reid.embedder.Embedder`, or what stands in for it."""

    @property
    def description(self) -> Reid: ...

    def __call__(self, image: Image, boxes_xyxy: Float32s) -> Float32s:
        """One unit vector for each box (float32 `[N, 4]`, pixels of `image`): float32 `[N, E]`."""


class ReidStage:
    """Computes embeddings of detections for `tracker`, which takes over the scale that the network was trained with.

    `budget_ms` is what they may take a frame; the cost of one is measured, and the most urgent come first. Raises
    UsageError where the tracker needs an embedding of every detection and would not get it. `counter` and `embedder`
    are for anyone to read.
    """

    def __init__(self, embedder: Embeds, tracker: Tracker, policy: Policy = "auto", budget_ms: float | None = None):
        if tracker.needs_embeddings and (policy == "never" or budget_ms is not None):
            raise UsageError(
                f"{tracker.method} needs an embedding of every detection; leave out --reid never and --reid-budget-ms"
            )
        tracker.use_logit_scale(embedder.description.logit_scale)
        self.counter = Counter()
        self.embedder = embedder
        self._tracker = tracker
        self._policy = policy
        self._budget_ms = budget_ms
        self._cost_ms: float | None = None

    def __call__(self, image: Image, detections: Detections, time_s: float | None = None) -> Detections:
        """`detections` of `image` with embeddings, in a new object; those not computed are rows of zeros."""
        useful = self._tracker.comparable(detections)
        rows = {"always": useful, "never": useful[:0]}.get(self._policy)
        if rows is None:
            rows = self._tracker.doubtful(detections, time_s)
        rows = rows[: self._room()]
        self.counter.computed += len(rows)
        self.counter.saved += len(useful) - len(rows)
        if not len(rows):
            return detections
        embeddings = np.zeros((len(detections), self.embedder.description.embedding), np.float32)
        before_ns = perf_counter_ns()
        embeddings[rows] = self.embedder(image, detections.boxes_xyxy[rows])
        self._learn_cost((perf_counter_ns() - before_ns) / 1e6 / len(rows))
        return replace(detections, embeddings=embeddings)

    def _room(self) -> int | None:
        """How many embeddings this frame may have, None without a budget; one to begin with, to see what it costs."""
        if self._budget_ms is None:
            return None
        return 1 if self._cost_ms is None else int(self._budget_ms / self._cost_ms)

    def _learn_cost(self, cost_ms: float) -> None:
        self._cost_ms = cost_ms if self._cost_ms is None else _FORGET * self._cost_ms + (1 - _FORGET) * cost_ms

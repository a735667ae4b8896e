"""The chain of a frame, opened from a model: picture, detections, embeddings, tracks."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edge.chain.chain import Chain
from edge.chain.detections import Detecting
from edge.chain.excluded import Polygon
from edge.chain.interval import Every
from edge.chain.need import USUAL_SHARE, Budget
from edge.detect import adopt
from edge.detect.detector import Detector
from edge.detect.joint import JointDetector
from edge.detect.open import open_detector
from edge.errors import UsageError
from edge.infer.backend import BackendName, VariantName
from edge.infer.ladder import Wish
from edge.modelpack import Detector as Description
from edge.modelpack import ModelPack
from edge.reid.embedder import Embedder
from edge.reid.open import open_embedder
from edge.reid.stage import Policy, ReidStage
from edge.spans import Spans
from edge.track import registry
from edge.track.groups import groups_of
from edge.track.tracker import Tracker
from edge.types import Frame, Image, Tracks


class Pipeline(Chain):
    """A chain with a detector and a tracker, and an embedder where the tracker uses appearance.

    `model` is a model pack, its folder, or an ONNX file with a detector that `edge.detect.adopt` understands, helped by
    `overrides` where need be; `known` is what such a file was understood as before. `classes` are the names to follow,
    see `edge.track.groups`, `floor` the lowest score that reaches the tracker (None: the pack's). `backend`,
    `variant`, `require` and `threads` pick how the network runs here, see `edge.infer.ladder.Wish`; with
    `side_by_side` the threads take a frame each, see `edge.chain.overlap`. `method`, `frame_rate`, `preset`,
    `appearance` and `parameters` are `Tracker`'s. Embeddings come from a joint network itself, else from `reid_model`
    (None: the appearance network of `model`); `reid` and `reid_budget_ms` are the policy and the budget of
    `ReidStage`. `detect_every` is the detect interval, see `Chain`; with "auto" `detect_budget` is the share of frames
    to detect on, or a budget that several pipelines share. `excluded` are the polygons of `Chain`. `detector`,
    `embedder` (None without one of its own) and `spans` are for anyone to read.

    Raises NotFoundError, DataError, UsageError or UnavailableError with what is wrong.
    """

    def __init__(
        self,
        model: ModelPack | Path | str,
        *,
        method: str = "nanotrack",
        frame_rate: float = 30.0,
        preset: str = "default",
        appearance: str | None = None,
        reid_model: ModelPack | Path | str | None = None,
        reid: Policy = "auto",
        reid_budget_ms: float | None = None,
        classes: Sequence[str] = ("person",),
        floor: float | None = None,
        backend: BackendName = "auto",
        variant: VariantName = "auto",
        require: str | None = None,
        threads: int = 1,
        side_by_side: bool = False,
        detect_every: Every = 1,
        detect_budget: float | Budget = USUAL_SHARE,
        excluded: Sequence[Polygon] = (),
        overrides: adopt.Overrides = adopt.NONE,
        known: Description | None = None,
        spans: Spans | None = None,
        **parameters: float,
    ):
        self.spans = spans or Spans()
        self._open_detector = partial(
            open_detector,
            model,
            classes=classes,
            floor=floor,
            backend=backend,
            variant=variant,
            require=require,
            threads=threads,
            side_by_side=side_by_side,
            overrides=overrides,
        )
        self.detector = detector = self._open_detector(known=known, spans=self.spans)
        self.workers = _workers(detector, threads) if side_by_side else 0
        require_offsets(method, detector.description)
        groups = groups_of(classes, detector.description.classes, method, preset)
        tracker = Tracker(method, frame_rate, preset, appearance=appearance, class_groups=groups, **parameters)
        self.embedder: Embedder | None = None
        stage = None
        if tracker.appearance is not None and not detector.description.is_joint:
            wish = Wish(backend, variant, require, 1 if self.workers else threads)
            self.embedder = open_embedder(reid_model or model, wish, self.spans)
            stage = ReidStage(self.embedder, tracker, reid, reid_budget_ms)
        self._pictures = 0
        self._others: dict[int, Detector | JointDetector] = {}
        budget = detect_budget if isinstance(detect_budget, Budget) else Budget(detect_budget)
        super().__init__(
            Detecting(detector),
            tracker,
            reid=stage,
            detect_every=detect_every,
            budget=budget,
            excluded=excluded,
            spans=self.spans,
        )

    def __call__(self, frame: Frame | Image) -> Tracks:
        """The tracks to show for `frame`, or for a plain picture, which counts as taken now.

        Give frames where the times are known: those of a recording, or of a camera that is read late. Raises DataError
        for a network that puts out NaN, InputError for a frame that is older than the last and for no picture.
        """
        if isinstance(frame, np.ndarray):
            self._pictures += 1
            frame = Frame(frame, self._pictures, time.monotonic())
        return super().__call__(frame)

    def another_detector(self, number: int) -> Detector | JointDetector:
        """The same detector once more, for another thread, with `number` behind the names of its spans.

        It is opened when that number is first asked for.
        """
        if number not in self._others:
            known = self.detector.description
            self._others[number] = self._open_detector(known=known, spans=self.spans.numbered(number))
        return self._others[number]


def require_offsets(method: str, description: Description) -> None:
    """Raise UsageError for a method that goes by offsets to the previous frame with a detector that gives none."""
    if registry.find(method).is_joint and not description.is_joint:
        raise UsageError(
            f"{method} needs a joint network, which gives offsets to the previous frame; {description.source.file}"
            f" ({description.source.architecture}) gives none: use a pack of a joint network, or another tracking"
            " method"
        )


def _workers(detector: Detector | JointDetector, threads: int) -> int:
    """How many threads detect side by side; 0: none, since a joint network needs the tracks of the frame before.

    A GPU has one queue: one thread keeps it busy, while the main one tracks, draws and writes.
    """
    if detector.description.is_joint:
        return 0
    return 1 if detector.backend.running.on_gpu else threads

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
    """The whole chain, pictures to tracks: a detector, a tracker, and an embedder where the tracker uses appearance.

    - `model`: a model pack, its folder, or an ONNX file with a detector of a known family, with `overrides` for what
      the file does not show. `known` is what such a file was understood as before.
    - `method`, `frame_rate` (frames a second), `preset`, `appearance`, `parameters`: those of `Tracker`.
    - `classes`: the names to track, "a+b" for classes that the detector may confuse. `floor`: the lowest score, 0 to 1,
      of a detection that reaches the tracker (None: the pack's).
    - `backend`, `variant`, `require`, `threads`: how the networks run here, as the flags of `nanotrack track`. With
      `side_by_side` each thread takes a frame of its own, where `edge.chain.overlap` drives the pipeline.
    - `reid_model`: the appearance network, a pack or an ONNX file (None: that of `model`); a joint network gives
      embeddings itself. `reid`: which detections get an embedding, "auto", "always" or "never"; `reid_budget_ms`: the
      most time for that in a frame.
    - `detect_every`: detect on every so many frames and predict on the others; with "auto" `detect_budget` is the share
      of frames to detect on, 0 to 1, or a `Budget` that several pipelines share.
    - `excluded`: polygons, lists of (x, y) in fractions of width and height; detections with their feet in one are
      ignored.

    To be read: `detector`, `tracker`, `embedder` (None without one of its own), `classes` (names by class number),
    `detections` of the last frame, and `spans`, the times of the stages. Raises NotFoundError, DataError, UsageError or
    UnavailableError. One pipeline serves one stream, one thread at a time.
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

        A picture is uint8 `[H, W, 3]`, BGR; grey and BGRA are converted. Give frames where the times are known: those
        of a recording, or of a camera that is read late. Raises InputError for another kind of picture and for a frame
        that is older than the last, DataError for a network that puts out NaN.
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

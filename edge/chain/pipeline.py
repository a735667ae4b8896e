"""The chain of a frame, opened from a model: picture, detections, embeddings, tracks."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edge import modelpack
from edge.chain.chain import Chain
from edge.chain.detections import Detecting
from edge.detect import adopt
from edge.detect.detector import Detector
from edge.detect.families import registry
from edge.detect.joint import JointDetector
from edge.errors import NotFoundError, UsageError
from edge.infer.backend import Backend, BackendName, VariantName
from edge.infer.ladder import Ladder, Wish
from edge.infer.open import open_backend
from edge.modelpack import ModelPack
from edge.reid.open import open_embedder
from edge.reid.stage import Policy, ReidStage
from edge.spans import Spans
from edge.track.groups import groups_of
from edge.track.tracker import Tracker


class Pipeline(Chain):
    """A chain with a detector and a tracker, and an embedder where the tracker uses appearance.

    `model` is a model pack, its folder, or an ONNX file with a detector that `edge.detect.adopt` understands, helped by
    `overrides` where need be. `classes` are the names to follow,
    see `edge.track.groups`, `floor` the lowest score that reaches the tracker (None: the pack's). `backend`,
    `variant`, `require` and `threads` pick how the network runs here, see `edge.infer.ladder.Wish`; with
    `side_by_side` the threads take a frame each, see `edge.chain.overlap`. `method`, `frame_rate`, `preset`,
    `appearance` and `parameters` are `Tracker`'s. Embeddings come from a joint network itself, else from `reid_model`
    (None: the appearance network of `model`); `reid` and `reid_budget_ms` are the policy and the budget of
    `ReidStage`. `detect_every` is the detect interval, see `Chain`. `detector` and `spans` are for anyone to read.

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
        detect_every: int = 1,
        overrides: adopt.Overrides = adopt.NONE,
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
        self.detector = detector = self._open_detector(spans=self.spans)
        self.workers = _workers(detector, threads) if side_by_side else 0
        groups = groups_of(classes, detector.description.classes, method, preset)
        tracker = Tracker(method, frame_rate, preset, appearance=appearance, class_groups=groups, **parameters)
        stage = None
        if tracker.appearance is not None and not detector.description.is_joint:
            wish = Wish(backend, variant, require, 1 if self.workers else threads)
            stage = ReidStage(open_embedder(reid_model or model, wish, self.spans), tracker, reid, reid_budget_ms)
        super().__init__(Detecting(detector), tracker, reid=stage, detect_every=detect_every, spans=self.spans)

    def another_detector(self, number: int) -> Detector | JointDetector:
        """The same detector once more, for another thread, with `number` behind the names of its spans."""
        return self._open_detector(spans=self.spans.beside(number))


def _workers(detector: Detector | JointDetector, threads: int) -> int:
    """How many threads detect side by side; 0: none, since a joint network needs the tracks of the frame before.

    A GPU has one queue: one thread keeps it busy, while the main one tracks, draws and writes.
    """
    if detector.description.is_joint:
        return 0
    return 1 if detector.backend.running.on_gpu else threads


def open_detector(
    model: ModelPack | Path | str,
    *,
    classes: Sequence[str] = ("person",),
    floor: float | None = None,
    backend: BackendName = "auto",
    variant: VariantName = "auto",
    require: str | None = None,
    threads: int = 1,
    side_by_side: bool = False,
    overrides: adopt.Overrides = adopt.NONE,
    spans: Spans | None = None,
) -> Detector | JointDetector:
    """The detector of a model pack, its folder, or an ONNX file that `edge.detect.adopt` understands with `overrides`.

    A pack's runs on the best rung of this board's ladder that `backend`, `variant` and `require` allow, a bare ONNX
    file on ONNX Runtime. One of several that stand `side_by_side` has one thread, if it is none that looks back at the
    frame before. Raises as `Pipeline`.
    """
    wish = Wish(backend, variant, require, 1 if side_by_side else threads)
    if isinstance(model, str):
        model = Path(model)
    network: Backend
    if isinstance(model, Path) and model.is_file():
        network = open_backend(model, name=wish.backend, threads=wish.threads, input_size=overrides.input_size)
        description = adopt.detector(model, network, overrides)
        if description.is_joint:
            raise UsageError(
                f"{model}: a joint network as it was trained, its peaks not found in the graph; make a pack of it with"
                " nanotrack-export pack --detector"
            )
    else:
        if isinstance(model, Path) and not model.exists():
            raise NotFoundError(f"{model}: expected a model pack or an ONNX file, found nothing there")
        pack = model if isinstance(model, ModelPack) else modelpack.read(model)
        description = pack.detector
        if overrides.family:
            registry.find(overrides.family)  # one of the user's own that the pack may need
        if overrides not in (adopt.NONE, adopt.Overrides(description.head.type)):
            raise UsageError(f"{pack.folder}: a pack keeps its family and preparation; leave out --family and the like")
        if side_by_side and description.is_joint:
            wish = Wish(backend, variant, require, threads)
        network = Ladder(wish).open(pack, "detector")
    if description.is_joint:
        return JointDetector(description, network, classes=classes, floor=floor, spans=spans)
    return Detector(description, network, classes=classes, floor=floor, spans=spans)

"""Makes the parts of the daemon from its configuration: trackers and networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge import modelpack
from edge.chain.interval import Every
from edge.detect.detector import Detector
from edge.detect.joint import JointDetector
from edge.detect.open import open_detector
from edge.errors import UsageError
from edge.infer.ladder import Wish
from edge.reid.embedder import Embedder
from edge.reid.open import open_embedder
from edge.service.detectors import count_and_threads
from edge.settings.config import CameraConfig, Config, Model
from edge.spans import Spans
from edge.track.groups import groups_of
from edge.track.tracker import Tracker


def tracker(config: Config, frame_rate: float, known: Sequence[str] | None = None) -> Tracker:
    """A tracker as configured; `known` are the detector's classes. Raises UsageError."""
    tracking = config.tracking
    parameters: dict[str, Any] = {**(tracking.parameters or {})}
    groups = None if known is None else groups_of(config.model.classes, known, tracking.method, tracking.preset)
    return Tracker(
        tracking.method,
        frame_rate,
        tracking.preset,
        appearance=tracking.appearance,
        class_groups=groups,
        **parameters,
    )


def interval(config: Config, camera: CameraConfig) -> Every:
    """The detect interval of `camera` while nothing is too hot."""
    return config.model.detect_every if camera.detect_every is None else camera.detect_every


def warm_detectors(config: Config, spans: Spans) -> list[Detector | JointDetector]:
    """The detector, warm, so that its first real frame is as quick as all others; as often as the cameras want it.

    A joint network compares the frames of a camera in their order and a GPU has one queue, so those are there once.
    """
    model, path = config.model, Path(config.model.pack)
    pack = modelpack.read(path) if path.is_dir() else path
    is_joint = isinstance(pack, modelpack.ModelPack) and pack.detector.is_joint
    count, threads = count_and_threads(1 if is_joint else len(config.camera), model.threads)
    opened: list[Detector | JointDetector] = []
    while not opened or (len(opened) < count and not opened[0].backend.running.on_gpu):
        detector = open_detector(
            pack,
            classes=model.classes,
            floor=model.floor,
            backend=model.backend,
            variant=model.variant,
            require=model.require,
            threads=threads,
            known=opened[0].description if opened else None,
            spans=spans.numbered(len(opened) + 1) if opened else spans,
        )
        detector(np.zeros((64, 64, 3), np.uint8))
        opened.append(detector)
    return opened


def warm_embedder(config: Config, detector: Detector | JointDetector, spans: Spans) -> Embedder | None:
    """The pack's appearance network, where embeddings are used and `detector` does not make them itself.

    Raises UsageError for a pack without one.
    """
    if detector.description.is_joint or tracker(config, 30.0).appearance is None:
        return None
    model = config.model
    _, threads = count_and_threads(1, model.threads)
    wish = Wish(model.backend, model.variant, model.require, threads)
    embedder = open_embedder(model.pack, wish, spans)
    embedder(np.zeros((64, 64, 3), np.uint8), np.array([[0, 0, 64, 64]], np.float32))
    return embedder


class Networks(NamedTuple):
    """The networks that all cameras share, warm, and what times them."""

    spans: Spans
    detectors: list[Detector | JointDetector]
    embedder: Embedder | None


def open_networks(config: Config) -> Networks:
    """The networks as configured. Raises NanoTrackError where one cannot be opened or does not fit the tracker."""
    spans = Spans()
    detectors = warm_detectors(config, spans)
    require_embeddings(config, detectors[0].description.is_joint)
    return Networks(spans, detectors, warm_embedder(config, detectors[0], spans))


def where_they_run(detectors: Sequence[Detector | JointDetector], embedder: Embedder | None) -> str:
    """The backend and variant of each network, such as "2 detectors on onnxruntime-int8"."""
    count = len(detectors)
    networks = {"detector" if count == 1 else f"{count} detectors": detectors[0], "appearance": embedder}
    return ", ".join(f"{name} on {net.backend.running.rung}" for name, net in networks.items() if net is not None)


def suit(detector: Detector | JointDetector, config: Config, cameras: int) -> bool:
    """Whether detectors like `detector`, opened for the cameras of `config`, are as those for so many `cameras`."""
    if detector.description.is_joint or detector.backend.running.on_gpu:
        return True
    threads = config.model.threads
    return count_and_threads(len(config.camera), threads) == count_and_threads(cameras, threads)


def network_of(detector: Detector | JointDetector, embedder: Embedder | None) -> str | None:
    """The sha256 of the network that makes the embeddings, the same for all its variants; None where none does."""
    if embedder is not None:
        return embedder.description.source.sha256
    return detector.description.source.sha256 if detector.description.is_joint else None


def require_embeddings(config: Config, is_joint: bool) -> None:
    """Raise UsageError where the broker is to get embeddings and nothing computes any."""
    wants = config.mqtt is not None and config.mqtt.appearance
    has = tracker(config, 30.0).appearance is not None and config.tracking.reid != "never"
    if wants and not (has or is_joint):
        raise UsageError(
            '[mqtt] appearance = true: nothing computes embeddings; set appearance = "ema" and not reid = "never" in'
            " [tracking]"
        )


def followed(model: Model) -> list[str]:
    """The names of the classes that are followed."""
    return [name for names in model.classes for name in names.split("+")]

"""Every mistake in what a configuration refers to, found at once and before anything runs."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from edge import modelpack
from edge.chain.interval import check_interval
from edge.console.outgoing import redacted
from edge.errors import NanoTrackError, NotFoundError, OutputError, UsageError
from edge.infer.ladder import Wish
from edge.service.build import OF_PICTURES, interval, require_embeddings, tracker, warm_detector, warm_embedder
from edge.service.web import http
from edge.settings import credentials
from edge.settings.config import CameraConfig, Config
from edge.sinks.history.database import open_to_read
from edge.sinks.mqtt import MqttOutput
from edge.spans import Spans
from edge.video.address import kind_of
from edge.video.camera import check_device, device_of
from edge.video.open import open_source
from edge.video.opening import Opening

_CHECK_S = 5.0  # the longest check of one camera's file or device


def mistakes(config: Config) -> list[str]:
    """What would stop `nanotrack serve`, and what a camera would wait for in vain; each starts with its key.

    The networks are opened as `serve` opens them. Nothing is sent over the network, and no camera is opened.
    """
    checks: list[tuple[str, Callable[[], object]]] = [
        ("model", lambda: _check_model(config)),
        ("tracking", lambda: _check_tracking(config)),
    ]
    checks += [(f"camera.{camera.name}", _camera_check(camera)) for camera in config.camera]
    if config.jsonl is not None:
        checks.append(("jsonl.folder", _folder_check(config.jsonl.folder)))
    if config.mot is not None:
        checks.append(("mot.folder", _folder_check(config.mot.folder)))
    for name in OF_PICTURES:
        settings = getattr(config, name)
        if settings is not None:
            checks.append((f"{name}.folder", _made_folder_check(Path(settings.folder))))
    if config.history is not None:
        checks.append(("history.path", _history_check(Path(config.history.path))))
    mqtt, web = config.mqtt, config.web
    if mqtt is not None:
        checks.append(("mqtt", lambda: MqttOutput(mqtt)))
    if web is not None:
        checks.append(("web", lambda: http.check(web)))
    return list(_failures(checks))


def _failures(checks: list[tuple[str, Callable[[], object]]]) -> Iterator[str]:
    for key, check in checks:
        try:
            check()
        except NanoTrackError as error:
            yield f"{key}: {error}"


def _check_model(config: Config) -> None:
    """Raises for a pack that is none, a class it does not know, wishes that exclude each other, and what cannot run."""
    model = config.model
    Wish(model.backend, model.variant, model.require, model.threads or 1)
    path = Path(model.pack)
    if not path.is_file():
        known = modelpack.read(path).detector.classes
        unknown = [name for names in model.classes for name in names.split("+") if name not in known]
        if unknown:
            raise NotFoundError(f"classes: {', '.join(unknown)}: the pack knows only {', '.join(known[:8])}")
    spans = Spans()
    detector = warm_detector(model, spans)
    try:
        follower = tracker(config, 30.0, detector.description.classes)
    except NanoTrackError:  # that is for `_check_tracking` to say
        return
    if follower.appearance is not None and (path.is_file() or modelpack.read(path).reid is not None):
        warm_embedder(config, detector, spans)


def _check_tracking(config: Config) -> None:
    """Raises for what no tracker can be made of, appearance without a network, an interval that it cannot do."""
    made = tracker(config, 30.0)
    path = Path(config.model.pack)
    pack = modelpack.read(path) if path.is_dir() else None
    is_joint = pack is not None and pack.detector.is_joint
    require_embeddings(config, is_joint)
    for camera in config.camera:
        check_interval(interval(config, camera), made, is_joint)
    if pack is not None and not is_joint and made.appearance is not None and pack.reid is None:
        raise UsageError(f"{path}: has no appearance network; export it with --reid, or leave appearance out")


def _camera_check(camera: CameraConfig) -> Callable[[], None]:
    def check() -> None:
        if not Opening(lambda: _check_camera(camera)).wait(_CHECK_S):
            raise NotFoundError(
                f"{redacted(camera.source)}: not found out within {_CHECK_S:g} s; is it in a file system that is away?"
            )

    return check


def _check_camera(camera: CameraConfig) -> None:
    if camera.credentials is not None:
        credentials.read(camera.credentials)
    kind = kind_of(camera.source)
    if kind == "device":
        check_device(device_of(camera.source))
    elif kind == "demo" or (kind == "path" and not Path(camera.source).is_fifo()):
        open_source(camera.source, camera.frame_rate).close()


def _folder_check(folder: str) -> Callable[[], None]:
    return lambda: _check_writable(Path(folder))


def _made_folder_check(folder: Path) -> Callable[[], None]:
    """For a folder that is made at the start."""
    return lambda: _check_writable(next(path for path in (folder, *folder.parents) if path.exists()))


def _history_check(path: Path) -> Callable[[], None]:
    def check() -> None:
        _check_writable(path.parent)
        if path.exists():
            open_to_read(path).close()

    return check


def _check_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder}: expected a folder, found none; make it or name another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: this user may not write there; change its owner or name another")

"""Whether the daemon would start with a configuration: the one answer for `nanotrack check` and `nanotrack serve`."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge import modelpack
from edge.chain.interval import check_interval
from edge.chain.pipeline import require_offsets
from edge.console.outgoing import redacted
from edge.errors import NanoTrackError, NotFoundError, OutputError, UsageError
from edge.files import takes_files
from edge.infer.ladder import Wish
from edge.service.build import (
    Networks,
    interval,
    require_embeddings,
    tracker,
    warm_detectors,
    warm_embedder,
)
from edge.service.outputs import OF_PICTURES
from edge.service.web.http import checks as web_checks
from edge.settings import credentials
from edge.settings.config import CameraConfig, Config, Model
from edge.settings.survey import Check, Survey, WaitError, survey
from edge.settings.toml import Reading
from edge.sinks.history.database import check_writable
from edge.sinks.mqtt import checks as mqtt_checks
from edge.sinks.rotating import NEWEST
from edge.spans import Spans
from edge.video.address import kind_of, normal
from edge.video.camera import check_device, device_of
from edge.video.capture import options_of
from edge.video.open import open_source
from edge.video.opening import Opening
from edge.video.options import require_fit

_CHECK_S = 5.0  # the longest check of one camera's file or device
_CHECK_RUNNING_S = 0.5  # while a daemon runs, whose loop waits for it


@dataclass
class DaemonSurvey(Survey):
    """Whether `nanotrack serve` would start. `networks` are open where they could be opened."""

    networks: Networks | None


def look(reading: Reading[Config], running: Config | None = None) -> DaemonSurvey:
    """All mistakes of a configuration at once: those of the file, and of everything that it refers to.

    The networks are opened as `serve` opens them. Nothing is sent to cameras or brokers, and no file is left behind.
    Where a daemon is `running`, what it has already is left alone, and no network is opened.
    """
    sections: dict[str, Any] = {"model": Model("none"), "camera": (CameraConfig("none", "demo://"),)}
    sections |= {name: section for name, section in reading.sound.items() if section}
    config = reading.value or Config(**sections)
    networks: list[Networks] = []
    if running is None:
        checks = _checks(reading, reading.sound, config, _CHECK_S, networks)
    else:
        checks = _checks(reading, _new(reading.sound, running), config, _CHECK_RUNNING_S)
    found = survey(reading, checks)
    return DaemonSurvey(found.mistakes, found.errors, found.waits, networks[0] if networks else None)


def _new(sound: Mapping[str, Any], running: Config) -> dict[str, Any]:
    """The sections, and of cameras those, that the daemon does not have yet."""
    fresh = {name: section for name, section in sound.items() if section != getattr(running, name)}
    if "camera" in fresh:
        fresh["camera"] = [camera for camera in fresh["camera"] if camera not in running.camera]
    return fresh


def _checks(
    reading: Reading[Config],
    sound: Mapping[str, Any],
    config: Config,
    patience_s: float,
    networks: list[Networks] | None = None,
) -> Iterator[Check]:
    """What to look at in the sections `sound`, each camera's file for `patience_s`.

    Sections with mistakes are left out. Networks are opened into `networks`.
    """
    if "model" in sound:
        yield Check(("model",), "pack", lambda: _check_model(config, networks))
    if "tracking" in reading.sound:
        yield Check(("tracking",), "parameters", lambda: _check_tracking(config))
    names = [camera.get("name") for camera in reading.data.get("camera", []) if isinstance(camera, dict)]
    for camera in sound.get("camera", ()):
        path = ("camera", names.index(camera.name))
        yield Check(path, "credentials", partial(_check_credentials, camera))
        yield Check(path, "source", partial(_check_source, camera, patience_s))
    if jsonl := sound.get("jsonl"):
        yield Check(("jsonl", "folder"), "", lambda: _check_writable(Path(jsonl.folder), NEWEST))
    if mot := sound.get("mot"):
        yield Check(("mot", "folder"), "", lambda: _check_writable(Path(mot.folder)))
    for name in OF_PICTURES:
        if pictures := sound.get(name):  # this folder is made at the start
            yield Check((name, "folder"), "", partial(_check_writable, _nearest(Path(pictures.folder))))
    for name in ("jsonl", *OF_PICTURES):
        if kept := sound.get(name):
            yield Check((name,), "free_mib", partial(_check_size, _nearest(Path(kept.folder)), kept.free_mib))
    if history := sound.get("history"):
        yield Check(("history", "path"), "", lambda: check_writable(Path(history.path)))
    if mqtt := sound.get("mqtt"):
        yield from mqtt_checks(mqtt, "mqtt")
    if web := sound.get("web"):
        yield from web_checks(web)


def _check_model(config: Config, networks: list[Networks] | None) -> None:
    """Raises for a pack that is none, a class it does not know, wishes that exclude each other, and what cannot run."""
    model = config.model
    Wish(model.backend, model.variant, model.require, model.threads or 1)
    path = Path(model.pack)
    if not path.is_file():
        known = modelpack.read(path).detector.classes
        unknown = [name for names in model.classes for name in names.split("+") if name not in known]
        if unknown:
            raise NotFoundError(f"classes: {', '.join(unknown)}: the pack knows only {', '.join(known[:8])}")
    if networks is not None:
        networks.append(_opened(config))


def _opened(config: Config) -> Networks:
    """The networks, open. Raises for what cannot run."""
    path = Path(config.model.pack)
    spans = Spans()
    detectors = warm_detectors(config, spans)
    detector = detectors[0]
    try:
        follower = tracker(config, 30.0, detector.description.classes)
    except NanoTrackError:  # that is for `_check_tracking` to say
        return Networks(spans, detectors, None)
    has_reid = path.is_file() or modelpack.read(path).reid is not None
    embedder = warm_embedder(config, detector, spans) if follower.appearance is not None and has_reid else None
    return Networks(spans, detectors, embedder)


def _check_tracking(config: Config) -> None:
    """Raises for what no tracker can be made of, appearance without a network, an interval that it cannot do."""
    made = tracker(config, 30.0)
    path = Path(config.model.pack)
    pack = modelpack.read(path) if path.is_dir() else None
    is_joint = pack is not None and pack.detector.is_joint
    if pack is not None:
        require_offsets(config.tracking.method, pack.detector)
    require_embeddings(config, is_joint)
    for camera in config.camera:
        check_interval(interval(config, camera), made, is_joint)
    if pack is not None and not is_joint and made.appearance is not None and pack.reid is None:
        raise UsageError(f"{path}: has no appearance network; export it with --reid, or leave appearance out")


def _check_credentials(camera: CameraConfig) -> None:
    if camera.credentials is not None:
        credentials.read(camera.credentials)


def _check_source(camera: CameraConfig, patience_s: float) -> None:
    """A recording must be there; a camera may come later, as one that is switched off does."""
    require_fit(normal(camera.source), options_of(camera))
    kind = kind_of(camera.source)
    if kind == "device":
        try:
            check_device(device_of(camera.source))
        except NanoTrackError as error:
            raise WaitError(f"is waited for: {error}") from None
    elif (kind == "demo" or kind == "path") and not Opening(lambda: _open_and_close(camera)).wait(patience_s):
        raise WaitError(
            f"is waited for: {redacted(camera.source)}: not found out within {patience_s:g} s; is it in a file system"
            " that is away?"
        )


def _open_and_close(camera: CameraConfig) -> None:
    if not Path(camera.source).is_fifo():
        open_source(camera.source, camera.frame_rate).close()


def _nearest(folder: Path) -> Path:
    """The folder itself, or that of its parents which is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _check_size(folder: Path, free_mib: float) -> None:
    """Raise OutputError where the file system of `folder` is smaller than what shall stay free on it."""
    total_mib = shutil.disk_usage(folder).total / (1 << 20)
    if 0 < total_mib <= free_mib:  # /proc and its like have no size
        raise OutputError(
            f"free_mib: expected less than the {total_mib:,.0f} MiB of this file system, found {free_mib:g}"
        )


def _check_writable(folder: Path, name: str = "") -> None:
    """Raise OutputError where this user cannot write into `folder`, or not on a file `name` in it."""
    if not folder.is_dir():
        found = "found a file" if folder.exists() else "No such file or directory"
        raise OutputError(f"{folder}: expected a folder: {found}; make it or name another")
    if not takes_files(folder):
        raise OutputError(f"{folder}: this user may not write there; change its owner or name another")
    file = folder / name
    if name and file.exists() and not (file.is_file() and os.access(file, os.W_OK)):
        raise OutputError(f"{file}: this user may not write it; change its owner or remove it")

"""How the daemon is, as JSON: in short for whoever watches over it, at length for the page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge import __version__, board
from edge.infer.backend import Backend

if TYPE_CHECKING:
    from edge.service.daemon import Daemon
    from edge.service.stream import Stream

# A loop that did not go round for so long is not healthy; the watchdog's limit in the unit is twice that.
STUCK_S = 10.0


def state_of(daemon: "Daemon") -> str:
    """ "running", "stopping", or "stuck" where the loop stands still."""
    if daemon.is_stopping:
        return "stopping"
    return "running" if daemon.clock.mono() - daemon.cycled_s < STUCK_S else "stuck"


def health(daemon: "Daemon") -> dict[str, Any]:
    """What `/healthz` says."""
    return {
        "state": state_of(daemon),
        "cycle_age_s": round(daemon.clock.mono() - daemon.cycled_s, 3),
        "cameras": {s.origin.camera: {"state": s.state, "trouble": s.capture.trouble} for s in daemon.streams},
        "outputs": {o.name: {"dropped": o.dropped, "trouble": o.trouble} for o in daemon.outputs.values()},
    }


def status(daemon: "Daemon") -> dict[str, Any]:
    """What `/status.json` says. Durations are in seconds unless their names say otherwise."""
    now_s, reading = daemon.clock.mono(), daemon.heat.reading
    return {
        "version": __version__,
        "state": state_of(daemon),
        "uptime_s": round(now_s - daemon.began_s, 1),
        "networks": networks(daemon),
        "cameras": [_camera(stream, now_s) for stream in daemon.streams],
        "stages": [stage for name, span in daemon.spans if (stage := _stage(name, span.recent_ms()))],
        "outputs": [
            {"name": o.name, "written": o.written, "dropped": o.dropped, "trouble": o.trouble}
            for o in daemon.outputs.values()
        ],
        "board": {
            "temperatures_c": {zone: round(value, 1) for zone, value in reading.temperatures_c.items()},
            "clocks_mhz": {clock.name: clock.now_mhz for clock in reading.clocks},
            "power_w": {rail: round(value, 2) for rail, value in reading.power_w.items()},
            "power_mode": board.power_mode(),
            "throttled": reading.throttled,
            "too_hot": daemon.heat.cause,
        },
        "events": daemon.recent.list(),
    }


def networks(daemon: "Daemon") -> list[dict[str, str]]:
    """The networks, and how they run here.

    What each is (`network`), the name of its `pack`, the `rung` of the ladder and the `variant`, the `version` of the
    library, and which rungs were `passed_over` and why.
    """
    backends: dict[str, Backend] = {"detector": daemon.detector.backend}
    if daemon.embedder is not None:
        backends["reid"] = daemon.embedder.backend
    pack = Path(daemon.config.model.pack).name
    return [{"network": name, "pack": pack, **_running(backend)} for name, backend in backends.items()]


def _running(backend: Backend) -> dict[str, str]:
    running = backend.running
    return {
        "rung": running.rung,
        "variant": running.variant,
        "version": running.version,
        "passed_over": ", ".join(f"{skip.rung} ({skip.reason.value})" for skip in running.passed_over),
    }


def _camera(stream: "Stream", now_s: float) -> dict[str, Any]:
    capture, areas = stream.capture, stream.areas
    ages_ms = stream.pace.ages_ms(50, 99) if capture.is_live else None
    return {
        "name": stream.origin.camera,
        "run": stream.origin.run,
        "state": stream.state,
        "since_s": round(now_s - stream.since_s, 1),
        "reason": stream.reason or capture.trouble,
        "live": capture.is_live,
        "size": stream.size,
        "fps": round(stream.pace.fps(now_s), 1),
        "age_ms": ages_ms and {"p50": round(ages_ms[0], 1), "p99": round(ages_ms[1], 1)},
        "tracked": stream.tracked,
        "detect_every": stream.detect_every,
        "dropped": capture.slot.dropped,
        "corrupt": capture.corrupt,
        "reconnects": max(0, capture.connects - 1),
        "shown": stream.shown,
        "zones": areas.people,
        "lines": {
            line.name: {way: areas.crossings[line.name, way] for way in ("in", "out")} for line in capture.camera.line
        },
    }


def _stage(name: str, recent_ms: "np.ndarray") -> dict[str, Any] | None:
    """A stage of the chain in its last measurements, None before the first."""
    if not len(recent_ms):
        return None
    p50, p99 = np.percentile(recent_ms, [50, 99])
    return {"name": name, "p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}

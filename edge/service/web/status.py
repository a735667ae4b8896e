"""The state of the daemon as JSON: in short for supervisors, at length for the page."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from edge import __version__, board
from edge.service.snapshot import CameraSnapshot, NetworkSnapshot, Snapshot

# A loop that did not come round for so long is not healthy; the watchdog's limit in the unit is twice that.
STUCK_S = 10.0


def state_of(daemon: Snapshot, now_s: float) -> str:
    """ "running", "stopping", or "stuck" where the loop stands still."""
    if daemon.is_stopping:
        return "stopping"
    return "running" if now_s - daemon.cycled_s < STUCK_S else "stuck"


def health(daemon: Snapshot, now_s: float) -> dict[str, Any]:
    """What `/healthz` says."""
    return {
        "state": state_of(daemon, now_s),
        "cycle_age_s": round(now_s - daemon.cycled_s, 3),
        "cameras": {camera.name: {"state": camera.state, "trouble": camera.trouble} for camera in daemon.cameras},
        "outputs": {o.name: {"dropped": o.dropped, "trouble": o.trouble} for o in daemon.outputs},
    }


def status(daemon: Snapshot, now_s: float, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What `/status.json` says. Durations are in seconds unless their names say otherwise."""
    reading = daemon.reading
    return {
        "version": __version__,
        "state": state_of(daemon, now_s),
        "uptime_s": round(now_s - daemon.began_s, 1),
        "networks": [network(each) for each in daemon.networks],
        "cameras": [_camera(camera, now_s) for camera in daemon.cameras],
        "stages": [
            {"name": stage.name, "p50_ms": round(stage.p50_ms, 2), "p99_ms": round(stage.p99_ms, 2)}
            for stage in daemon.stages
        ],
        "outputs": [
            {"name": o.name, "written": o.written, "dropped": o.dropped, "trouble": o.trouble} for o in daemon.outputs
        ],
        "board": {
            "temperatures_c": {zone: round(value, 1) for zone, value in reading.temperatures_c.items()},
            "clocks_mhz": {clock.name: clock.now_mhz for clock in reading.clocks},
            "power_w": {rail: round(value, 2) for rail, value in reading.power_w.items()},
            "power_mode": board.power_mode(),
            "throttled": reading.throttled,
            "too_hot": daemon.too_hot,
        },
        "events": events,
    }


def network(found: NetworkSnapshot) -> dict[str, str]:
    """A network, and how it runs here: the same fields in `/status.json` and `/metrics`."""
    running = found.running
    return {
        "network": found.network,
        "pack": found.pack,
        "rung": running.rung,
        "variant": running.variant,
        "version": running.version,
        "passed_over": ", ".join(f"{skip.rung} ({skip.reason.value})" for skip in running.passed_over),
    }


def _camera(camera: CameraSnapshot, now_s: float) -> dict[str, Any]:
    ages_ms = camera.frame_ages_ms
    lines: dict[str, dict[str, int]] = {}
    for (line, direction, _), count in camera.crossings.items():
        counts = lines.setdefault(line, {})
        counts[direction] = counts.get(direction, 0) + count
    zones: Counter[str] = Counter()
    for (zone, _), count in camera.people.items():
        zones[zone] += count
    return {
        "name": camera.name,
        "run": camera.run,
        "state": camera.state,
        "since_s": round(now_s - camera.since_s, 1),
        "reason": camera.reason or camera.trouble,
        "live": camera.is_live,
        "size": camera.size,
        "fps": round(camera.fps, 1),
        "age_ms": ages_ms and {"p50": round(ages_ms[0], 1), "p99": round(ages_ms[1], 1)},
        "tracked": camera.tracked,
        "detect_every": camera.detect_every,
        "dropped": camera.dropped,
        "corrupt": camera.corrupt,
        "reconnects": camera.reconnects,
        "shown": camera.shown,
        "zones": dict(zones),
        "lines": lines,
        "speeds_mps": camera.speeds_mps and {str(id_): round(speed, 2) for id_, speed in camera.speeds_mps.items()},
    }

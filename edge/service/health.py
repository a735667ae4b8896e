"""How the daemon is, for machines: `/healthz` as JSON, `/metrics` for Prometheus."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from edge import __version__, board
from edge.errors import UnavailableError
from edge.service.http import Response, not_found

if TYPE_CHECKING:
    from edge.daemon import Daemon

# A loop that did not go round for so long is not healthy; the watchdog's limit in the unit is twice that.
STUCK_S = 10.0


class Pages:
    """What `/healthz` and `/metrics` say of `daemon`; called by another thread than its loop, and only reads.

    Raises UnavailableError without prometheus-client.
    """

    def __init__(self, daemon: "Daemon"):
        try:
            import prometheus_client
        except ImportError as error:
            raise UnavailableError(
                "[web] needs prometheus-client; install it with pip install 'nanotrack-edge[web]'"
            ) from error
        self._daemon = daemon
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._text = prometheus_client.generate_latest
        self._kind = prometheus_client.CONTENT_TYPE_LATEST

    def respond(self, path: str) -> Response:
        """The page at `path`."""
        if path == "/healthz":
            return self._health()
        if path == "/metrics":
            return Response(HTTPStatus.OK, self._kind, self._text(self._registry))
        return not_found()

    def _health(self) -> Response:
        daemon = self._daemon
        age_s = daemon.clock.mono() - daemon.cycled_s
        state = "stopping" if daemon.is_stopping else "running" if age_s < STUCK_S else "stuck"
        report = {
            "state": state,
            "cycle_age_s": round(age_s, 3),
            "cameras": {s.origin.camera: {"state": s.state, "trouble": s.capture.trouble} for s in daemon.streams},
            "outputs": {o.name: {"dropped": o.dropped, "trouble": o.trouble} for o in daemon.outputs.values()},
        }
        status = HTTPStatus.OK if state == "running" else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(status, "application/json", json.dumps(report).encode() + b"\n")

    def collect(self) -> Iterator[Any]:
        """The metrics, as prometheus-client's registry wants them."""
        from prometheus_client.core import CounterMetricFamily as Counts
        from prometheus_client.core import GaugeMetricFamily as Values
        from prometheus_client.core import SummaryMetricFamily as Sums

        daemon, streams = self._daemon, self._daemon.streams
        info = Values("nanotrack_build_info", "Release of nanotrack-edge.", labels=["version"])
        info.add_metric([__version__], 1)
        frames = Counts("nanotrack_frames", "Frames by what became of them.", labels=["camera", "outcome"])
        reconnects = Counts("nanotrack_reconnects", "Connections after the first.", labels=["camera"])
        up = Values("nanotrack_camera_up", "Whether good pictures come.", labels=["camera"])
        ages = Values("nanotrack_frame_age_seconds", "From capture to tracks, newest frame.", labels=["camera"])
        active = Values("nanotrack_tracks_active", "Tracks shown in the newest frame.", labels=["camera"])
        zones = Values("nanotrack_zone_people", "People in a zone.", labels=["camera", "zone"])
        crossings = Counts("nanotrack_line_crossings", "Crossings of a line.", labels=["camera", "line", "direction"])
        for stream in streams:
            name, capture = stream.origin.camera, stream.capture
            outcomes = {"tracked": stream.tracked, "dropped": capture.slot.dropped, "corrupt": capture.corrupt}
            for outcome, count in outcomes.items():
                frames.add_metric([name, outcome], count)
            reconnects.add_metric([name], max(0, capture.connects - 1))
            up.add_metric([name], stream.state == "online")
            ages.add_metric([name], stream.age_s)
            active.add_metric([name], stream.shown)
            for zone, count in stream.areas.people.items():
                zones.add_metric([name, zone], count)
            for (line, direction), count in stream.areas.crossings.items():
                crossings.add_metric([name, line, direction], count)
        stages = Sums("nanotrack_stage_seconds", "Time in each stage of a frame.", labels=["stage"])
        for stage, span in daemon.spans:
            stages.add_metric([stage], span.count, span.total_ns / 1e9)
        written = Counts("nanotrack_sink_written", "Events that an output took.", labels=["sink"])
        dropped = Counts("nanotrack_sink_dropped", "Events that an output lost.", labels=["sink"])
        for output in daemon.outputs.values():
            written.add_metric([output.name], output.written)
            dropped.add_metric([output.name], output.dropped)
        degrees = Values("nanotrack_temperature_celsius", "By thermal zone.", labels=["zone"])
        for zone, value in board.temperatures().items():
            degrees.add_metric([zone], value)
        clocks = Values("nanotrack_clock_hertz", "What processors run at.", labels=["domain"])
        for clock in board.clocks():
            clocks.add_metric([clock.name], clock.now_mhz * 1e6)
        steps = Counts("nanotrack_clock_steps", "How often the wall clock was set.", value=daemon.clock_steps)
        broken = Counts("nanotrack_broken_frames", "Frames the network failed on.", value=daemon.broken)
        yield from (info, frames, reconnects, up, ages, active, zones, crossings)
        yield from (stages, written, dropped, degrees, clocks, steps, broken)

"""The metrics of the daemon for Prometheus: `/metrics`."""

from collections.abc import Callable, Iterator
from typing import Any

import prometheus_client
from prometheus_client.core import CounterMetricFamily as Counts
from prometheus_client.core import GaugeMetricFamily as Values
from prometheus_client.core import HistogramMetricFamily as Times

from edge import __version__
from edge.service.histogram import Histogram
from edge.service.snapshot import Snapshot
from edge.service.web.status import network


class Metrics:
    """The metrics of the newest `snapshot()`."""

    def __init__(self, snapshot: Callable[[], Snapshot]):
        self._snapshot = snapshot
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        prometheus_client.ProcessCollector(registry=self._registry)  # memory, processor time, open files
        self._text = prometheus_client.generate_latest
        self.kind = prometheus_client.CONTENT_TYPE_LATEST

    def text(self) -> bytes:
        """All metrics now, of type `kind`."""
        return self._text(self._registry)

    def collect(self) -> Iterator[Any]:
        """The metrics, as prometheus-client's registry wants them."""
        daemon = self._snapshot()
        info = Values("nanotrack_build_info", "Release of nanotrack-edge.", labels=["version"])
        info.add_metric([__version__], 1)
        names = ["network", "pack", "rung", "variant", "version", "passed_over"]
        backend = Values("nanotrack_backend_info", "How each network runs on this board.", labels=names)
        for fields in map(network, daemon.networks):
            backend.add_metric([fields[name] for name in names], 1)
        detected = Counts("nanotrack_detected_frames", "Frames that the detector ran on.", labels=["camera"])
        every = Values("nanotrack_detect_every", "The detector runs on one of so many frames.", labels=["camera"])
        frames = Counts("nanotrack_frames", "Frames, by outcome.", labels=["camera", "outcome"])
        reconnects = Counts("nanotrack_reconnects", "Connections after the first.", labels=["camera"])
        up = Values("nanotrack_camera_up", "Whether good pictures come.", labels=["camera"])
        ages = Times("nanotrack_frame_age_seconds", "From capture to tracks, live cameras.", labels=["camera"])
        reads = Times("nanotrack_read_seconds", "Until the next frame was there, decoded.", labels=["camera"])
        active = Values("nanotrack_tracks_active", "Tracks shown in the newest frame.", labels=["camera"])
        shown = Counts("nanotrack_identities", "Identities that were shown.", labels=["camera", "class"])
        zones = Values("nanotrack_zone_people", "Tracks in a zone.", labels=["camera", "zone", "class"])
        dwells = Times("nanotrack_zone_dwell_seconds", "Stays in a zone that have ended.", labels=["camera", "zone"])
        by_line = ["camera", "line", "direction", "class"]
        crossings = Counts("nanotrack_line_crossings", "Crossings of a line.", labels=by_line)
        for camera in daemon.cameras:
            name = camera.name
            outcomes = {"tracked": camera.tracked, "dropped": camera.dropped, "corrupt": camera.corrupt}
            for outcome, count in outcomes.items():
                frames.add_metric([name, outcome], count)
            detected.add_metric([name], camera.detected)
            every.add_metric([name], camera.detect_every)
            reconnects.add_metric([name], camera.reconnects)
            up.add_metric([name], camera.state == "online")
            if camera.is_live:
                ages.add_metric([name], *_buckets(camera.frame_ages))
            reads.add_metric([name], *_buckets(camera.reads))
            active.add_metric([name], camera.shown)
            for class_, count in camera.identities.items():
                shown.add_metric([name, class_], count)
            for zone_class, count in camera.people.items():
                zones.add_metric([name, *zone_class], count)
            for zone, times in camera.dwells.items():
                dwells.add_metric([name, zone], *_buckets(times))
            for crossing, count in camera.crossings.items():
                crossings.add_metric([name, *crossing], count)
        stages = Times("nanotrack_stage_seconds", "Time in each stage of a frame.", labels=["stage"])
        for stage in daemon.stages:
            stages.add_metric([stage.name], *_buckets(stage.times))
        written = Counts("nanotrack_sink_written", "Events that an output took.", labels=["sink"])
        dropped = Counts("nanotrack_sink_dropped", "Events that an output lost.", labels=["sink"])
        for output in daemon.outputs:
            written.add_metric([output.name], output.written)
            dropped.add_metric([output.name], output.dropped)
        reading = daemon.reading
        degrees = Values("nanotrack_temperature_celsius", "By thermal zone.", labels=["zone"])
        for zone, value in reading.temperatures_c.items():
            degrees.add_metric([zone], value)
        clocks = Values("nanotrack_clock_hertz", "Clock rates of processors.", labels=["domain"])
        for clock in reading.clocks:
            clocks.add_metric([clock.name], clock.now_mhz * 1e6)
        hot = Values("nanotrack_too_hot", "Whether the board is too hot.", value=bool(daemon.too_hot))
        steps = Counts("nanotrack_clock_steps", "How often the wall clock was set.", value=daemon.clock_steps)
        broken = Counts("nanotrack_broken_frames", "Frames the network failed on.", value=daemon.broken)
        yield from (info, backend, frames, detected, every, reconnects, up, ages, reads, active, shown, zones, dwells)
        yield from (crossings, stages, written, dropped, degrees, clocks, hot, steps, broken)


def _buckets(times: Histogram) -> tuple[list[tuple[str, float]], float]:
    """A histogram as prometheus-client takes it: the cumulative buckets by their upper bounds, and the sum."""
    bounds = [*map(str, times.bounds_s), "+Inf"]
    return list(zip(bounds, times.counts, strict=True)), times.sum_s

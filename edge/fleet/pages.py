"""The fleet's pages: one for people, JSON and metrics for machines.

/                       the page
/status.json            everything that it shows; /healthz in short, 200 only while the broker is there
/metrics                for Prometheus
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import prometheus_client
from prometheus_client.core import CounterMetricFamily as Counts
from prometheus_client.core import GaugeMetricFamily as Values
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge import __version__

PAGE = Path(__file__).with_name("page.html")


class Pages:
    """The pages of the newest `report()`, see `edge.fleet.report`; `app` answers requests (ASGI 3)."""

    def __init__(self, report: Callable[[], dict[str, Any]]):
        self._report = report
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._page = _page()
        routes = [
            Route("/", self._show_page),
            Route("/status.json", self._show_status),
            Route("/healthz", self._show_health),
            Route("/metrics", self._show_metrics),
        ]
        self.app = Starlette(routes=routes)
        self.app.router.redirect_slashes = False

    async def _show_page(self, request: Request) -> Response:
        return self._page

    async def _show_status(self, request: Request) -> Response:
        return _json(self._report())

    async def _show_health(self, request: Request) -> Response:
        found = {name: self._report()[name] for name in ("state", "trouble")}
        return _json(found, 200 if found["state"] == "running" else 503)

    async def _show_metrics(self, request: Request) -> Response:
        return Response(
            prometheus_client.generate_latest(self._registry), media_type=prometheus_client.CONTENT_TYPE_LATEST
        )

    def collect(self) -> Iterator[Any]:
        """The metrics, as prometheus-client's registry wants them."""
        found = self._report()
        info = Values("nanotrack_fleet_build_info", "Release of nanotrack-edge.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield Values("nanotrack_fleet_broker_up", "Whether the broker is there.", value=found["state"] == "running")
        yield Counts("nanotrack_fleet_events", "Appearances of boards.", value=found["counts"]["events"])
        yield Counts("nanotrack_fleet_duplicates", "Appearances that came again.", value=found["counts"]["duplicates"])
        yield Counts("nanotrack_fleet_identities", "Global identities given.", value=found["counts"]["identities"])
        yield Counts("nanotrack_fleet_revised", "Tracklets given another one.", value=found["counts"]["revised"])
        ignored = Counts("nanotrack_fleet_ignored", "Messages that were left out, by reason.", labels=["reason"])
        for reason, count in found["ignored"].items():
            ignored.add_metric([reason], count)
        yield ignored
        up = Values("nanotrack_fleet_board_up", "Whether a board is online.", labels=["board"])
        offset = Values("nanotrack_fleet_clock_offset_seconds", "Our clock before the board's.", labels=["board"])
        people = Values("nanotrack_fleet_people", "People in a camera now.", labels=["board", "camera"])
        for board in found["boards"]:
            up.add_metric([board["name"]], board["state"] == "online")
            if board["clock_offset_s"] is not None:
                offset.add_metric([board["name"]], board["clock_offset_s"])
            for camera in board["cameras"]:
                people.add_metric([board["name"], camera["name"]], len(camera["people"]))
        yield from (up, offset, people)
        yield Values("nanotrack_fleet_people_today", "Different people since midnight.", value=found["today"]["people"])


def _page() -> Response:
    """The page. Nothing but its own script and style may act in it, and it may talk to nobody but this server."""
    body = PAGE.read_bytes()
    policy = [
        "default-src 'none'",
        *(f"{kind}-src {' '.join(_hashes(kind, body))}" for kind in ("script", "style")),
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return Response(body, media_type="text/html", headers={"Content-Security-Policy": "; ".join(policy)})


def _hashes(tag: str, body: bytes) -> list[str]:
    """The hashes of what stands between <tag> and </tag>, as a content security policy wants them (CSP level 3)."""
    parts = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), body, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(part).digest()).decode()}'" for part in parts]


def _json(found: dict[str, Any], code: int = 200) -> Response:
    return Response(json.dumps(found).encode() + b"\n", code, media_type="application/json")

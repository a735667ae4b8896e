"""The fleet as a process: messages in, identities out, the page beside them. One thread does all but networking."""

import json
import logging
import time
from pathlib import Path
from typing import Any

from edge.fleet import discovery
from edge.fleet.broker import Connection
from edge.fleet.fleet import Fleet
from edge.fleet.pages import Pages
from edge.fleet.report import day, present, report
from edge.fleet.settings import FleetConfig
from edge.fleet.state import State
from edge.service.web.http import Server, require_extra

logger = logging.getLogger(__name__)

_IDLE_S = 0.2
_PRUNE_S = 60.0
_PAGE_S = 1.0
# What is counted over the whole day takes longer and changes less.
_DAY_S = 10.0
# So many messages are on their way to the broker at most; the others wait in the state.
_WINDOW = 256


class Service:
    """The fleet of `config`, running. `cycle` is one turn of the loop; `report` is what the page shows.

    Raises NanoTrackError where the state, the broker's secrets or the page's address cannot be had.
    """

    def __init__(self, config: FleetConfig):
        if config.web is not None:
            require_extra()
        self.config = config
        self.connection = Connection(config.mqtt)
        self._state = State(Path(config.state.path))
        self.fleet = Fleet(config, self._state, time.time())
        self._handed = 0
        self._pruned_s = self._reported_s = float("-inf")
        self._has_news = True
        self._day: dict[str, Any] = {}
        self._day_s = float("-inf")
        self._server: Server | None = None
        self.report = self._report()
        try:
            if config.web is not None:
                self._server = Server(config.web, Pages(lambda: self.report).app)
        except Exception:
            self._state.close()
            raise
        self.connection.start()

    @property
    def port(self) -> int | None:
        """Where the page is, None without one."""
        return None if self._server is None else self._server.port

    @property
    def status(self) -> str:
        """In a few words."""
        trouble = self.connection.trouble
        return trouble or f"{len(self.fleet.cameras)} cameras"

    def cycle(self) -> None:
        """Take what was received, decide what is due, send what follows. Raises OutputError where nothing is stored."""
        received = self.connection.wait(_IDLE_S)
        if received:
            self.fleet.take([each.message for each in received], time.time())
            self.connection.acknowledge(received)
            self._has_news = True
        elif self.fleet.tick(time.time()):
            self._has_news = True
        self._send()
        now_s = time.monotonic()
        if now_s - self._pruned_s > _PRUNE_S:
            self._pruned_s = now_s
            self.fleet.prune(time.time())
        if now_s - self._reported_s > _PAGE_S:
            self._reported_s = now_s
            self._publish()
            if self._server is not None:
                self.report = self._report()

    def close(self) -> None:
        """Send what can be sent and go; the broker keeps what comes meanwhile."""
        self._send()
        self.connection.close()
        sent = self.connection.take_sent()
        if sent:
            with self._state:
                self._state.sent(sent)
        if self._server is not None:
            self._server.close()
        self._state.close()

    def _send(self) -> None:
        sent = self.connection.take_sent()
        if sent:
            with self._state:
                self._state.sent(sent)
        room = _WINDOW - self.connection.sending
        for number, topic, payload in self._state.posted(self._handed, room) if room > 0 else ():
            if not self.connection.send(number, topic, payload):
                break
            self._handed = number

    def _publish(self) -> None:
        """The retained states: who is in each camera, and how many on the site."""
        if not self._has_news:
            return
        self._has_news = False
        here = present(self._state)
        everybody = {person["global_id"] for people in here.values() for person in people}
        entities = [discovery.site(self.config.mqtt.prefix)]
        self.connection.retain("people", str(len(everybody)))
        for name, people in here.items():
            self.connection.retain(f"{name}/people", json.dumps({"count": len(people), "people": people}))
            entities.append(discovery.camera(self.config.mqtt.prefix, name))
        if self.config.mqtt.home_assistant:
            for entity in entities:
                self.connection.retain_on(entity.topic, entity.text)

    def _report(self) -> dict[str, Any]:
        connection, now_s = self.connection, time.monotonic()
        if now_s - self._day_s > _DAY_S:
            self._day_s, self._day = now_s, day(self._state, time.time())
        found = report(self._state, dict(connection.states), self.fleet.clocks, connection.trouble, time.time())
        return {**found, **self._day}

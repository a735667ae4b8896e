"""From the messages of boards to global identities: what is said twice, wrong or foreign is counted and left out.

`take` and `tick` change what is stored and what is known together; the messages that follow wait in the state's outbox.
"""

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np

from edge.errors import DataError
from edge.fleet.association import Association, Decision
from edge.fleet.clocks import Clocks
from edge.fleet.message import Sighting, read_appearance
from edge.fleet.settings import FleetConfig
from edge.fleet.state import Bundle, Row, State
from edge.fleet.tracklets import TRACKLET
from edge.fleet.transit import Transits

logger = logging.getLogger(__name__)

VERSION = 1
# Of so many different wrongs the counts are kept; who invents more is counted as "other".
_KINDS = 32
# At the start the ways that people took in so many seconds are learned again.
_LEARN_S = 86_400.0


class Message(NamedTuple):
    """What came from the broker at `received_s`, seconds since 1970."""

    topic: str
    payload: bytes
    received_s: float


class _Open(NamedTuple):
    """A tracklet that may still get messages or another identity."""

    camera: str
    run: str
    id: int
    stay: int
    bundle: int


class Fleet:
    """The fleet of `config`, as far as `state` knows it at `now_s`. Used by one thread."""

    def __init__(self, config: FleetConfig, state: State, now_s: float):
        self.config = config
        self.state = state
        self.clocks = Clocks()
        self.cameras = state.cameras()
        self.associations: dict[int, Association] = {}
        self._bundles = {(bundle.network, bundle.class_name): bundle for bundle in state.bundles()}
        self._transits = {number: self._new_transits() for number in (b.number for b in self._bundles.values())}
        self._open: dict[int, _Open] = {}
        self._runs: dict[int, str] = {}
        self._next = state.next_tracklet()
        self._people = state.counts().get("identities", 0)
        self._wrongs = {name for name in state.counts() if name.startswith("ignored: ")}
        self._load(now_s)

    def take(self, messages: Sequence[Message], now_s: float) -> None:
        """Messages of boards, each stored and answered or counted and left out; one transaction."""
        with self.state:
            for message in messages:
                try:
                    sighting = read_appearance(message.topic, message.payload, self.config.mqtt.prefix)
                    self._check_size(sighting)
                except DataError as error:
                    self._ignore(str(error))
                    continue
                self.clocks.note(sighting.board, sighting.said_s, message.received_s)
                if not self.state.note_event(sighting.event_id, message.received_s):
                    self.state.count("duplicates")
                    continue
                self.state.count("events")
                self._see(sighting)
            self._decide(now_s)

    def tick(self, now_s: float) -> bool:
        """Decide what is due though no message comes; whether anything was."""
        if not any(association.is_due(now_s) for association in self.associations.values()):
            return False
        with self.state:
            self._decide(now_s)
        return True

    def prune(self, now_s: float) -> None:
        """Delete what is older than it may get, here and in the state."""
        kept = self.config.state
        with self.state:
            is_changed = self.state.prune(now_s, kept.keep_embeddings_hours, kept.keep_days)
        if is_changed:
            self.state.settle()
        for association in self.associations.values():
            association.forget(now_s, kept.keep_embeddings_hours * 3600)
        known = {
            number for association in self.associations.values() for number in association.tracklets.numbers.tolist()
        }
        self._open = {number: open_ for number, open_ in self._open.items() if number in known}

    def _check_size(self, sighting: Sighting) -> None:
        bundle = self._bundles.get((sighting.network, sighting.class_name))
        if bundle is not None and sighting.embedding is not None and len(sighting.embedding) != bundle.size:
            raise DataError("embedding of another length")

    def _ignore(self, reason: str) -> None:
        name = f"ignored: {reason}"
        if name not in self._wrongs and len(self._wrongs) >= _KINDS:
            name = "ignored: other"
        self._wrongs.add(name)
        self.state.count(name)

    def _see(self, sighting: Sighting) -> None:
        camera = self._camera(sighting.camera)
        if self._runs.get(camera) != sighting.run:
            self._runs[camera] = sighting.run
            self._end(self.state.end_runs_before(camera, sighting.run))
        offset_s = self.clocks.offset_s(sighting.board)
        first_s, last_s = sighting.first_s + offset_s, sighting.last_s + offset_s
        number = self.state.find(camera, sighting.run, sighting.id, sighting.stay)
        if number is None:
            if sighting.embedding is None:  # its beginning was lost or deleted: it cannot be compared
                self.state.count("ends alone")
                return
            number, self._next = self._next, self._next + 1
            bundle = self._bundle(sighting, len(sighting.embedding))
            vectors = sighting.embedding[None]
            row = Row(number, bundle.number, camera, sighting.run, sighting.id, sighting.stay, first_s, last_s,
                      sighting.is_end, 0, 0.0, False, vectors)  # fmt: skip
            self.state.add_tracklet(row, sighting.entry, sighting.exit)
            self._open[number] = _Open(sighting.camera, sighting.run, sighting.id, sighting.stay, bundle.number)
        open_ = self._open.get(number)
        if open_ is None:
            self.state.count("too late")
            return
        association = self.associations[open_.bundle]
        association.see(number, camera, first_s, last_s, sighting.embedding, is_over=sighting.is_end)
        found = association.tracklets.row_of(number)
        assert found is not None
        known = association.tracklets.rows[found]
        vectors = association.tracklets.vectors[found, : known["vectors"]]
        self.state.update_tracklet(number, float(known["last"]), bool(known["is_over"]), sighting.exit, vectors)

    def _end(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            open_ = self._open.get(number)
            row = None if open_ is None else self.associations[open_.bundle].tracklets.row_of(number)
            if open_ is not None and row is not None:
                self.associations[open_.bundle].tracklets.rows[row]["is_over"] = True

    def _decide(self, now_s: float) -> None:
        for association in self.associations.values():
            for decision in association.decide(now_s, self._people + 1):
                if decision.person > self._people:
                    self.state.count("identities", decision.person - self._people)
                    self._people = decision.person
                self.state.identify(decision.number, decision.person, now_s, decision.is_settled)
                if decision.person != decision.before:
                    self._tell(association, decision, now_s)

    def _tell(self, association: Association, decision: Decision, now_s: float) -> None:
        """Leave the message that tells of a global identity."""
        open_ = self._open[decision.number]
        row = association.tracklets.row_of(decision.number)
        assert row is not None
        known = association.tracklets.rows[row]
        board, _, camera = open_.camera.partition("/")
        if decision.before:
            self.state.count("revised")
        fields = {
            "v": VERSION,
            "event": "identity",
            "event_id": f"{decision.number}-{2 if decision.is_settled else 1}",
            "t_utc": stamp(now_s),
            "global_id": decision.person,
            "before": decision.before or None,
            "board": board,
            "camera": camera,
            "run": open_.run,
            "id": open_.id,
            "stay": open_.stay,
            "first_utc": stamp(float(known["first"])),
            "last_utc": stamp(float(known["last"])),
        }
        self.state.post(f"{self.config.mqtt.prefix}/fleet/identities", json.dumps(fields))

    def _camera(self, name: str) -> int:
        number = self.cameras.get(name)
        if number is None:
            number = len(self.cameras)
            self.state.add_camera(number, name)
            self.cameras[name] = number
            for key, transits in self._transits.items():
                self._configure(transits)
                self.associations[key].cameras = len(self.cameras)
        return number

    def _bundle(self, sighting: Sighting, size: int) -> Bundle:
        key = sighting.network, sighting.class_name
        bundle = self._bundles.get(key)
        if bundle is None:
            bundle = self._bundles[key] = Bundle(len(self._bundles), *key, size)
            self.state.add_bundle(bundle)
            self._transits[bundle.number] = self._new_transits()
            self.associations[bundle.number] = self._new_association(bundle)
        return bundle

    def _new_association(self, bundle: Bundle) -> Association:
        how = self.config.association
        association = Association(bundle.size, self._transits[bundle.number], how.window_s, how.absence_s)
        association.cameras = max(1, len(self.cameras))
        return association

    def _new_transits(self) -> Transits:
        transits = Transits(self.config.association.absence_s)
        self._configure(transits)
        return transits

    def _configure(self, transits: Transits) -> None:
        """Tell of the configured limits and overlaps between those cameras that there are."""
        for transit in self.config.transit:
            if transit.start in self.cameras and transit.end in self.cameras:
                transits.limit(self.cameras[transit.start], self.cameras[transit.end], transit.least_s, transit.most_s)
        for overlap in self.config.overlap:
            transits.overlap(self.cameras[name] for name in overlap.cameras if name in self.cameras)

    def _load(self, now_s: float) -> None:
        """Go on where the last process was."""
        names = {number: name for name, number in self.cameras.items()}
        for bundle in self._bundles.values():
            self.associations[bundle.number] = self._new_association(bundle)
        reach_s = max(self.config.association.absence_s, self.config.association.window_s)
        for row in self.state.tracklets(now_s - reach_s):
            record = np.zeros((), TRACKLET)
            for name in ("camera", "person", "is_over", "is_settled"):
                record[name] = getattr(row, name)
            record["first"], record["last"], record["told"] = row.first_s, row.last_s, row.told_s
            self.associations[row.bundle].restore(row.number, record, row.vectors)
            self._open[row.number] = _Open(names[row.camera], row.run, row.id, row.stay, row.bundle)
            self._runs[row.camera] = row.run
        for association in self.associations.values():
            association.relearn()
        for way in self.state.ways(now_s - _LEARN_S):
            self.associations[way.bundle].learn_way(way.start, way.end, way.gap_s, way.at_s)


def stamp(utc_s: float) -> str:
    """Seconds since 1970 as ISO 8601."""
    return datetime.fromtimestamp(utc_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""A fleet of 200 boards: how long an identity takes, memory, CPU; and what is lost when its parts are killed.

    python -m benchmarks.endurance.fleet [--boards 200] [--people-a-day 20000] [--minutes 10] [--kill]

Boards are simulated: a connection each to a real mosquitto with logins, over which they say what
`benchmarks.endurance.walkers` lets people do. `nanotrack fleet` runs as a process of its own. With `--kill` the broker,
the fleet and boards are killed (SIGKILL; a board: its connection and all it remembers but what the broker has not
acknowledged) at random and started again; then every event must be in the fleet's file once, and every tracklet must
have been given exactly one first identity.
"""

import argparse
import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.endurance.walkers import Said, Walkers
from benchmarks.field import Broker, free_port, wait_for
from benchmarks.results import table, write_section

_LOGINS = {"fleet": "a", "board": "b", "watch": "c"}
_DAY_S = 86_400
_SAMPLE_S = 10.0
_PARTS = ("broker", "fleet", "board")  # that are killed
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def client_of(user: str, name: str, port: int, *, clean: bool = True, **calls: Any) -> Any:
    """A client of the broker that connects again whenever it must; `calls` are what the library shall call."""
    import paho.mqtt.client as paho

    made = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
    made.username_pw_set(user, _LOGINS[user])
    made.reconnect_delay_set(1, 2)
    for call, function in calls.items():  # before it connects, which may be at once
        setattr(made, call, function)
    made.connect_async("127.0.0.1", port)
    made.loop_start()
    return made


class Board:
    """A simulated board: it says again what the broker has not acknowledged, also after having been killed."""

    def __init__(self, name: str, port: int):
        self._name, self._port = name, port
        self._waiting: dict[int, Said] = {}  # by the library's numbers
        self._connect()

    def say(self, said: Said) -> None:
        """Publish with QoS 1; the library sends it when there is a connection."""
        for number in [number for number in self._waiting if number in self._taken]:
            del self._waiting[number]
        self._waiting[self._client.publish(said.topic, said.payload, qos=1).mid] = said

    def kill(self) -> None:
        """End without a goodbye and begin anew."""
        left = [said for number, said in self._waiting.items() if number not in self._taken]
        self.close()
        self._connect()
        self._waiting = {self._client.publish(said.topic, said.payload, qos=1).mid: said for said in left}

    @property
    def is_done(self) -> bool:
        """Whether the broker has everything."""
        return self._taken >= set(self._waiting)

    def _connect(self) -> None:
        taken = self._taken = set[int]()
        self._client = client_of(
            "board", self._name, self._port, on_publish=lambda client, data, number, *rest: taken.add(number)
        )

    def close(self) -> None:
        """Hang up."""
        if self._client.socket() is not None:
            self._client.socket().close()
        self._client.loop_stop()


class Site:
    """Broker, fleet, boards and somebody who hears every identity, in `folder`."""

    def __init__(self, folder: Path, boards: int):
        self.folder = folder
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        for user, password in _LOGINS.items():
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, password], check=True, capture_output=True)
        (folder / "secret").touch(mode=0o600)
        (folder / "secret").write_text(f"fleet:{_LOGINS['fleet']}")
        settings = (
            "allow_anonymous false", f"password_file {passwords}", "user root", "persistence true",
            f"persistence_location {folder}/", "autosave_on_changes true", "autosave_interval 1",
            "max_queued_messages 0",
        )  # fmt: skip
        self.broker = Broker(folder, "\n".join(settings))
        self.web_port = free_port()
        self.config = folder / "fleet.toml"
        self.config.write_text(
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\ncredentials = "{folder}/secret"\n'
            f'[state]\npath = "{folder}/fleet.db"\n[web]\nport = {self.web_port}\n'
        )
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self.is_online = threading.Event()
        self.watch = client_of(
            "watch", "watch", self.broker.port, clean=False,
            on_connect=lambda client, *rest: client.subscribe("site/fleet/#", qos=1), on_message=self._hear,
        )  # fmt: skip
        self.start_fleet()
        self.boards = {f"board{k}": Board(f"board{k}", self.broker.port) for k in range(boards)}

    def start_fleet(self) -> None:
        """Start `nanotrack fleet`; it need not be online yet."""
        command = [sys.executable, "-m", "edge.cli", "fleet", "--config", str(self.config)]
        with (self.folder / "fleet.log").open("a") as log:
            self.fleet = subprocess.Popen(command, stderr=log)

    def kill_fleet(self) -> None:
        """Kill it and start it again."""
        self.fleet.kill()
        self.fleet.wait()
        self.start_fleet()

    def kill_broker(self) -> None:
        """Kill it and start it again."""
        self.broker.kill()
        self.broker.start()

    def usage(self) -> tuple[float, float]:
        """The fleet's resident memory in MiB, and its CPU time in seconds."""
        stat = Path(f"/proc/{self.fleet.pid}/stat").read_text().rpartition(") ")[2].split()
        return int(stat[21]) * _PAGE_MIB, (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def stored(self) -> int:
        """How many events are in the fleet's file."""
        with sqlite3.connect(f"file:{self.folder / 'fleet.db'}?mode=ro", uri=True, timeout=30) as database:
            return int(database.execute("SELECT count(*) FROM events").fetchone()[0])

    def close(self) -> None:
        """End everything."""
        for board in self.boards.values():
            board.close()
        self.watch.loop_stop()
        self.fleet.terminate()
        self.fleet.wait()
        self.broker.kill()

    def _hear(self, client: Any, data: Any, message: Any) -> None:
        if message.topic == "site/fleet/status" and message.payload == b"online":
            self.is_online.set()
        if message.topic == "site/fleet/identities":
            self.heard.append((time.time(), json.loads(message.payload)))


def run(site: Site, walkers: Walkers, minutes: float, *, kill: bool, seed: int) -> dict[str, float]:
    """Let people walk for so long; what was measured, and what went wrong."""
    rng = random.Random(seed)
    assert site.is_online.wait(300), "the fleet does not start"
    begin_s = time.time()
    _, cpu_before_s = site.usage()
    said_s: dict[tuple[str, str, int], float] = {}
    samples: list[float] = []
    events, kills = 0, Counter[str]()
    next_kill_s, next_sample_s = begin_s + 10, begin_s
    for said in walkers.messages(begin_s + 2, begin_s + 60 * minutes):
        if said.time_s > begin_s + 60 * minutes:
            break
        while (wait_s := said.time_s - time.time()) > 0:
            time.sleep(min(wait_s, 0.5))
        if time.time() > next_sample_s:
            samples.append(site.usage()[0])
            next_sample_s += _SAMPLE_S
        if kill and time.time() > next_kill_s:
            next_kill_s = time.time() + rng.uniform(8, 20)
            victim = rng.choice(_PARTS)
            kills[victim] += 1
            if victim == "board":
                rng.choice(list(site.boards.values())).kill()
            else:
                site.kill_broker() if victim == "broker" else site.kill_fleet()
        board, camera = said.topic.split("/")[1:3]
        fields = json.loads(said.payload)
        said_s.setdefault((board, camera, fields["id"]), time.time())
        site.boards[board].say(said)
        events += 1
    cpu_s, wall_s = site.usage()[1] - cpu_before_s, time.time() - begin_s
    wait_for(lambda: all(board.is_done for board in site.boards.values()), "boards cannot deliver", 300)
    wait_for(lambda: site.stored() >= events, f"{events - site.stored()} events are lost", 300)
    with contextlib.suppress(AssertionError):  # what is missing then is counted below
        wait_for(lambda: set(said_s) <= set(firsts(site.heard)), "identities are missing", 60)
    first = firsts(site.heard)
    waits_s = [first[key][0] - at_s for key, at_s in said_s.items() if key in first]
    return {
        "events": events,
        "lost": events - site.stored(),
        "without identity": sum(key not in first for key in said_s),
        "doubled": sum(len(times) > 1 for times in first.values()),
        "tracklets": len(said_s),
        **identities(site.heard, walkers),
        "p50 ms": 1e3 * float(np.quantile(waits_s, 0.5)),
        "p99 ms": 1e3 * float(np.quantile(waits_s, 0.99)),
        "MiB first": samples[0],
        "MiB last": samples[-1],
        **({f"{name} killed": float(kills[name]) for name in _PARTS} if kill else {"CPU %": 100 * cpu_s / wall_s}),
    }


def firsts(heard: list[tuple[float, dict[str, Any]]]) -> dict[tuple[str, str, int], list[float]]:
    """When the first identity of each tracklet was heard, each message once; more than one time is a mistake."""
    first: dict[tuple[str, str, int], list[float]] = {}
    known: set[str] = set()
    for at_s, event in list(heard):
        if event["event_id"] not in known and event["before"] is None:
            first.setdefault((event["board"], event["camera"], event["id"]), []).append(at_s)
        known.add(event["event_id"])
    return first


def identities(heard: list[tuple[float, dict[str, Any]]], walkers: Walkers) -> dict[str, float]:
    """How many people came, how many identities they have, and how often they kept theirs at a further camera."""
    people: dict[int, dict[int, int]] = {}
    for _, event in list(heard):
        person, visit = walkers.visit_of(event["id"])
        people.setdefault(person, {})[visit] = event["global_id"]  # the newest is what counts
    steps = [
        before == after
        for visits in people.values()
        for before, after in pairwise([visits[visit] for visit in sorted(visits)])
    ]
    return {
        "people": len(people),
        "identities": len({identity for visits in people.values() for identity in visits.values()}),
        "kept %": 100 * sum(steps) / max(1, len(steps)),
    }


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=200)
    parser.add_argument("--people-a-day", type=float, default=20_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kill", action="store_true", help="kill broker, fleet and boards at random")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    site = Site(Path(tempfile.mkdtemp()), args.boards)
    try:
        walkers = Walkers(args.boards, 1, args.people_a_day / _DAY_S, seed=args.seed, size=512)
        found = run(site, walkers, args.minutes, kill=args.kill, seed=args.seed)
    finally:
        site.close()
    print(json.dumps(found, indent=1), flush=True)
    columns = ["", "measured"]
    rows = [[name, f"{value:.0f}"] for name, value in found.items()]
    how = "killed at random" if args.kill else "undisturbed"
    body = (
        f"{args.boards} simulated boards with a connection each, {args.people_a_day:g} people a day that come by four"
        f" cameras on average, {args.minutes:g} minutes, {how}. Milliseconds are from a board's message to the global"
        " identity that another client hears"
        + (", with the time until what was killed is back" if args.kill else "")
        + ".\n\n"
        + table(columns, rows)
    )
    command = f"python -m benchmarks.endurance.fleet --minutes {args.minutes:g}{' --kill' if args.kill else ''}"
    name = "fleet_kills" if args.kill else "fleet_scale"
    title = "A fleet whose parts are killed" if args.kill else "A fleet of 200 boards"
    write_section(name, title, body, command, ("paho-mqtt", "numpy"))


if __name__ == "__main__":
    main()

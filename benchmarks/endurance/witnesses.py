"""What is seen of a daemon from outside: the lines it wrote, the messages it sent, its metrics, its vital signs."""

import http.client
import json
import os
import re
import ssl
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = dict[str, Any]


@dataclass
class Account:
    """What one witness saw of one run of a camera: times by the numbers of frames, and by those of identities.

    `repeated` counts events that came more than once. `crossings` are (line, direction, identity, time) with the line's
    total in that direction; `named` are the files that events promise, with the time of the first promise, `told` those
    of which was told that they were written.
    """

    camera: str
    frames_s: dict[int, float] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)
    born_s: dict[int, float] = field(default_factory=dict)
    ended_s: dict[int, float] = field(default_factory=dict)
    is_in_order: bool = True
    repeated: int = 0
    crossings: dict[tuple[str, str, int, float], int] = field(default_factory=dict)
    named: dict[str, float] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def note(self, line: Line) -> None:
        """A frame or an event of this run."""
        at_s = line["t_mono_ns"] / 1e9
        if "frame" in line:
            self.is_in_order &= line["frame"] > next(reversed(self.frames_s), 0)
            self.frames_s[line["frame"]] = at_s
            self.shown |= {track["id"] for track in line["tracks"]}
            for track in line["tracks"]:
                self._note_files(track, at_s)
        elif line["event"] in ("new", "end"):
            times_s = self.born_s if line["event"] == "new" else self.ended_s
            self.repeated += line["id"] in times_s
            times_s[line["id"]] = at_s
        elif line["event"] == "line":
            crossing = line["line"], line["direction"], line["id"], at_s
            self.repeated += crossing in self.crossings
            self.crossings[crossing] = line[line["direction"]]
        elif line["event"] == "file":
            self.told.add(line["file"])
        if "event" in line:
            self._note_files(line, at_s)

    def _note_files(self, what: Line, at_s: float) -> None:
        for kind in ("snapshot", "clip"):
            if kind in what:
                self.named.setdefault(what[kind], at_s)


class Reader:
    """Reads the JSON lines of `folder`, each file once it is finished, so often that none is removed before.

    `accounts` are by run; `torn` holds lines that are none, or that `check` finds mistakes in.
    """

    def __init__(self, folder: Path, check: Callable[[Line], list[str]]):
        self.accounts: dict[str, Account] = {}
        self.torn: list[str] = []
        self.lines = 0
        self._folder, self._check = folder, check
        self._last = ""

    def read_finished(self) -> None:
        """Read what was put aside since the last call."""
        for path in sorted(self._folder.glob("tracks-*.jsonl")):
            if path.name > self._last:
                self._read(path)
                self._last = path.name

    def read_rest(self) -> None:
        """Read all that is left, once nobody writes any more."""
        self.read_finished()
        self._read(self._folder / "tracks.jsonl")

    def _read(self, path: Path) -> None:
        text = path.read_text("utf-8")
        if text and not text.endswith("\n"):
            self.torn.append(f"{path.name} ends with half a line")
        for row in text.splitlines():
            self.lines += 1
            try:
                line = json.loads(row)
                mistakes = self._check(line)
            except ValueError:
                mistakes = ["is no JSON"]
            if mistakes:
                self.torn.append(f"{path.name}: {mistakes[0]}: {row[:80]}")
            else:
                self.accounts.setdefault(line["run"], Account(line["camera"])).note(line)


class Listener:
    """Hears all that is published under `nanotrack/`, with a session that outlives the broker's restarts.

    `latencies` are (time of arrival, camera, seconds since the capture) of every frame; `statuses` the daemon's own,
    with their times.
    """

    def __init__(self, port: int):
        import paho.mqtt.client as paho

        self.accounts: dict[str, Account] = {}
        self.latencies: list[tuple[float, str, float]] = []
        self.statuses: list[tuple[float, str]] = []
        self.newest_s: dict[str, float] = defaultdict(float)
        self._ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="witness", clean_session=False)
        self._client.on_connect = lambda client, *rest: client.subscribe("nanotrack/#", qos=1)
        self._client.on_subscribe = lambda *rest: self._ready.set()
        self._client.on_message = self._hear
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._ready.wait(10)

    def close(self) -> None:
        """Listen no more."""
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, client: object, data: object, message: Any) -> None:
        now_s = time.monotonic()
        topic = message.topic.split("/")
        if topic[1:] == ["status"] and not message.retain:
            self.statuses.append((now_s, message.payload.decode()))
        elif topic[-1] in ("tracks", "events") and len(topic) == 3:
            line = json.loads(message.payload)
            self.accounts.setdefault(line["run"], Account(line["camera"])).note(line)
            if "frame" in line:
                taken_s = line["t_mono_ns"] / 1e9
                self.newest_s[line["camera"]] = taken_s
                self.latencies.append((now_s, line["camera"], now_s - taken_s))


@dataclass(frozen=True)
class Sign:
    """The vital signs of a process at one time: memory it holds, threads, open files, CPU seconds since its start."""

    at_s: float
    rss_mib: float
    threads: int
    files: int
    cpu_s: float


def sign_of(pid: int) -> Sign:
    """The vital signs now."""
    text = Path(f"/proc/{pid}/status").read_text()
    rss_kib, threads = (int(re.findall(rf"{name}:\s+(\d+)", text)[0]) for name in ("VmRSS", "Threads"))
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    cpu_s = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return Sign(time.monotonic(), rss_kib / 1024, threads, len(os.listdir(f"/proc/{pid}/fd")), cpu_s)


class Pages:
    """The daemon's pages at `address`; `certificate` is the server's own."""

    def __init__(self, address: str, certificate: Path):
        self.address = address
        self.context = ssl.create_default_context(cafile=str(certificate))

    def open(self, path: str, timeout_s: float = 5.0) -> Any:
        """The answer to a request, to be read and closed. Raises OSError."""
        return urllib.request.urlopen(self.address + path, timeout=timeout_s, context=self.context)

    def get(self, path: str, timeout_s: float = 5.0) -> str:
        """What there is at `path`. Raises OSError."""
        try:
            with self.open(path, timeout_s) as response:
                text: str = response.read().decode()
                return text
        except http.client.HTTPException as error:  # half an answer
            raise OSError(str(error)) from error

    def metrics(self) -> dict[str, float]:
        """All metrics by their names with labels. Raises OSError."""
        rows = (row.rpartition(" ") for row in self.get("/metrics").splitlines() if not row.startswith("#"))
        return {name: float(value) for name, _, value in rows}

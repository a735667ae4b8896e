"""Faults that befall a site, one after the other: begun, lifted after a while, and over once all is well again."""

import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Protocol

from benchmarks.endurance.site import SIZES, Site

# After so long a fault that was lifted counts as not recovered from: the longest pause of a camera that is connected
# anew, or of a broker's client, is 30 s.
PATIENCE_S = 60.0
_CALM_S = (4.0, 9.0)


@dataclass(frozen=True)
class Outcome:
    """A fault that befell `victim` from `began_s` to `lifted_s`; all was well again at `over_s`, None: never."""

    name: str
    victim: str
    began_s: float
    lifted_s: float
    over_s: float | None


class Fault(Protocol):
    """One kind of fault; `hold_s` is the range of how long it is held. It befalls `victim`."""

    name: str
    victim: str
    hold_s: tuple[float, float]

    def begin(self, site: Site, random: Random) -> None:
        """Let it happen."""

    def lift(self, site: Site, random: Random) -> None:
        """Take its cause away."""

    def is_over(self, site: Site, lifted_s: float) -> bool:
        """Whether all is well again, by what is seen from outside."""


class CameraKilled:
    """An RTSP server dies in the middle of a group of pictures, and comes back with another size."""

    name, hold_s = "RTSP camera killed, back with another size", (4.0, 15.0)

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        self.victim = random.choice(sorted(site.cameras))
        site.cameras[self.victim].kill()

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.cameras[self.victim].start(random.choice(SIZES))

    def is_over(self, site: Site, lifted_s: float) -> bool:
        """See `Fault`."""
        return site.listener.newest_s[self.victim] > lifted_s


class CameraPaused(CameraKilled):
    """An RTSP server says nothing any more and does not hang up."""

    name, hold_s = "RTSP camera hangs", (4.0, 12.0)

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        self.victim = random.choice(sorted(site.cameras))
        site.cameras[self.victim].process.send_signal(signal.SIGSTOP)

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.cameras[self.victim].process.send_signal(signal.SIGCONT)


class BrokerKilled:
    """The broker dies and comes back."""

    name, victim, hold_s = "MQTT broker killed", "mqtt", (2.0, 15.0)

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.broker.kill()

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.broker.start()

    def is_over(self, site: Site, lifted_s: float) -> bool:
        """See `Fault`."""
        return any(at_s > lifted_s and status == "online" for at_s, status in site.listener.statuses[-3:])


class BrokerPaused(BrokerKilled):
    """The broker says nothing any more and does not hang up."""

    name = "MQTT broker hangs"

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.broker.process.send_signal(signal.SIGSTOP)

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.broker.process.send_signal(signal.SIGCONT)

    def is_over(self, site: Site, lifted_s: float) -> bool:
        """See `Fault`."""
        return site.listener.newest_s["lobby"] > lifted_s


class DiskFull:
    """The disk is full to the last byte."""

    name, victim, hold_s = "disk full", "jsonl", (3.0, 15.0)

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.disk.fill()

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.disk.free()

    def is_over(self, site: Site, lifted_s: float) -> bool:
        """See `Fault`."""
        newest = site.disk.folder / "tracks.jsonl"
        return newest.exists() and newest.stat().st_size > 0 and newest.stat().st_mtime > _wall_s(lifted_s)


class Reload:
    """SIGHUP with a good configuration that adds or removes a zone, and changes the size of files."""

    name, victim, hold_s = "SIGHUP, good configuration", "street", (0.0, 1.0)
    _says = "new configuration"

    def __init__(self) -> None:
        self._is_changed = False

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        self._is_changed = not self._is_changed
        site.configure(is_changed=self._is_changed)
        self._before = self._told(site)
        site.daemon.process.send_signal(signal.SIGHUP)

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""

    def is_over(self, site: Site, lifted_s: float) -> bool:
        """See `Fault`."""
        return self._told(site) > self._before and site.listener.newest_s["street"] > lifted_s

    def _told(self, site: Site) -> int:
        return site.daemon.log.read_text().count(self._says)


class BadReload(Reload):
    """SIGHUP with mistakes in the configuration; the file is mended afterwards."""

    name, victim, hold_s = "SIGHUP, bad configuration", "", (2.0, 4.0)
    _says = "the old configuration stays"

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        self._good = site.config.read_text()
        broken = [self._good + "[mistake]\n", self._good.replace(".pack", ".none"), "[model\n" + self._good]
        site.config.write_text(random.choice(broken))
        self._before = self._told(site)
        site.daemon.process.send_signal(signal.SIGHUP)

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        site.config.write_text(self._good)


class RudeClients:
    """Clients of the web server that say half of what they want, or never read what they get, in greater number than
    it has places: half of them over TLS, the others do not even begin it."""

    name, victim, hold_s = "rude web clients", "web", (8.0, 15.0)
    _requests = (
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1",
        b"GET /camera/lobby.mjpeg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + bytes(100_000),
        b"",
    )
    _number = 80

    def begin(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        self._sockets: list[socket.socket] = []
        port = int(site.pages.address.rpartition(":")[2])
        for number in range(self._number):
            with suppress(OSError):  # refused or hung up on: as it should be
                client = socket.create_connection(("127.0.0.1", port), timeout=1)
                self._sockets.append(client)
                if number % 2:
                    client = site.pages.context.wrap_socket(client, server_hostname="127.0.0.1")
                    self._sockets[-1] = client
                client.sendall(self._requests[number // 2 % len(self._requests)])

    def lift(self, site: Site, random: Random) -> None:
        """See `Fault`."""
        for client in self._sockets:
            client.close()

    def is_over(self, site: Site, lifted_s: float) -> bool:
        """See `Fault`."""
        with suppress(OSError):
            return '"running"' in site.pages.get("/healthz", 1.0)
        return False


def all_faults() -> list[Fault]:
    """One of each kind."""
    return [
        CameraKilled(),
        CameraPaused(),
        BrokerKilled(),
        BrokerPaused(),
        DiskFull(),
        Reload(),
        BadReload(),
        RudeClients(),
    ]


def befall(site: Site, faults: Sequence[Fault], random: Random, until_s: float) -> Iterator[Outcome]:
    """Let each fault happen once, in random order, and again, until `until_s`; calm in between."""
    while True:
        for fault in random.sample(faults, len(faults)):
            time.sleep(random.uniform(*_CALM_S))
            if time.monotonic() + fault.hold_s[1] > until_s:
                return
            yield _befall(site, fault, random)


def _befall(site: Site, fault: Fault, random: Random) -> Outcome:
    began_s = time.monotonic()
    fault.begin(site, random)
    time.sleep(random.uniform(*fault.hold_s))
    lifted_s = time.monotonic()
    fault.lift(site, random)
    while not fault.is_over(site, lifted_s):
        if time.monotonic() > lifted_s + PATIENCE_S:
            return Outcome(fault.name, fault.victim, began_s, lifted_s, None)
        time.sleep(0.1)
    return Outcome(fault.name, fault.victim, began_s, lifted_s, time.monotonic())


def _wall_s(mono_s: float) -> float:
    """The wall clock's time at `mono_s`, which file systems go by."""
    return mono_s + time.time() - time.monotonic()

"""What surrounds a daemon in the field, real and on this machine: a broker, an RTSP camera, a small disk, a manager.

For the tests of the daemon and for the benchmarks that run one.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
OPENSSL = shutil.which("openssl")
# GStreamer's bindings come from the distribution and belong to its own Python.
SYSTEM_PYTHON = "/usr/bin/python3"
_RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")
_PROBE = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0');"
    " from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    " assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
)

# How long a test waits for what must come. It is no measurement: on a busy machine everything comes late.
PATIENCE_S = 120.0
# Below the ports that Linux hands out itself, so that no client or server of another test gets one of these.
_PORTS = range(20_000, 30_000)
_reserved: list[int] = []  # open files whose locks say that a port is taken

FFMPEG = shutil.which("ffmpeg")


def wait_for(done: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> float:
    """Wait until `done`; the seconds that it took. Raises AssertionError with `what` where it does not come."""
    began_s = time.monotonic()
    while not done():
        assert time.monotonic() < began_s + timeout_s, what
        time.sleep(0.02)
    return time.monotonic() - began_s


def free_port() -> int:
    """A TCP port that nobody listens on, kept for this process until it ends, also while its server is away."""
    for port in _PORTS:
        lock = os.open(Path(tempfile.gettempdir()) / f"nanotrack-test-port-{port}", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            os.close(lock)
            continue
        _reserved.append(lock)
        return port
    raise AssertionError("every port for tests is taken")


def has_gstreamer() -> bool:
    """Whether GStreamer's RTSP server and its Python bindings are installed."""
    return (
        Path(SYSTEM_PYTHON).exists()
        and not subprocess.run([SYSTEM_PYTHON, "-c", _PROBE], capture_output=True).returncode
    )


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key in `folder`."""
    certificate, key = folder / "web.pem", folder / "web.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    names = ["-subj", "/CN=board", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *files, *names], check=True, capture_output=True)
    return certificate, key


class Broker:
    """mosquitto on a port of its own; it can be killed and started again, and then has forgotten everything."""

    def __init__(self, folder: Path, more: str = "allow_anonymous true"):
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\n{more}\n")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert MOSQUITTO is not None
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers, "mosquitto does not answer")

    def kill(self) -> None:
        """Kill it as a power cut does."""
        self.process.kill()
        self.process.wait()

    def remember(self) -> None:
        """With `persistence` in `more`: write down who has subscribed, which it then knows after being killed."""
        self.process.send_signal(signal.SIGUSR1)
        written = self._config.with_name("mosquitto.db")
        wait_for(lambda: written.exists() and written.stat().st_size > 0, "mosquitto writes nothing down")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class RtspCamera:
    """GStreamer's RTSP server on a port of its own; `show` is what it sends, see `rtsp_server.py`.

    `transport` is the only one that it offers, "any" for all.
    """

    def __init__(self, *show: str, transport: str = "any") -> None:
        self.port = free_port()
        self.address = f"rtsp://127.0.0.1:{self.port}/x"
        self._show = (transport, *show)

    def start(self, size: str) -> None:
        """Send pictures of `size`, such as "320x240"."""
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, str(_RTSP_SERVER), str(self.port), size, *self._show],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Pull the plug; harmless when called again."""
        self.process.kill()
        self.process.communicate()


class SmallDisk:
    """A file system of `mib` at `folder`, in memory, which can be filled to the last byte. Needs root: `may_mount`."""

    def __init__(self, folder: Path, mib: int):
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], check=True)
        self.folder = folder
        self._ballast = folder / "ballast"

    @staticmethod
    def may_mount() -> bool:
        """Whether this process may make one."""
        return os.geteuid() == 0 and shutil.which("mount") is not None

    def fill(self) -> None:
        """Take every byte that is free."""
        with self._ballast.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink()

    def close(self) -> None:
        """Take the file system away."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class Manager:
    """A service manager that listens: `heard` are its messages with the time they came."""

    def __init__(self, path: Path):
        self.heard: list[tuple[float, str]] = []
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while message := self._socket.recv(4096):
                self.heard.append((time.monotonic(), message.decode()))


class Served:
    """`nanotrack serve` in a process of its own; what it logs lies in `log`."""

    def __init__(self, config: Path, manager: Manager, **environment: str):
        self.manager = manager
        self.log = config.with_name("daemon.log")
        self._heard = len(manager.heard)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "serve", "--config", str(config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "4000000", **environment},
            )

    def hear(self, wanted: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait for a message to the service manager that contains `wanted`, after those waited for before."""
        wait_for(lambda: self._hears(wanted), f"no {wanted}", timeout_s)

    def stop(self, signal_: int = signal.SIGTERM) -> tuple[int, float, str]:
        """Exit code, seconds until the end, and all that was logged."""
        began_s = time.monotonic()
        self.process.send_signal(signal_)
        code = self.process.wait(timeout=PATIENCE_S)
        return code, time.monotonic() - began_s, self.log.read_text()

    def kill(self) -> None:
        """Kill it as the kernel does; harmless when called again."""
        self.process.kill()
        self.process.wait()

    def _hears(self, wanted: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        for index in range(self._heard, len(self.manager.heard)):
            if wanted in self.manager.heard[index][1]:
                self._heard = index + 1
                return True
        return False

"""A worker's child in which some recordings do what no file can be made to do for sure. By the name of the file."""

import os
import signal
import time
from pathlib import Path

import edge.video.open
from edge.batch import child, task
from edge.types import Frame, Image
from edge.video.source import Source

CHILD = "from tests.batch.faults import main; main()"
BLIND = "from tests.batch.faults import blind; blind()"
_MIB = 1 << 20


class Endless:
    """A source whose first frames come again and again."""

    def __init__(self, source: Source) -> None:
        self._source, self._number = source, 0
        self.size, self.frame_rate, self.frame_count, self.is_live = source.size, source.frame_rate, None, False

    def read(self, buffer: Image | None) -> Frame:
        frame = self._source.read(buffer)
        self._number += 1
        if frame is None:
            time.sleep(0.01)
            assert buffer is not None
            return Frame(buffer, self._number, self._number / self.frame_rate)
        return frame

    def close(self) -> None:
        self._source.close()


def main() -> None:
    """As `edge.batch.child.main`, with faults."""

    def open_source(address: str, frame_rate: float | None) -> Source:
        name = Path(address).stem
        if name == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "exit":
            os.write(1, b"last words\n")
            os._exit(3)
        if name == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            time.sleep(1e6)
        if name == "hog":
            hoard = []
            while True:
                hoard.append(bytearray(os.urandom(_MIB)) * 16)
                time.sleep(0.01)
        if name == "victim":
            os.kill(os.getpid(), signal.SIGKILL)
        once = Path(address).with_suffix(".once")
        if once.exists():
            once.unlink()
            os.kill(os.getpid(), signal.SIGABRT)
        source = edge.video.open.open_source(address, frame_rate)
        return Endless(source) if name == "endless" else source

    task.open_source = open_source  # type: ignore[attr-defined, assignment]
    child.main()


def blind() -> None:
    """As `edge.batch.child.main`, but no pictures can be opened."""

    def open_source(address: str, frame_rate: float | None) -> Source:
        raise AssertionError(f"{address} was opened")

    task.open_source = open_source  # type: ignore[attr-defined, assignment]
    child.main()

"""The timings of INT8 against fp32 that were measured on this machine, a file for each network."""

import contextlib
import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.errors import OutputError
from edge.infer import storage
from edge.infer.turns import LEAST_GAIN
from edge.modelpack import Variant
from edge.schema import build

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one run of each variant on one machine."""

    int8_ms: float
    fp32_ms: float
    machine: str

    @property
    def int8_is_faster(self) -> bool:
        """Whether INT8 is worth it: of two that are equally fast fp32 is taken, which is right by definition."""
        return self.fp32_ms >= LEAST_GAIN * self.int8_ms

    def __str__(self) -> str:
        return f"int8 takes {self.int8_ms:.1f} ms, fp32 {self.fp32_ms:.1f} ms on {self.machine}"


def path_of(folder: Path, int8: Variant, fp32: Variant, threads: int, machine: str) -> Path:
    """The file in `folder` for the timing of these two files with so many threads on `machine`."""
    digest = hashlib.sha256(json.dumps([int8.sha256, fp32.sha256, threads, machine]).encode()).hexdigest()
    return folder / f"choice-{digest[:32]}.json"


def load(path: Path) -> Timing | None:
    """The timing in `path`; None where there is none, or the file is damaged."""
    try:
        return build(Timing, json.loads(path.read_text("utf-8")))[0]
    except (OSError, ValueError):
        return None


def store(path: Path, timing: Timing) -> None:
    """Keep `timing`; a folder that cannot be written only costs the time to measure again, and a line in the log."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        storage.write(path, json.dumps(asdict(timing)).encode())
    except OutputError as error:
        logger.warning("%s; the next start measures again", error)

"""What this board found out about OpenVINO and one network, and the compiled networks: files that are loaded later.

A compiled network is executable code in effect, so it is read back only from a private folder and by its hash.
"""

import contextlib
import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.errors import OutputError
from edge.infer import storage
from edge.infer.reasons import Reason, RungError
from edge.schema import build

logger = logging.getLogger(__name__)

_PASSING = {Reason.TIMEOUT.value, Reason.OUT_OF_MEMORY.value, Reason.OPENVINO_BROKEN.value}


@dataclass(frozen=True)
class Trial:
    """What came of one rung: `reason` (the value of a `Reason`) with `detail` where it failed, else "" and the
    milliseconds of a run. `compiled_sha256` is the hash of the compiled network, "" where none was kept."""

    rung: str
    reason: str
    detail: str
    ms: float | None = None
    compiled_sha256: str = ""

    def require_right(self) -> None:
        """Return when the network opened and computed what the pack says; raises RungError with the reason."""
        if self.reason:
            raise RungError(Reason(self.reason), self.detail)


@dataclass(frozen=True)
class Contest:
    """All rungs of one network that a CPU can climb, tried and timed in turns on `machine`."""

    machine: str
    trials: tuple[Trial, ...]

    def __getitem__(self, rung: str) -> Trial:
        return next(trial for trial in self.trials if trial.rung == rung)


def path_of(folder: Path, question: object) -> Path:
    """The file in `folder` with the answer to `question`: all that it depends on, as plain data."""
    digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
    return folder / f"openvino-{digest[:32]}.json"


def compiled_path(path: Path, rung: str) -> Path:
    """Where the compiled network of `rung` lies beside the answer in `path`."""
    return path.with_name(f"{path.stem}-{rung}.blob")


def load(path: Path) -> Contest | None:
    """The contest in `path`; None where there is none, others could have written it, or it is damaged."""
    try:
        storage.require_private(path.parent)
        return build(Contest, json.loads(storage.read_private(path)))[0]
    except (OSError, RungError, ValueError):  # no folder yet
        return None


def load_compiled(path: Path, trial: Trial) -> bytes | None:
    """The compiled network of a rung, None where it is not there as it was written."""
    with contextlib.suppress(OSError, RungError):
        storage.require_private(path.parent)
        content = storage.read_private(compiled_path(path, trial.rung))
        if hashlib.sha256(content).hexdigest() == trial.compiled_sha256:
            return content
    return None


def store(path: Path, contest: Contest) -> None:
    """Keep `contest`, unless a rung failed in a way that may pass: the next start tries again then.

    A folder that cannot be written only costs the time to try again, and a line in the log.
    """
    if any(trial.reason in _PASSING for trial in contest.trials):
        return
    _make(path.parent)
    try:
        storage.write(path, json.dumps(asdict(contest)).encode())
    except OutputError as error:
        logger.warning("%s; the next start tries OpenVINO again", error)


def store_compiled(path: Path, rung: str, content: bytes) -> str:
    """Keep a compiled network; its hash, "" where the folder cannot be written."""
    _make(path.parent)
    try:
        storage.write(compiled_path(path, rung), content)
    except OutputError:
        return ""
    return hashlib.sha256(content).hexdigest()


def _make(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

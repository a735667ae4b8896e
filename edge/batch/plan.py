"""What is left to do: a recording whose manifest tells of the same input and settings is not done again."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from edge.batch.folder import Folder
from edge.batch.manifest import Input, Manifest
from edge.batch.recording import Recording, Settings
from edge.batch.source import seen
from edge.errors import NanoTrackError, UnavailableError

_LOOKERS = 16  # threads that ask file systems and servers


@dataclass(frozen=True)
class Task:
    """A recording to be done, and its input as it was when the run began."""

    recording: Recording
    input: Input


@dataclass
class Plan:
    """`tasks` are to be done, the largest first. `done` recordings are, and `failed` ones were set aside earlier."""

    tasks: list[Task] = field(default_factory=list)
    done: list[Manifest] = field(default_factory=list)
    failed: list[Manifest] = field(default_factory=list)


def plan(recordings: Sequence[Recording], settings: Settings, folder: Folder, *, retry_failed: bool) -> Plan:
    """What is to be done of `recordings`. Raises UnavailableError where something is missing to read them."""

    def look(recording: Recording) -> tuple[Input, Manifest | None]:
        known = folder.manifest(recording.name)
        wanted = settings.sha256_for(recording)
        return _input(recording.address), known if known and known.settings_sha256 == wanted else None

    found = Plan()
    with ThreadPoolExecutor(_LOOKERS) as pool:
        for recording, (input_, known) in zip(recordings, pool.map(look, recordings), strict=True):
            same = known is not None and (known.input.bytes, known.input.stamp) == (input_.bytes, input_.stamp)
            if known is None or not same or (known.status == "done" and not _certain(known, folder)):
                found.tasks.append(Task(recording, input_))
            elif known.status == "done":
                found.done.append(known)
            elif retry_failed:
                found.tasks.append(Task(recording, input_))
            else:
                found.failed.append(known)
    # The last to end are then small ones, and the workers end at about the same time.
    found.tasks.sort(key=lambda task: (-task.input.bytes, task.recording.name))
    return found


def _certain(known: Manifest, folder: Folder) -> bool:
    """Whether the results are there, and the input has a stamp that would tell of a change."""
    return bool(known.input.stamp) and folder.is_complete(known)


def _input(address: str) -> Input:
    """The input as it is now; empty where it cannot be read, which is the worker's to tell."""
    try:
        return seen(address)
    except UnavailableError:
        raise
    except NanoTrackError:
        return Input(0, "")

"""Looking at what a configuration refers to: every check is made, and every mistake found, in one round."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from edge.errors import ConfigError, NanoTrackError
from edge.settings.positions import KeyPath
from edge.settings.toml import Mistake, Reading


class Check(NamedTuple):
    """`act` raises a NanoTrackError where something is wrong with the section `path`, or with its key `at`."""

    path: KeyPath
    at: str
    act: Callable[[], object]


class WaitError(NanoTrackError):
    """What is not there now and will be waited for."""


@dataclass
class Survey:
    """Whether a service would start: it does where there are no `mistakes`.

    `errors` are what was raised for those that a look at files and devices found. `waits` says for what it would wait,
    and why.
    """

    mistakes: list[Mistake]
    errors: list[NanoTrackError]
    waits: list[Mistake]

    def error(self, text: str) -> NanoTrackError:
        """The error to end with: of one kind where all are, such as a missing device, else of the configuration."""
        kinds = {type(error) for error in self.errors}
        is_one = len(kinds) == 1 and len(self.errors) == len(self.mistakes)
        return (kinds.pop() if is_one else ConfigError)(text)


def survey(reading: Reading[Any], checks: Iterable[Check]) -> Survey:
    """The mistakes in the file, and those that `checks` find."""
    found = Survey(list(reading.mistakes), [], [])
    for path, at, act in checks:
        try:
            act()
        except WaitError as error:
            found.waits.append(reading.mistake(path, str(error), at))
        except NanoTrackError as error:
            found.errors.append(error)
            found.mistakes.append(reading.mistake(path, str(error), at))
    return found

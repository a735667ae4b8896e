"""The outputs of the daemon: those that are configured, each behind its queue, and those that were let go."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from edge.events import Event
from edge.settings.config import Config
from edge.sinks.history.output import History
from edge.sinks.hooks import Hooks
from edge.sinks.mot import MotFolder
from edge.sinks.mqtt import MqttOutput
from edge.sinks.output import Output
from edge.sinks.pictures.clips import Clips
from edge.sinks.pictures.snapshots import Snapshots
from edge.sinks.queued import CAPACITY, Queued, close_all
from edge.sinks.rotating import RotatingLines

# By the sections of the configuration. Those that tell of their files come first, and end first.
OUTPUTS: dict[str, Callable[[Any, Hooks], Output]] = {
    "snapshots": lambda settings, hooks: Snapshots(settings, hooks.emit),
    "clips": lambda settings, hooks: Clips(settings, hooks.emit),
    "jsonl": lambda settings, hooks: RotatingLines(settings),
    "mot": lambda settings, hooks: MotFolder(settings),
    "history": lambda settings, hooks: History(settings),
    "mqtt": lambda settings, hooks: MqttOutput(settings, hooks.cameras),
}
# These get frames with pictures and nothing else; so many may wait, some 30 MB of each.
OF_PICTURES = {"snapshots": 8, "clips": 40}


def open_outputs(config: Config, names: Iterable[str], hooks: Hooks) -> dict[str, Queued]:
    """Those of `OUTPUTS` that are configured, not yet started."""
    return {
        name: Queued(name, OUTPUTS[name](settings, hooks), OF_PICTURES.get(name, CAPACITY))
        for name in names
        if (settings := getattr(config, name))
    }


class Outputs:
    """What events go to: `put` by any thread, everything else by the daemon's loop.

    `open` has those that take events, by their sections; the others were asked to end, and may not have ended yet.
    """

    def __init__(self) -> None:
        self.open: dict[str, Queued] = {}
        self._gone: list[Queued] = []

    @property
    def have_ended(self) -> bool:
        """Whether nothing is written any more."""
        return all(output.is_finished for output in (*self.open.values(), *self._gone))

    def put(self, event: Event) -> None:
        """Leave an event for all but those of pictures."""
        for name, output in self.open.items():
            if name not in OF_PICTURES:
                output.put(event)

    def put_to(self, name: str, event: Event) -> None:
        """Leave an event for one of them, if it is configured."""
        if (output := self.open.get(name)) is not None:
            output.put(event)

    def replace(self, names: Collection[str], fresh: dict[str, Queued]) -> None:
        """Let go of those of `names`, and have `fresh` ones take the events; `start` them."""
        gone = [output for name, output in self.open.items() if name in names]
        kept = {name: output for name, output in self.open.items() if name not in names}
        self.open = kept | fresh  # never changed in place, since other threads go through it
        for output in gone:
            output.finish()
        self._gone += gone

    def start(self, names: Iterable[str]) -> None:
        """Have these begin to write, each once what went before it is at its end."""
        for name in names:
            self.open[name].start([gone for gone in self._gone if gone.name == name])

    def forget_gone(self) -> None:
        """Forget those that have ended."""
        self._gone = [output for output in self._gone if not output.is_finished]

    def close(self) -> None:
        """Write what is left and finish all, those of pictures first: they tell the others of their files."""
        outputs = (*self.open.values(), *self._gone)
        pictures = [output for output in outputs if output.name in OF_PICTURES]
        close_all(pictures, [output for output in outputs if output.name not in OF_PICTURES])

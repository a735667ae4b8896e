"""The built-in scene: a seeded street with walking people, as a source of frames with exact ground truth.

    demo://?people=20&seed=3&frames=300&size=1280x720&fps=30&camera=still
    demo://?people=20&seed=3&waiting=5
    demo://?people=50&seed=3&street=6&view=2

In the second, five of the people wait: they stand still all the time. The third is a street that six cameras watch,
seen by the second of them: the other five show the same people.

The same options give the same pictures, bit for bit, on one machine. Training uses seeds from `TRAINING_SEEDS` up;
scores are measured on smaller ones.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from edge.demo.stage import Stage
from edge.demo.street import Street
from edge.demo.truth import Truth
from edge.errors import UsageError
from edge.types import Frame

TRAINING_SEEDS = 100_000
LONGEST_FRAME_S = 1 / 30  # a camera that takes fewer pictures does not open its shutter for longer


@dataclass(frozen=True)
class Options:
    """What the address of a scene may say. `frames` 0 never ends; `camera` is still or moving.

    Of the people `waiting` stand still all the time. With `street` cameras along one street, `view` is the number of
    the one that is looked through, from 1.
    """

    people: int = 20
    seed: int = 0
    frames: int = 0
    size: tuple[int, int] = (1280, 720)
    fps: float = 30.0
    camera: str = "still"
    street: int = 0
    view: int = 1
    waiting: int = 0

    def stage(self) -> Stage:
        """The street with its people, at the beginning."""
        street = Street(self.street, self.view) if self.street else None
        moving = self.camera == "moving"
        return Stage(self.people, self.seed, self.size, moving=moving, waiting=self.waiting, street=street)


class Scene:
    """A street and its people. Iterating gives `(Frame, Truth)`; every iteration starts at the beginning."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.size = self.options.size
        self.frame_rate = self.options.fps
        self.frame_count = self.options.frames or None

    @classmethod
    def from_url(cls, url: str) -> "Scene":
        """The scene of a `demo://` address. Raises UsageError on an unknown option or a value out of range."""
        return cls(parse(url))

    def __iter__(self) -> Iterator[tuple[Frame, Truth]]:
        stage = self.options.stage()
        number = 0
        while self.frame_count is None or number < self.frame_count:
            stage.advance(number / self.frame_rate)
            image, truth = stage.shoot(min(1 / self.frame_rate, LONGEST_FRAME_S))
            number += 1
            yield Frame(image, number, stage.time_s), truth


def parse(url: str) -> Options:
    """The options in a `demo://` address, checked."""
    address = urlsplit(url)
    if address.scheme != "demo" or address.netloc or address.path:
        raise UsageError(f"{url}: expected demo:// and options after a question mark, such as demo://?people=20&seed=3")
    values: dict[str, Any] = {}
    for key, word in parse_qsl(address.query, keep_blank_values=True):
        if key in _WHOLE:
            values[key] = int(_number(url, key, word, *_WHOLE[key], whole=True))
        elif key == "fps":
            values[key] = _number(url, key, word, 1, 240, whole=False)
        elif key == "size":
            values[key] = _size(url, word)
        elif key == "camera" and word in ("still", "moving"):
            values[key] = word
        elif key == "camera":
            raise UsageError(f"{url}: camera={word}: expected still or moving")
        else:
            raise UsageError(f"{url}: unknown option {key!r}: expected {', '.join(_KEYS)}")
    options = Options(**values)
    if options.view > max(1, options.street):
        raise UsageError(f"{url}: view={options.view}: expected a camera of the street: street={options.view} or more")
    if options.waiting > options.people:
        raise UsageError(f"{url}: waiting={options.waiting}: expected at most people={options.people}, who they are of")
    return options


_WHOLE = {
    "people": (1, 200),
    "waiting": (0, 200),
    "seed": (0, 2**31),
    "frames": (0, 10**9),
    "street": (1, 32),
    "view": (1, 32),
}
_KEYS = (*_WHOLE, "fps", "size", "camera")


def _number(url: str, key: str, word: str, low: int, high: int, *, whole: bool) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not low <= number <= high or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{url}: {key}={word}: expected {kind} from {low} to {high}")
    return number


def _size(url: str, word: str) -> tuple[int, int]:
    width, _, height = word.partition("x")
    if not (width.isdecimal() and height.isdecimal() and all(64 <= int(n) <= 4096 for n in (width, height))):
        raise UsageError(f"{url}: size={word}: expected WIDTHxHEIGHT from 64 to 4096 pixels, for example 1280x720")
    return int(width), int(height)

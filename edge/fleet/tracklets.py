"""The tracklets of people that one network can compare, as arrays: who was in which camera when, and how they look.

A tracklet is one uninterrupted sighting of a person by a camera.
"""

import numpy as np
import numpy.typing as npt

from edge.types import Float32s, Int64s

Records = npt.NDArray[np.void]

# `camera` numbers the fleet's cameras. `first` and `last` are when it was seen, seconds since 1970; `is_over`: it will
# not be seen again. `person` is its global identity, 0 before it has one, given at `told`; `is_settled`: for good.
# `vectors` embeddings are known, up to 2.
TRACKLET = np.dtype(
    [
        ("camera", "i4"),
        ("vectors", "i4"),
        ("first", "f8"),
        ("last", "f8"),
        ("told", "f8"),
        ("person", "i8"),
        ("is_over", "?"),
        ("is_settled", "?"),
    ],
    align=True,
)

VECTORS = 2  # when it is well known, and at its end
_ROOM = 256


class Tracklets:
    """T tracklets: `rows` are TRACKLET records `[T]`, `vectors` float32 `[T, VECTORS, E]`, zeros where unknown.

    `numbers` int64 `[T]` are the caller's names for them, ascending.
    """

    def __init__(self, size: int) -> None:
        self._count = 0
        self._rows = np.zeros(_ROOM, TRACKLET)
        self._vectors = np.zeros((_ROOM, VECTORS, size), np.float32)
        self._numbers = np.zeros(_ROOM, np.int64)

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> Records:
        """TRACKLET records `[T]`, to read and to write."""
        return self._rows[: self._count]

    @property
    def vectors(self) -> Float32s:
        """Float32 `[T, VECTORS, E]`."""
        return self._vectors[: self._count]

    @property
    def numbers(self) -> Int64s:
        """Int64 `[T]`."""
        return self._numbers[: self._count]

    def add(self, number: int, camera: int, first: float, last: float) -> int:
        """A new one, with a `number` above all others; its row."""
        if self._count == len(self._rows):
            for name in ("_rows", "_vectors", "_numbers"):
                old = getattr(self, name)
                fresh = np.zeros((2 * len(old), *old.shape[1:]), old.dtype)
                fresh[: len(old)] = old
                setattr(self, name, fresh)
        row = self._count
        self._count += 1
        self._rows[row] = np.zeros((), TRACKLET)
        self._rows[row]["camera"], self._rows[row]["first"], self._rows[row]["last"] = camera, first, last
        self._vectors[row] = 0
        self._numbers[row] = number
        return row

    def row_of(self, number: int) -> int | None:
        """Where the tracklet called `number` is."""
        row = int(np.searchsorted(self.numbers, number))
        return row if row < self._count and self._numbers[row] == number else None

    def learn(self, row: int, vector: Float32s) -> None:
        """One more embedding of length 1; beyond `VECTORS` the newest takes the place of the last."""
        place = min(int(self._rows[row]["vectors"]), VECTORS - 1)
        self._vectors[row, place] = vector
        self._rows[row]["vectors"] = place + 1

    def keep(self, wanted: npt.NDArray[np.bool_]) -> None:
        """Forget all rows but the `wanted` ones, bool `[T]`."""
        count = int(wanted.sum())
        for name in ("_rows", "_vectors", "_numbers"):
            array = getattr(self, name)
            array[:count] = array[: self._count][wanted]
        self._vectors[count : self._count] = 0
        self._count = count

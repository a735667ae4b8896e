"""What a decoder fills: candidate boxes before non-maximum suppression."""

from typing import NamedTuple, Protocol

import numpy as np

from edge.types import Float32s, Int32s

# What a decoder returns for outputs with NaN: the network broke, which is not the same as having seen nothing.
BROKEN = -1
# And for a class number that has no name.
UNNAMED = -2


class Candidates(NamedTuple):
    """Room for all that may pass the floor: `boxes_xyxy` in pixels of the network's input."""

    boxes_xyxy: Float32s
    scores: Float32s
    classes: Int32s

    @classmethod
    def room(cls, rows: int) -> "Candidates":
        """Empty arrays for `rows` candidates."""
        return cls(np.zeros((rows, 4), np.float32), np.zeros(rows, np.float32), np.zeros(rows, np.int32))


class Decoder(Protocol):
    """Turns one network's output buffers, which it reads anew in each call, into candidates."""

    candidates: Candidates

    def __call__(self) -> int:
        """Fill the first rows of `candidates` and return how many; `BROKEN` if NaN is met, `UNNAMED`."""

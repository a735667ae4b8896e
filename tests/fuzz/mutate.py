"""Sound inputs made unsound: bytes changed, cut out, doubled, numbers made extreme, parts of two files joined."""

from collections.abc import Sequence

import numpy as np

_EXTREME = tuple(
    value.to_bytes(size, "little", signed=value < 0)
    for size in (1, 2, 4, 8)
    for value in (0, 1, (1 << (8 * size - 1)) - 1, -1, -(1 << (8 * size - 1)))
)
_WORDS = (
    b"-1",
    b"0",
    b"1e308",
    b"NaN",
    b"99999999999999999999",
    b"null",
    b'"',
    b"[",
    b"{",
    b"\x00",
    b"\xff\xfe",
    b"\x1b[2J",
)


def mutated(corpus: Sequence[bytes], random: np.random.Generator) -> bytes:
    """One of `corpus` with one to eight changes."""
    content = bytearray(corpus[int(random.integers(len(corpus)))])
    for _ in range(1 + int(random.integers(8))):
        _change(content, corpus, random)
    return bytes(content)


def _change(content: bytearray, corpus: Sequence[bytes], random: np.random.Generator) -> None:
    start = int(random.integers(len(content) + 1))
    length = int(min(len(content) - start, 1 << random.integers(0, 8)))
    kind = random.integers(7)
    if kind == 0 and start < len(content):
        content[start] ^= 1 << int(random.integers(8))
    elif kind == 1:
        content[start : start + length] = random.integers(0, 256, length).astype(np.uint8).tobytes()
    elif kind == 2:
        del content[start : start + length]
    elif kind == 3:
        content[start:start] = content[start : start + length] * int(random.integers(1, 5))
    elif kind == 4:
        value = _EXTREME[random.integers(len(_EXTREME))]
        content[start : start + len(value)] = value
    elif kind == 5:
        content[start:start] = _WORDS[random.integers(len(_WORDS))]
    else:
        other = corpus[int(random.integers(len(corpus)))]
        place = int(random.integers(len(other) + 1))
        content[start:] = other[place:]

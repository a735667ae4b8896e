"""Sizes that a file leaves open, made definite: of pictures by what the user says, of outputs by one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge.errors import DataError
from edge.infer import graph
from edge.infer.backend import Port

# Rows of an output whose length depends on what is in the picture, as behind a non-maximum suppression in the graph.
MOST_ROWS = 1000
_DEPEND_ON_VALUES = frozenset(("Compress", "NonMaxSuppression", "NonZero", "Unique", "If", "Loop"))

Shape = tuple[int, ...]


def of_input(path: Path, port: Port, max_batch: int, size: tuple[int, int] | None) -> Shape:
    """The shape of an input: `max_batch` where the batch is open, `size` (width and height) where a picture's is.

    Raises DataError where a size is open that nobody said.
    """
    open_places = {i for i, length in enumerate(port.shape) if length is None}
    shape = [max_batch if i == 0 and length is None else length for i, length in enumerate(port.shape)]
    places = _picture_places(port)
    if places is not None and open_places & set(places):
        if size is None:
            raise DataError(
                f"{path}: the file leaves the size of {port} open; say it: --input-size WxH; nanotrack-export pack"
                " takes it too and fixes it"
            )
        for place, length in zip(places, (size[1], size[0]), strict=True):
            shape[place] = length
    if size is not None and places is not None and tuple(shape[place] for place in places) != (size[1], size[0]):
        raise DataError(f"{path}: {port} has a size of its own, which is not --input-size {size[0]}x{size[1]}")
    if None in shape:
        raise DataError(f"{path}: expected fixed sizes (the batch apart), found {port}; export with fixed sizes")
    return tuple(length or 0 for length in shape)


def of_output(port: Port, max_batch: int, batched: bool) -> tuple[int | None, ...]:
    """The shape of an output, None where it is open; the first dimension is the batch in a `batched` network."""
    return tuple(max_batch if i == 0 and batched and length is None else length for i, length in enumerate(port.shape))


def rows_vary(path: Path, ports: Sequence[Port]) -> frozenset[str]:
    """Those of the outputs with open sizes that are as long as what is in the picture."""
    operators = graph.read(path)
    return frozenset(port.name for port in ports if operators.behind(port.name) & _DEPEND_ON_VALUES)


def roomy(shape: Sequence[int | None], seen: Shape) -> Shape:
    """Room for an output whose rows vary: `seen` is what one run gave. The open dimension is that of the rows; of
    several, the first that was not 1, as an open batch is."""
    places = [i for i, length in enumerate(shape) if length is None]
    rows = next((i for i in places if seen[i] != 1), places[-1])
    return tuple(max(MOST_ROWS, length) if i == rows else length for i, length in enumerate(seen))


def copy_rows(found: npt.NDArray[Any], buffer: npt.NDArray[Any]) -> None:
    """Put as many rows as there are into a roomy `buffer`, -1 into the rest: below any score, and no class."""
    part = tuple(slice(min(a, b)) for a, b in zip(found.shape, buffer.shape, strict=True))
    buffer.fill(-1)
    buffer[part] = found[part]


def _picture_places(port: Port) -> tuple[int, int] | None:
    """Which dimensions of an input are a picture's height and width."""
    if len(port.shape) == 4:
        return (2, 3) if port.shape[1] == 3 else (1, 2) if port.shape[3] == 3 else None
    return (1, 2) if len(port.shape) == 3 and port.shape[0] == 3 else None

"""Results as Parquet, through pyarrow of the extra `[batch]`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.batch.counts import Count, counts_of
from edge.errors import OutputError, UnavailableError
from edge.events import Event, Observed

# Groups of a fixed number of rows: the file depends on what is written, not on how it is divided into calls.
_GROUP_ROWS = 1 << 16


def require() -> None:
    """Return where pyarrow is installed. Raises UnavailableError."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UnavailableError(
            "--format parquet needs pyarrow; install it with pip install 'nanotrack-edge[batch]'"
        ) from None


class _Table:
    """A Parquet file of the columns `types` (name and pyarrow's name of the type), written group by group."""

    def __init__(self, path: Path, types: dict[str, str]):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path, self._pa = path, pa
        self._schema = pa.schema([(name, pa.type_for_alias(alias)) for name, alias in types.items()])
        self._waiting = self._schema.empty_table()
        try:
            self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        except OSError as error:
            raise _cannot_write(path, error) from error

    def append(self, columns: Sequence[Any]) -> None:
        """Add rows; `columns` are arrays or lists in the order of the types."""
        arrays = [self._pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        fresh = self._pa.Table.from_arrays(arrays, schema=self._schema)
        self._waiting = self._pa.concat_tables([self._waiting, fresh])
        while len(self._waiting) >= _GROUP_ROWS:
            self._write(self._waiting.slice(0, _GROUP_ROWS))
            self._waiting = self._waiting.slice(_GROUP_ROWS)

    def close(self) -> None:
        """Write the rest; harmless when called again."""
        if self._writer.is_open:
            if len(self._waiting):
                self._write(self._waiting)
            self._writer.close()

    def _write(self, rows: Any) -> None:
        try:
            self._writer.write_table(rows.combine_chunks(), row_group_size=_GROUP_ROWS)
        except OSError as error:
            raise _cannot_write(self._path, error) from error


class TracksParquet:
    """An `Output` of tracks, a row for each box: corners in pixels. Raises OutputError."""

    def __init__(self, path: Path):
        types = {"frame": "int32", "time_s": "double", "id": "int64", "cls": "string", "conf": "float"}
        self._table = _Table(path, {**types, "x1": "float", "y1": "float", "x2": "float", "y2": "float"})
        self._events: list[Observed] = []
        self._rows = 0

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        for event in events:
            if isinstance(event, Observed) and len(event.tracks):
                self._events.append(event)
                self._rows += len(event.tracks)
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """See `Output.close`."""
        self._flush()
        self._table.close()

    def _flush(self) -> None:
        events, self._events, self._rows = self._events, [], 0
        if not events:
            return
        tracks = [event.tracks for event in events]
        counts = [len(each) for each in tracks]
        boxes = np.concatenate([each.boxes_xyxy for each in tracks])
        names = [event.origin.classes[number] for event in events for number in event.tracks.classes.tolist()]
        self._table.append(
            [
                np.repeat([event.number for event in events], counts),
                np.repeat([event.at.time_s for event in events], counts),
                np.concatenate([each.ids for each in tracks]),
                names,
                np.concatenate([each.scores for each in tracks]),
                *np.ascontiguousarray(boxes.T),
            ]
        )


class CountsParquet:
    """An `Output` of `Count`s. Raises OutputError."""

    def __init__(self, path: Path):
        types = ("double", "int64", "string", "string", "string", "double", "int64")
        self._table = _Table(path, dict(zip(Count._fields, types, strict=True)))

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        if rows := counts_of(events):
            self._table.append(list(zip(*rows, strict=True)))

    def close(self) -> None:
        """See `Output.close`."""
        self._table.close()


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot write on: {error.strerror or error}; free some space")

"""Lists of recordings, and tables with settings of their own for each."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.batch.recording import Area
from edge.errors import ConfigError, NotFoundError
from edge.schema import build, within

COLUMNS = ("path", "name", "frame_rate", "starts", "areas", "zones", "lines")


@dataclass(frozen=True)
class Row:
    """What a table says of a recording; None: nothing."""

    path: str = ""
    name: str | None = None
    frame_rate: float | None = within(0.01, 10_000, None)
    starts: str | None = None
    zone: tuple[Area, ...] | None = None
    line: tuple[Area, ...] | None = None


def read_list(content: str, folder: Path) -> list[str]:
    """The addresses in a list, one a line, # before remarks; paths are below `folder`."""
    lines = (line.strip() for line in content.splitlines())
    return [_below(folder, line) for line in lines if line and not line.startswith("#")]


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file with a head of `COLUMNS`, of which only `path` is needed; paths are below its folder.

    `areas` names a file, see `edge.batch.areas`; `zones` and `lines` are the same as JSON, lists of objects with name
    and points. Raises NotFoundError, or ConfigError with every mistake.
    """
    try:
        text = path.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise NotFoundError(f"{path}: expected a table of recordings, cannot read it: {error.strerror}") from error
    reader = csv.DictReader(text.splitlines())
    try:
        return _rows(path, reader)
    except csv.Error as error:
        raise ConfigError(f"{path}: expected a table, found none behind line {reader.line_num}: {error}") from None


def _rows(path: Path, reader: "csv.DictReader[str]") -> list[Row]:
    """All rows. Raises ConfigError with every mistake, csv.Error for what is no table."""
    head = [name.strip() for name in reader.fieldnames or ()]
    unknown = [name for name in head if name not in COLUMNS]
    if "path" not in head or unknown:
        found = ", ".join(head) or "nothing"
        raise ConfigError(
            f"{path}: expected columns of {', '.join(COLUMNS)}, separated by commas, path among them, found {found}"
        )
    reader.fieldnames = head
    rows, mistakes = [], []
    folder = path.absolute().parent
    for cells in reader:
        try:
            rows.append(_row(cells, folder))
        except ConfigError as error:
            mistakes.append(f"line {reader.line_num}: {error}")
    if mistakes:
        raise ConfigError("\n  ".join([f"{path}: {len(mistakes)} to correct:", *mistakes]))
    return rows


def _row(cells: dict[Any, Any], folder: Path) -> Row:
    """One row. Raises ConfigError with what is wrong with it."""
    if None in cells or None in cells.values():
        raise ConfigError("expected as many cells as the head has; put quotes around cells with commas")
    texts = {name: text.strip() for name, text in cells.items() if text.strip()}
    if "path" not in texts:
        raise ConfigError("path: expected an address, found nothing")
    document: dict[str, Any] = {"path": _below(folder, texts.pop("path"))}
    given = {name: texts.pop(name) for name in ("areas", "zones", "lines") if name in texts}
    if "frame_rate" in texts:
        document["frame_rate"] = _number(texts.pop("frame_rate"))
    row, mistakes = build(Row, document | texts)
    if row is None:
        raise ConfigError("; ".join(mistakes))
    if given:
        zone, line = _areas(given, folder)
        row = replace(row, zone=zone, line=line)
    return row


def _areas(given: dict[str, str], folder: Path) -> tuple[tuple[Area, ...] | None, tuple[Area, ...] | None]:
    """The zones and lines that the cells `areas`, `zones` and `lines` give; the last two replace those of the file."""
    from edge.batch.areas import checked_areas, read_areas

    zones, lines = read_areas(folder / given["areas"]) if "areas" in given else (None, None)
    own = checked_areas(*(_json(name, given[name]) if name in given else [] for name in ("zones", "lines")))
    return (own[0] if "zones" in given else zones), (own[1] if "lines" in given else lines)


def _json(column: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f'{column}: expected JSON such as [{{"name": …, "points": …}}]: {error}') from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"frame_rate: expected a number, found {text!r}") from None


def _below(folder: Path, address: str) -> str:
    return address if "://" in address else str(folder / address)

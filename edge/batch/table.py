"""Lists of recordings, tables with settings of their own for each, and files of zones and lines."""

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, NotFoundError
from edge.schema import build, within
from edge.settings.config import Line, Zone

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COLUMNS = ("path", "name", "frame_rate", "starts", "areas", "zones", "lines")


@dataclass(frozen=True)
class Row:
    """What a table says of a recording; None: nothing."""

    path: str = ""
    name: str | None = None
    frame_rate: float | None = within(0.01, 10_000, None)
    starts: str | None = None
    zone: tuple[Zone, ...] | None = None
    line: tuple[Line, ...] | None = None


@dataclass(frozen=True)
class Areas:
    """A file of zones and lines, as in the daemon's configuration: `[[zone]]` and `[[line]]`."""

    zone: tuple[Zone, ...] = ()
    line: tuple[Line, ...] = ()


def read_list(content: str, folder: Path) -> list[str]:
    """The addresses in a list, one a line, # before remarks; paths are below `folder`."""
    lines = (line.strip() for line in content.splitlines())
    return [_below(folder, line) for line in lines if line and not line.startswith("#")]


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file with a head of `COLUMNS`, of which only `path` is needed; paths are below its folder.

    `areas` names a file as `read_areas` reads; `zones` and `lines` are the same as JSON: lists of objects with name and
    points. Raises NotFoundError, or ConfigError with every mistake.
    """
    try:
        text = path.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise NotFoundError(f"{path}: expected a table of recordings, cannot read it: {error.strerror}") from error
    reader = csv.DictReader(text.splitlines())
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


def read_areas(path: Path) -> Areas:
    """The zones and lines in a TOML file. Raises NotFoundError, or ConfigError with every mistake."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotFoundError(f"{path}: expected zones and lines, cannot read it: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, found a mistake: {error}") from error
    areas, mistakes = build(Areas, data)
    if areas is None:
        raise ConfigError(f"{path}: {'; '.join(mistakes)}")
    return areas


def _row(cells: dict[Any, Any], folder: Path) -> Row:
    """One row. Raises ConfigError with what is wrong with it."""
    if None in cells or None in cells.values():
        raise ConfigError("expected as many cells as the head has; put quotes around cells with commas")
    texts = {name: text.strip() for name, text in cells.items() if text.strip()}
    if "path" not in texts:
        raise ConfigError("path: expected an address, found nothing")
    document: dict[str, Any] = {"path": _below(folder, texts.pop("path"))}
    if "areas" in texts:
        areas = read_areas(folder / texts.pop("areas"))
        document |= {"zone": [vars(zone) for zone in areas.zone], "line": [vars(line) for line in areas.line]}
    for column, key in (("zones", "zone"), ("lines", "line")):
        if column in texts:
            document[key] = _json(column, texts.pop(column))
    if "frame_rate" in texts:
        document["frame_rate"] = _number(texts.pop("frame_rate"))
    row, mistakes = build(Row, document | texts)
    if row is None:
        raise ConfigError("; ".join(mistakes))
    return row


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

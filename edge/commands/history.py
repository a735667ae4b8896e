"""Export what the daemon counted: people, crossings of lines and stays in zones, by minute, hour or day of local time.

  nanotrack history --config nanotrack.toml --by hour --since 2026-11-01
  nanotrack history --database history.db --what crossings --format json
  nanotrack history --database history.db --heatmap door.png --camera door

A heat map shows where people stood in the hours from --since to --until: dark
for never, bright for the longest. With --what feet the same comes as numbers:
seconds in each of 48 x 27 cells of the picture.

Needs [history] in the daemon's configuration. The daemon may run meanwhile.
"""

import argparse
import csv
import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import get_args

import numpy as np

from edge.console.outgoing import printable, say
from edge.errors import OutputError, UsageError
from edge.events import Direction
from edge.sinks.history import feet, query
from edge.sinks.history.database import open_to_read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack history`."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", type=Path, metavar="FILE.toml", help="the daemon's configuration")
    where.add_argument("--database", type=Path, metavar="FILE.db", help="the file that its [history] path names")
    parser.add_argument(
        "--what", default="people", choices=(*get_args(query.Subject), "totals", "feet"), help="default: people"
    )
    parser.add_argument("--by", default="hour", choices=get_args(query.Step), help="default: hour")
    parser.add_argument("--since", metavar="TIME", help="local time, as 2026-11-30 or 2026-11-30T08:00")
    parser.add_argument("--until", metavar="TIME", help="up to here, not included")
    parser.add_argument("--camera", metavar="NAME", help="only this camera")
    parser.add_argument(
        "--heatmap", type=Path, metavar="OUT.png", help="where people stood, as a picture; needs --camera"
    )
    parser.add_argument("--format", default="csv", choices=("csv", "json"), help="default: csv")


def run(args: argparse.Namespace) -> None:
    """Write the rows to stdout, or a heat map. Raises NotFoundError, DataError, OutputError or UsageError."""
    if args.heatmap is not None and args.what not in ("people", "feet"):
        raise UsageError(f"--heatmap: a picture of where people stood, which has nothing of --what {args.what}")
    if args.heatmap is not None and args.heatmap.suffix.lower() != ".png":
        raise UsageError(f"--heatmap {args.heatmap}: expected a name that ends in .png")
    since_s, until_s = _seconds("--since", args.since), _seconds("--until", args.until)
    if since_s is not None and until_s is not None and until_s <= since_s:
        raise UsageError(f"--until {args.until}: expected a time after --since {args.since}")
    with closing(open_to_read(args.database or _path_of(args.config))) as database:
        _require_camera(database, args.camera)
        if args.heatmap is not None or args.what == "feet":
            _tell_feet(database, args, since_s, until_s)
            return
        rows = (
            _totals(query.totals(database), args.camera)
            if args.what == "totals"
            else query.sums(
                database,
                args.what,
                args.by,
                since_s=since_s,
                until_s=until_s,
                camera=args.camera,
            )
        )
        (_write_csv if args.format == "csv" else _write_json)(rows)


def _tell_feet(
    database: sqlite3.Connection, args: argparse.Namespace, since_s: float | None, until_s: float | None
) -> None:
    """Where people stood in the picture of one camera."""
    if args.camera is None:
        raise UsageError(f"--camera: expected {_one_of(query.cameras(database))}, found none")
    seconds = feet.seconds(database, args.camera, since_s, until_s)
    if args.heatmap is None:
        rows = (
            {"row": row, "column": column, "person_s": round(s, 3)} for (row, column), s in np.ndenumerate(seconds) if s
        )
        (_write_csv if args.format == "csv" else _write_json)(rows)
        return
    from edge.drawing.heat import heat_map_png

    unfinished = args.heatmap.with_name(f".{args.heatmap.name}.part")  # a full disk must not cost the last one
    try:
        unfinished.write_bytes(heat_map_png(seconds))
        unfinished.replace(args.heatmap)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise OutputError(f"{args.heatmap}: cannot write it: {error.strerror}; choose another place") from error
    most = seconds.max()
    say(f"{args.heatmap}: {seconds.sum():.0f} person-seconds, at most {most:.0f} in one of 48 x 27 cells")


def _require_camera(database: sqlite3.Connection, camera: str | None) -> None:
    known = query.cameras(database)
    if camera is not None and camera not in known:
        raise UsageError(f"--camera {camera}: the history has nothing of it; expected {_one_of(known)}")


def _one_of(names: list[str]) -> str:
    return f"one of {', '.join(names)}" if names else "a history that is not empty"


def _path_of(path: Path) -> Path:
    from edge.settings import config  # which needs pydantic; a file named by itself does not

    history = config.load(path).history
    if history is None:
        raise UsageError(f"{path}: expected a section [history] with a path, found none; nothing is kept without it")
    return Path(history.path)


def _seconds(flag: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(f"{flag} {text}: expected a time, such as 2026-11-30 or 2026-11-30T08:00") from None


def _totals(totals: dict[tuple[str, str, Direction, str], int], camera: str | None) -> Iterator[dict[str, query.Value]]:
    for (name, line, direction, class_), count in sorted(totals.items()):
        if camera in (None, name):
            yield {"camera": name, "line": line, "direction": direction, "class": class_, "count": count}


def _write_csv(rows: Iterable[dict[str, query.Value]]) -> None:
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: printable(value) if isinstance(value, str) else value for name, value in row.items()})


def _write_json(rows: Iterable[dict[str, query.Value]]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")

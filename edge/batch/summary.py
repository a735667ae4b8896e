"""The summary over all recordings in an output folder: an SQLite file made of their manifests.

Written anew after each run, with rows in the order of names: the same manifests give the same bytes.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from edge.batch.folder import SUMMARY, Folder
from edge.batch.manifest import Manifest
from edge.console.outgoing import public
from edge.errors import OutputError

# `hour` counts from the recording's start, or where that is known from the start of its first hour of the day, when
# `begins` is the hour's own time. Means are over seconds with pictures, and over those who left.
TABLES = """
CREATE TABLE recordings (recording TEXT PRIMARY KEY, address TEXT, status TEXT, starts TEXT, frames INTEGER,
  duration_s REAL, frame_rate REAL, width INTEGER, height INTEGER, identities INTEGER, most_people INTEGER,
  input_sha256 TEXT, settings_sha256 TEXT, model_sha256 TEXT, version TEXT, run TEXT);
CREATE TABLE hours (recording TEXT, hour INTEGER, begins TEXT, observed_s REAL, PRIMARY KEY (recording, hour));
CREATE TABLE people (recording TEXT, hour INTEGER, begins TEXT, class TEXT, identities INTEGER, mean_people REAL,
  most_people INTEGER, PRIMARY KEY (recording, hour, class));
CREATE TABLE crossings (recording TEXT, hour INTEGER, begins TEXT, line TEXT, class TEXT, direction TEXT, count INTEGER,
  PRIMARY KEY (recording, hour, line, class, direction));
CREATE TABLE zones (recording TEXT, hour INTEGER, begins TEXT, zone TEXT, class TEXT, entered INTEGER, left INTEGER,
  mean_dwell_s REAL, longest_dwell_s REAL, most_people INTEGER, PRIMARY KEY (recording, hour, zone, class));
CREATE TABLE failures (recording TEXT PRIMARY KEY, address TEXT, kind TEXT, reason TEXT, tries INTEGER);
"""
_DIGITS = 3


class Totals(NamedTuple):
    """What a summary comes to: recordings that are done, seconds of video in them, identities, those set aside."""

    done: int
    duration_s: float
    identities: int
    failed: int


def write_summary(folder: Folder) -> Totals:
    """Write the summary of all manifests in `folder`. Raises OutputError."""
    path = folder.temporary(".sqlite")
    totals = Totals(0, 0.0, 0, 0)
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;" + TABLES)
            for manifest in folder.manifests():
                totals = _added(totals, manifest)
                for table, rows in _rows(manifest).items():
                    for row in rows:
                        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            database.execute("COMMIT")
        folder.replace(SUMMARY, path)
    except sqlite3.Error as error:
        raise OutputError(f"{folder.path / SUMMARY}: cannot write it: {error}; free some space") from error
    finally:
        path.unlink(missing_ok=True)
    return totals


def _added(totals: Totals, manifest: Manifest) -> Totals:
    figures = manifest.figures
    if figures is None:
        return totals._replace(failed=totals.failed + 1)
    return totals._replace(
        done=totals.done + 1,
        duration_s=totals.duration_s + figures.duration_s,
        identities=totals.identities + figures.identities,
    )


def _rows(manifest: Manifest) -> dict[str, list[Sequence[Any]]]:
    """The rows of one recording by table."""
    recording, settings, figures = manifest.recording, manifest.settings, manifest.figures
    name, address = recording.name, public(recording.address)
    numbers: Sequence[Any] = [None] * 7
    rows: dict[str, list[Sequence[Any]]] = {}
    if figures is not None:
        numbers = [
            figures.frames, figures.duration_s, figures.frame_rate, figures.width, figures.height, figures.identities,
            figures.most_people,
        ]  # fmt: skip
        rows = dict(_hourly(manifest))
    hashes = manifest.input.sha256, manifest.settings_sha256, settings.model_sha256, settings.version
    rows["recordings"] = [(name, address, manifest.status, recording.starts, *numbers, *hashes, manifest.run)]
    if (failure := manifest.failure) is not None:
        rows["failures"] = [(name, address, failure.kind, public(failure.reason), failure.tries)]
    return rows


def _hourly(manifest: Manifest) -> Iterator[tuple[str, list[Sequence[Any]]]]:
    figures, name = manifest.figures, manifest.recording.name
    assert figures is not None
    observed_s = {hour.hour: hour.observed_s for hour in figures.hours}
    seen = {*observed_s, *(stays.hour for stays in figures.zones), *(each.hour for each in figures.crossings)}
    begins = {hour: _begins(manifest, hour) for hour in seen}
    yield "hours", [(name, hour.hour, begins[hour.hour], hour.observed_s) for hour in figures.hours]
    yield (
        "people",
        [
            (name, p.hour, begins[p.hour], p.cls, p.identities, _mean(p.person_s, observed_s[p.hour]), p.most)
            for p in figures.people
        ],
    )
    yield "crossings", [(name, c.hour, begins[c.hour], c.line, c.cls, c.direction, c.count) for c in figures.crossings]
    yield (
        "zones",
        [
            (
                name,
                z.hour,
                begins[z.hour],
                z.zone,
                z.cls,
                z.entered,
                z.gone,
                _mean(z.dwell_s, z.gone),
                z.longest_s,
                z.most,
            )
            for z in figures.zones
        ],
    )


def _begins(manifest: Manifest, hour: int) -> str | None:
    """The time at which an hour of the recording begins, where that is known."""
    if manifest.recording.starts is None:
        return None
    start = datetime.fromisoformat(manifest.recording.starts.replace("Z", "+00:00"))
    return (start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hour)).isoformat()


def _mean(total: float, count: float) -> float | None:
    return round(total / count, _DIGITS) if count else None

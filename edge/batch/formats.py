"""The files of results by format: tracks, and for formats that keep them apart, who entered zones and crossed lines."""

from pathlib import Path

from edge.batch import kept
from edge.batch.counts import CountsCsv
from edge.batch.recording import Format
from edge.sinks.output import Output

_SUFFIXES: dict[Format, tuple[str, str | None]] = {
    "mot": (".txt", ".counts.csv"),
    "jsonl": (".jsonl", None),  # counts are among the lines
    "parquet": (".parquet", ".counts.parquet"),
}


def suffixes(format_: Format, *, counts: bool) -> list[str]:
    """The ends of the names of a recording's files, tracks first; `counts`: something is counted."""
    tracks, counted = _SUFFIXES[format_]
    return [tracks, counted] if counts and counted else [tracks]


def open_output(path: Path) -> Output:
    """The output that writes to `path`, by the end of its name. Raises OutputError."""
    if path.name.endswith(kept.SUFFIX):
        return kept.Kept(path)
    if path.name.endswith(".counts.csv"):
        return CountsCsv(path)
    if path.suffix == ".txt":
        from edge.sinks.mot import MotText

        return MotText(path)
    if path.suffix == ".jsonl":
        from edge.sinks.jsonl import JsonLines

        return JsonLines(path)
    from edge.batch.parquet import CountsParquet, TracksParquet

    return CountsParquet(path) if path.name.endswith(".counts.parquet") else TracksParquet(path)

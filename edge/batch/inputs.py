"""The recordings that INPUTs name: files, folders, patterns, lists, tables, object stores."""

import glob
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.batch import remote
from edge.batch.recording import Area, Recording
from edge.batch.table import Row, read_list, read_table
from edge.console.outgoing import redacted
from edge.errors import ConfigError, NotFoundError, UsageError
from edge.video.address import IMAGE_SUFFIXES, kind_of
from edge.video.images import natural_key
from edge.video.open import open_source

VIDEO_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("3gp", "264", "265", "asf", "avi", "flv", "h264", "h265", "hevc", "m2ts", "m4v", "mjpeg", "mjpg", "mkv"),
        *("mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv", "y4m"),
    )
)
_TABLES, _LISTS = (".csv",), (".txt", ".lst")
_PATTERN = "*?["


@dataclass(frozen=True)
class _Found:
    """A recording that was found: names it may have, the shortest first, and what its table says."""

    address: str
    names: Sequence[str]
    row: Row = field(default_factory=Row)


def recordings(
    inputs: Sequence[str],
    *,
    frame_rate: float | None = None,
    zone: tuple[Area, ...] = (),
    line: tuple[Area, ...] = (),
) -> list[Recording]:
    """All recordings that `inputs` name, each once, with names of their own; the settings are of those without any.

    Names are paths below the input's folder, without the suffix; where that is the same for two, both get the suffix,
    then folders above. Raises NotFoundError for an input without recordings, ConfigError for lists and tables with
    mistakes, UsageError for what is no recording.
    """
    found: dict[str, _Found] = {}
    for text in inputs:
        named = list(_of_input(text))
        if not named:
            raise NotFoundError(f"{redacted(text)}: expected recordings, found none there; see nanotrack batch --help")
        for each in named:
            earlier = found.setdefault(each.address, each)
            if earlier.row != each.row and earlier.row != Row() and each.row != Row():
                raise ConfigError(f"{redacted(each.address)}: named twice with different settings; keep one of them")
            if earlier.row == Row():
                found[each.address] = each
    default = Row(frame_rate=frame_rate, zone=zone, line=line)
    return [_recording(each, name, default) for each, name in zip(found.values(), _named(found.values()), strict=True)]


def _recording(found: _Found, name: str, default: Row) -> Recording:
    row = found.row
    try:
        return Recording(
            row.name or name,
            found.address,
            default.frame_rate if row.frame_rate is None else row.frame_rate,
            row.starts,
            (default.zone if row.zone is None else row.zone) or (),
            (default.line if row.line is None else row.line) or (),
        )
    except ValueError as error:
        raise ConfigError(f"{redacted(found.address)}: {error}") from None


def _of_input(text: str) -> Iterator[_Found]:
    """What one INPUT of the command line names. Raises NotFoundError where it names nothing."""
    path = Path(text)
    if text == "-":
        for line in read_list(sys.stdin.read(), Path.cwd()):
            yield from _of_line(line, Row())
    elif "://" not in text and path.suffix.lower() in _TABLES:
        for row in read_table(path):
            yield from _of_line(row.path, replace(row, path=""))
    elif "://" not in text and path.suffix.lower() in _LISTS:
        try:
            content = path.read_text("utf-8-sig", errors="surrogateescape")
        except OSError as error:
            raise NotFoundError(f"{path}: expected a list of recordings, cannot read it: {error.strerror}") from error
        for line in read_list(content, path.absolute().parent):
            yield from _of_line(line, Row())
    else:
        yield from _of_address(text, Row())


def _of_line(address: str, row: Row) -> Iterator[_Found]:
    """What a line of a list names; where it names nothing, a recording that will be set aside as not found."""
    try:
        yield from _of_address(address, row)
    except NotFoundError:
        path = Path(address.partition("://")[2] or address)
        yield _Found(address, _names(path, path.parent), row)


def _of_address(address: str, row: Row) -> Iterator[_Found]:
    if kind_of(address) == "demo":
        if open_source(address).frame_count is None:
            raise UsageError(f"{address}: never ends; add frames=300 to the address, for example")
        yield _Found(address, ["demo", f"demo-{hashlib.sha256(address.encode()).hexdigest()[:8]}"], row)
    elif remote.is_remote(address):
        yield from _of_store(address, row)
    else:
        yield from _of_path(address, row)


def _of_store(address: str, row: Row) -> Iterator[_Found]:
    """Files of an object store; below a folder or a pattern those that have the suffix of a video."""
    found = remote.found(address)
    is_one = found == [address] or len(found) == 1
    root = address.partition("?")[0].rstrip("/").rpartition("/")[0] if is_one else _fixed(address).rstrip("/")
    for each in found:
        name = each.partition("?")[0]
        if is_one or Path(name).suffix.lower() in VIDEO_SUFFIXES:
            yield _Found(each, _names(Path(name.partition("://")[2]), Path(root.partition("://")[2])), row)


def _of_path(text: str, row: Row) -> Iterator[_Found]:
    path = Path(os.path.abspath(text))
    if any(c in text for c in _PATTERN) and not path.exists():
        root = Path(os.path.abspath(_fixed(text)))
        for found in sorted((Path(name) for name in glob.glob(str(path), recursive=True)), key=natural_key):
            if found.is_dir():
                yield from _of_folder(found, root, row)
            elif found.suffix.lower() in IMAGE_SUFFIXES:
                raise UsageError(f"{text}: matches single images; name their folder, which is one recording")
            else:
                yield _Found(str(found), _names(found, root), row)
    elif path.is_dir():
        yield from _of_folder(path, path, row)
    elif path.exists():
        yield _Found(str(path), _names(path, path.parent), row)
    else:
        raise NotFoundError(f"{text}: expected a recording, a folder or a pattern, found nothing of that name")


def _of_folder(folder: Path, root: Path, row: Row) -> Iterator[_Found]:
    """The videos below a folder; a folder that has images and no video is one recording."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=lambda n: natural_key(Path(n)))
        paths = sorted((Path(here, name) for name in files if not name.startswith(".")), key=natural_key)
        videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
        for path in videos:
            yield _Found(str(path), _names(path, root), row)
        if not videos and any(path.suffix.lower() in IMAGE_SUFFIXES for path in paths):
            yield _Found(here, _names(Path(here), root if Path(here) != root else root.parent), row)


def _fixed(pattern: str) -> str:
    """The folders in front of the first one that is a pattern."""
    parts = pattern.split("/")
    first = next((i for i, part in enumerate(parts) if any(c in part for c in _PATTERN)), len(parts))
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else ".")


def _names(path: Path, root: Path) -> list[str]:
    """Names for a file below `root`: without the suffix, with it, then with more and more of the folders above."""
    below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    bare = below if path.is_dir() else below.with_suffix("")
    above = [part for part in root.parts if part != "/"]
    longer = [Path(*above[-count:]) / below for count in range(1, len(above) + 1)]
    return [_safe(str(each)) for each in dict.fromkeys((bare, below, *longer))]


def _named(found: Iterable[_Found]) -> list[str]:
    """A name for each, unlike all others; those that a table gives are taken."""
    items = list(found)
    lengths = [0] * len(items)
    while True:
        names = [
            each.row.name or each.names[min(length, len(each.names) - 1)]
            for each, length in zip(items, lengths, strict=True)
        ]
        groups: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            groups.setdefault(name, []).append(i)
        clashes = [i for group in groups.values() if len(group) > 1 for i in group]
        if not clashes:
            return names
        longer = [i for i in clashes if not items[i].row.name and lengths[i] + 1 < len(items[i].names)]
        if not longer:
            first, second, *_ = (redacted(items[i].address) for i in clashes)
            raise ConfigError(f"{names[clashes[0]]}: the name of two recordings, {first} and {second}; name them apart")
        for i in longer:
            lengths[i] += 1


def _safe(name: str) -> str:
    """`name` with only what a file's name and a terminal take."""
    kept = "".join(c if c.isprintable() else "_" for c in name)
    return "/".join(part if part.strip(" .") else "_" for part in kept.split("/") if part) or "_"

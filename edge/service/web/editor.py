"""Zones and lines written into the configuration file: the new ones in, everything else as it was, comments included.

Only the lines of one table are changed, by their positions in the text, and the result is read and compared before it
takes the place of the file: whole, by renaming, or not at all.
"""

import contextlib
import copy
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from edge.errors import ConfigError, OutputError
from edge.files import takes_files
from edge.settings import config
from edge.settings.config import Line, Zone
from edge.settings.mistakes import described
from edge.settings.positions import Positions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Kind = Literal["zone", "line"]
KINDS: dict[str, type[Zone] | type[Line]] = {"zone": Zone, "line": Line}
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_DIGITS = 4  # of a share: half a pixel of a picture of 5000


class Area:
    """A zone or a line of a camera as somebody drew it, perhaps with mistakes.

    `points` are (x, y) in shares of width and height, rounded to what is written.
    """

    def __init__(self, camera: str, kind: Kind, name: str, points: Sequence[tuple[float, float]]):
        self.camera, self.kind, self.name = camera, kind, name
        self.points = [[round(x, _DIGITS), round(y, _DIGITS)] for x, y in points]

    @property
    def values(self) -> dict[str, Any]:
        """The keys of its table."""
        return {"name": self.name, "points": self.points}

    @property
    def toml(self) -> str:
        """Its table as it stands in the file, behind its camera's."""
        return f"[[camera.{self.kind}]]\nname = {_text(self.name)}\n{self.points_toml}\n"

    @property
    def points_toml(self) -> str:
        """The line of its points."""
        return f"points = {self.points}"

    def mistakes(self) -> list[str]:
        """What is wrong with it, each beginning with the key."""
        schema = KINDS[self.kind]
        try:
            TypeAdapter(schema).validate_python(self.values)
        except ValidationError as error:
            return [text for _, text in described(error, schema, {})]
        return []


class Editor:
    """Writes into the configuration `path`, and calls `reload` when it has. `save` is for one thread at a time."""

    def __init__(self, path: Path, reload: Callable[[], None]):
        self._path, self._reload = path.resolve(), reload

    @property
    def obstacle(self) -> str:
        """Why `save` could not write the file now, "" where it could."""
        folder = self._path.parent
        if takes_files(folder):
            return ""
        return f"this service may not write into {folder}, where its configuration is"

    def save(self, area: Area) -> None:
        """Put `area` into the file, in place of that of the same kind, camera and name.

        Raises ConfigError for a file with mistakes or written in a way that this cannot change, OutputError where it
        cannot be written. The file is as before then.
        """
        try:
            before = self._path.read_bytes()
            self._check(before)
            new = with_area(before.decode("utf-8"), area).encode()
            self._check(new)
            if self._path.read_bytes() != before:
                raise ConfigError(f"{self._path}: it was changed at the same time; try again")
            self._replace(new)
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self._path}: expected TOML in UTF-8, found other bytes") from error
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}; put the table in by hand") from error
        self._reload()

    def _check(self, content: bytes) -> None:
        """Raise ConfigError where the daemon would refuse a file with this content."""
        reading = config.parse(self._path, content)
        if reading.mistakes:
            raise ConfigError(reading.listed(reading.mistakes))

    def _replace(self, new: bytes) -> None:
        """The new file in place of the old one, with the same owner and permissions."""
        status = self._path.stat()
        with tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=f".{self._path.name}.", delete=False) as file:
            try:
                file.write(new)
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
                with contextlib.suppress(PermissionError):  # only root may give a file to others
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise


def with_area(text: str, area: Area) -> str:
    """The configuration `text` with `area`: its points replaced, or its table behind those of its camera.

    Raises ConfigError for TOML with mistakes, an unknown camera, and where the table cannot be found or put in.
    """
    if text.startswith("\ufeff"):  # which some editors write in front
        return "\ufeff" + with_area(text[1:], area)
    if "\r" in text and text.count("\n") == text.count("\r\n"):
        return with_area(text.replace("\r\n", "\n"), area).replace("\n", "\r\n")
    data = _read(text)
    if data is None:
        raise ConfigError("expected TOML, found a mistake in the configuration file; mend it first")
    names = [camera.get("name") for camera in data.get("camera", [])]
    if area.camera not in names:
        raise ConfigError(f"camera: expected one of the configuration file, found {area.camera!r}")
    number = names.index(area.camera)
    expected = copy.deepcopy(data)
    areas = expected["camera"][number].setdefault(area.kind, [])
    there = next((i for i, each in enumerate(areas) if each.get("name") == area.name), None)
    if there is None:
        areas.append(area.values)
        found = _with_table(text, number, area)
    else:
        areas[there]["points"] = area.points
        found = _with_points(text, (number, there), area)
    for new in found:
        if _read(new) == expected:
            return new
    raise ConfigError(
        f"the configuration file has its {area.kind}s in a form that the page cannot change, expected"
        f" [[camera.{area.kind}]] with one key a line; put it in by hand"
    )


def _with_points(text: str, numbers: tuple[int, int], area: Area) -> Iterator[str]:
    """`text` with other points in the table that is there; the first of these that is right."""
    lines = _LINE.findall(text)
    camera, there = numbers
    first = Positions(text)[("camera", camera, area.kind, there, "points")].line - 1
    for end in range(first + 1, len(lines) + 1):
        if set(_read("".join(lines[first:end])) or ()) == {"points"}:
            comment = re.search(r"\][ \t]*(#[^\n]*)$", lines[end - 1].rstrip())
            indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
            behind = f"  {comment[1]}" if comment else ""
            yield "".join([*lines[:first], f"{indent}{area.points_toml}{behind}\n", *lines[end:]])
            return


def _with_table(text: str, camera: int, area: Area) -> Iterator[str]:
    """`text` with a new table before one of the headers behind the camera's, or at the end."""
    lines = _LINE.findall(text)
    start = Positions(text)[("camera", camera)].line
    for i in range(start, len(lines) + 1):
        is_end = i == len(lines)
        if not is_end and (not lines[i].lstrip().startswith("[") or re.match(r"\s*\[+\s*camera\s*\.", lines[i])):
            continue
        while i > start and re.match(r"\s*(#|$)", lines[i - 1]):  # what is written above a header belongs to it
            i -= 1
        before = "".join(lines[:i])
        gap = "" if before.endswith("\n") else "\n"
        yield "".join([before, gap, "\n", area.toml, *lines[i:]])


def _read(text: str) -> dict[str, Any] | None:
    try:
        return dict(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _text(name: str) -> str:
    """`name` as a TOML string; such names as the configuration allows need no escapes."""
    return '"' + re.sub(r'[\x00-\x1f"\\\x7f]', lambda found: f"\\u{ord(found[0]):04x}", name) + '"'

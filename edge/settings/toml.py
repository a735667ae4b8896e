"""A TOML file into the pydantic dataclasses that describe it, with every mistake and where it stands."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from edge.errors import ConfigError
from edge.files import read_file
from edge.settings.mistakes import described, fields_of, name_of, repeated_names
from edge.settings.positions import KeyPath, Positions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")

_MOST_BYTES = 1 << 20
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Mistake(NamedTuple):
    """What is wrong (a sentence that begins with the key) and where: line and column, from 1, of the file."""

    line: int
    column: int
    text: str


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What was read from the file `path`.

    `value` is None where there are `mistakes`. `sound` has what could be used all the same, to look for further
    mistakes: the sections without any, and of lists of sections those items.
    """

    path: Path
    value: T | None
    mistakes: list[Mistake]
    sound: Mapping[str, Any]
    data: Mapping[str, Any] = field(repr=False)
    positions: Positions = field(repr=False)

    def mistake(self, path: KeyPath, text: str, at: str = "") -> Mistake:
        """A mistake of what `path` leads to; in a section, at its key `at`. Neither needs to be in the file."""
        where = (*path, at)
        return Mistake(*self.positions[where], f"{name_of(path, self.data)}: {text}")

    def line(self, mistake: Mistake) -> str:
        """FILE:LINE:COLUMN: TEXT, as editors and terminals know it."""
        return f"{self.path}:{mistake.line}:{mistake.column}: {mistake.text}"

    def listed(self, mistakes: list[Mistake]) -> str:
        """All of them, in the order of the file."""
        return "\n  ".join([f"{self.path}: {len(mistakes)} to correct:", *map(self.line, sorted(mistakes))])


def read(schema: type[T], path: Path) -> Reading[T]:
    """The file as an instance of `schema`, or with its mistakes. Raises ConfigError for what is no TOML."""
    try:
        content = read_file(path, _MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: expected the configuration, cannot read it: {error.strerror}") from error
    return parse(schema, path, content)


def parse(schema: type[T], path: Path, content: bytes) -> Reading[T]:
    """What `read` would return if this was the content of `path`."""
    text, data = _parsed(path, content)
    places = Positions(text)
    found = list(repeated_names(data))
    value = None
    try:
        value = TypeAdapter(schema).validate_python(data)
    except ValidationError as error:
        found += described(error, schema, data)
    mistakes = sorted(Mistake(*places[where], sentence) for where, sentence in found)
    broken = {where[:length] for where, _ in found for length in (1, 2)}
    sound = _sound(schema, data, broken)
    return Reading(path, None if mistakes else value, mistakes, sound, data, places)


def load(schema: type[T], path: Path) -> T:
    """The file as an instance of `schema`. Raises ConfigError with every mistake."""
    reading = read(schema, path)
    if reading.value is None:
        raise ConfigError(reading.listed(reading.mistakes))
    return reading.value


def json_schema(schema: type) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of such files, for editors."""
    made = TypeAdapter(schema).json_schema(schema_generator=_WithoutNull)
    return {"$schema": GenerateJsonSchema.schema_dialect, **made}


class _WithoutNull(GenerateJsonSchema):
    """TOML has no null: what may be None is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value is not None}


def _parsed(path: Path, content: bytes) -> tuple[str, dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected TOML, found a mistake: {error}") from error
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        line, column = (where[1], where[2]) if where and where[1] else (text.count("\n") + 1, 1)
        raise ConfigError(f"{path}:{line}:{column}: expected TOML, found a mistake: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: expected TOML, found lists in lists without an end") from error


def _sound(schema: type, data: Mapping[str, Any], broken: set[KeyPath]) -> dict[str, Any]:
    """The sections of `data` that no path in `broken` leads into, and the items of lists of sections."""
    sound: dict[str, Any] = {}
    for name, key in fields_of(schema).items():
        given = data.get(name)
        if isinstance(given, list):
            given = [item for i, item in enumerate(given) if (name, i) not in broken]
        elif (name,) in broken:
            continue
        if name in data:
            kind: Any = key.annotation
            sound[name] = TypeAdapter(kind).validate_python(given)
        elif not key.is_required():
            sound[name] = key.default
    return sound

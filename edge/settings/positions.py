"""Where in a TOML text each key stands: for messages that name line and column, which Python's reader does not tell.

The text is one that `tomllib` has read, so its grammar (TOML 1.0) is not checked again here.
"""

import re
import sys
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# From the top of the file to a value: keys of tables, numbers of list items.
KeyPath = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'", re.DOTALL
)
_OTHER_VALUE = re.compile(r"[^,\]}\n#]+")


class Position(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class Positions:
    """The positions of the keys and list items of the TOML text `text`."""

    def __init__(self, text: str):
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._offsets: dict[KeyPath, int] = {(): 0}
        self._lengths: dict[KeyPath, int] = {}  # of the lists of tables, up to here
        self._read_document()

    def __getitem__(self, path: KeyPath) -> Position:
        """Where `path` stands; for what is not in the file the innermost table around it."""
        while path not in self._offsets:
            path = path[:-1]
        offset = self._offsets[path]
        return Position(self._text.count("\n", 0, offset) + 1, offset - self._text.rfind("\n", 0, offset))

    def __contains__(self, path: KeyPath) -> bool:
        return path in self._offsets

    def _read_document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._read_header()
            else:
                self._read_pair(table)
            self._skip(_BLANK)

    def _read_header(self) -> KeyPath:
        """The path of the table that `[a.b]` or `[[a.b]]` begins."""
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        keys = self._read_keys()
        self._at += brackets
        path: KeyPath = ()
        for i, (key, offset) in enumerate(keys):
            path += (key,)
            self._offsets.setdefault(path, offset)
            if brackets == 2 and i == len(keys) - 1:
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path += (self._lengths[path] - 1,)
                self._offsets.setdefault(path, offset)
        return path

    def _read_pair(self, table: KeyPath) -> None:
        """`key = value`."""
        for key, offset in self._read_keys():
            table += (key,)
            self._offsets.setdefault(table, offset)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._read_value(table)

    def _read_keys(self) -> list[tuple[str, int]]:
        """The parts of a key such as `a."b c"`, each with its offset, and the blanks behind them."""
        keys = []
        while True:
            self._skip(_SPACE)
            offset = self._at
            if self._text[offset] in "\"'":
                self._skip(_STRING)
                keys.append((tomllib.loads(f"key = {self._text[offset : self._at]}")["key"], offset))
            else:
                self._skip(_BARE_KEY)
                keys.append((self._text[offset : self._at], offset))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _read_value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first == "[":
            self._read_items("]", path)
        elif first == "{":
            self._read_items("}", path)
        else:
            self._skip(_STRING if first in "\"'" else _OTHER_VALUE)

    def _read_items(self, end: str, path: KeyPath) -> None:
        """The items of a list or of an inline table."""
        self._at += 1
        index = 0
        self._skip(_BLANK)
        while not self._text.startswith(end, self._at):
            if end == "}":
                self._read_pair(path)
            else:
                item = (*path, index)
                self._offsets[item] = self._at
                self._read_value(item)
            index += 1
            self._skip(_BLANK)
            if self._text.startswith(",", self._at):
                self._at += 1
                self._skip(_BLANK)
        self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()

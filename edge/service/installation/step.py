"""One thing that is done to install or remove the service: it says what it would do, and does it."""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edge.errors import NanoTrackError, OutputError, UnavailableError


class Step(Protocol):
    """`about` says what for, `shown` what is done as a command of a shell; `is_done` whether nothing is left to do.

    `do` does it. Raises NanoTrackError.
    """

    about: str

    @property
    def shown(self) -> str: ...

    def is_done(self) -> bool: ...

    def do(self) -> None: ...


@dataclass
class Write:
    """The file `path` with `content`, which is `source` with the changes that `note` names."""

    about: str
    path: Path
    content: str
    source: Path
    note: str = ""
    keeps_old: bool = False  # a file that is there is left as it is, whatever it holds

    @property
    def shown(self) -> str:
        note = f"   # {self.note}" if self.note else ""
        return f"install -D -m 644 {_quoted(self.source, self.path)}{note}"

    def is_done(self) -> bool:
        if self.keeps_old:
            return self.path.exists()
        return self.path.is_file() and self.path.read_text("utf-8", "replace") == self.content

    def do(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.content, "utf-8")
            self.path.chmod(0o644)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error


@dataclass
class Copy:
    """The file or folder `source` as `target`, for everybody to read."""

    about: str
    source: Path
    target: Path

    @property
    def shown(self) -> str:
        return f"cp -r {_quoted(self.source, self.target)} && chmod -R a+rX {_quoted(self.target)}"

    def is_done(self) -> bool:
        return self.target.exists() and self.target.samefile(self.source)

    def do(self) -> None:
        fresh = self.target.with_name(f".{self.target.name}.part")  # a full disk must not cost the one that is there
        try:
            Remove("", fresh).do()
            if self.source.is_dir():
                shutil.copytree(self.source, fresh)
            else:
                shutil.copyfile(self.source, fresh)
            for path in (fresh, *fresh.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            Remove("", self.target).do()
            fresh.rename(self.target)
        except OSError as error:
            Remove("", fresh).do()
            raise OutputError(f"{self.target}: cannot be written: {error.strerror or error}") from error


@dataclass
class Remove:
    """No file or folder at `path`."""

    about: str
    path: Path

    @property
    def shown(self) -> str:
        return f"rm -rf {_quoted(self.path)}"

    def is_done(self) -> bool:
        return not os.path.lexists(self.path)

    def do(self) -> None:
        try:
            if self.path.is_dir() and not self.path.is_symlink():
                shutil.rmtree(self.path)
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be removed: {error.strerror}") from error


@dataclass
class Run:
    """A command; where it fails, `remedy` says what to do, with the exit code that it gave if that is one of ours."""

    about: str
    command: tuple[str, ...]
    remedy: str
    may_fail: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        return shlex.join(self.command)

    def is_done(self) -> bool:
        return False

    def do(self) -> None:
        try:
            code = subprocess.run(self.command, cwd="/", env={**os.environ, **self.environment}).returncode
        except OSError as error:
            raise UnavailableError(f"{self.command[0]}: cannot be run: {error.strerror}; {self.remedy}") from error
        if code and not self.may_fail:
            kinds = {kind.exit_code: kind for kind in NanoTrackError.__subclasses__()}
            raise kinds.get(code, UnavailableError)(f"{self.shown}: ended with exit code {code}; {self.remedy}")


def _quoted(*paths: Path) -> str:
    return shlex.join(map(str, paths))

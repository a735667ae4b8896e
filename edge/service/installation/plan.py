"""The steps that install the service, and those that remove it.

A user of its own in place of systemd's DynamicUser: before the first start the cache of compiled code is filled and the
configuration checked as that user, in the folders and with the environment of the unit.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DataError, NotFoundError, UnavailableError
from edge.modelpack import MANIFEST
from edge.service.installation.step import Copy, Remove, Run, Step, Write

USER = "nanotrack"
DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = "nanotrack.service"
_CONFIG = "etc/nanotrack/nanotrack.toml"
# Folders that the unit hides from the service (ProtectHome=).
_HIDDEN = ("/home", "/root", "/run/user")


@dataclass(frozen=True)
class Target:
    """Where it is installed: the file system at `root`, "/" for this machine."""

    root: Path = Path("/")

    @property
    def is_here(self) -> bool:
        """Whether it is the running system, in which users can run and services start."""
        return self.root == Path("/")

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / _CONFIG

    def tool(self, name: str, *arguments: str) -> tuple[str, ...]:
        """A command of systemd for this file system."""
        return (name, *(() if self.is_here else (f"--root={self.root}",)), *arguments)


def program() -> list[str]:
    """The command `nanotrack` of this installation, as the unit runs it."""
    beside = Path(sys.executable).with_name("nanotrack")
    return [str(beside)] if beside.is_file() else [sys.executable, "-m", "edge.cli"]


def require_visible() -> None:
    """Raise UnavailableError where the service could not see this installation: the unit hides home folders from it."""
    for path in (Path(sys.executable), Path(sys.base_prefix), Path(__file__)):
        if str(path.resolve()).startswith(tuple(f"{folder}/" for folder in _HIDDEN)):
            raise UnavailableError(
                f"{path}: lies in a home folder, which the service cannot see; install nanotrack-edge elsewhere:"
                " python3 -m venv /opt/nanotrack && /opt/nanotrack/bin/pip install 'nanotrack-edge[service,web,mqtt]'"
            )


def installation(target: Target, command: list[str], config: Path | None, pack: Path | None) -> Iterator[Step]:
    """The steps in their order; `config` and `pack` are copied in, without them the commented example is.

    Raises NotFoundError where one of them is not there, DataError for a pack that is none.
    """
    for source in (config, pack):
        if source is not None and not source.exists():
            raise NotFoundError(f"{source}: expected a file or folder to install, found nothing")
    pack = None if pack is None else _named(pack)
    root = target.root
    for name, about in (("sysusers", "the user and its groups"), ("tmpfiles", "the folders")):
        source = DEPLOY / f"{name}.conf"
        yield Write(f"what systemd-{name} makes: {about}", root / f"etc/{name}.d/nanotrack.conf", _text(source), source)
    yield Run("make the user", target.tool("systemd-sysusers", "nanotrack.conf"), "is systemd installed?")
    create = target.tool("systemd-tmpfiles", "--create", "nanotrack.conf")
    yield Run("make the folders", create, "is systemd installed?")
    if pack is not None:
        yield Copy("the model pack", pack.resolve(), root / "etc/nanotrack" / pack.name)
    yield _configuration(target, config, pack)
    unit = _unit(command)
    yield Write(
        "the unit", root / f"etc/systemd/system/{UNIT}", unit, DEPLOY / UNIT, f"ExecStart={' '.join(command)} serve"
    )
    if target.is_here:
        yield from _running(target, command, environment_of(unit))
    else:
        yield Run("start with the system", target.tool("systemctl", "enable", UNIT), "is systemd installed?")


def removal(target: Target, purge: bool) -> Iterator[Step]:
    """The steps in their order; with `purge` also configuration, recorded data and user."""
    root = target.root
    if target.is_here:
        yield Run("stop it", ("systemctl", "disable", "--now", UNIT), "see systemctl status nanotrack", may_fail=True)
    else:
        yield Run("do not start with the system", target.tool("systemctl", "disable", UNIT), "", may_fail=True)
    yield Remove("the unit", root / f"etc/systemd/system/{UNIT}")
    for name in ("sysusers", "tmpfiles"):
        yield Remove(f"what systemd-{name} makes", root / f"etc/{name}.d/nanotrack.conf")
    yield Remove("the cache", root / "var/cache/nanotrack")
    if purge:
        yield Remove("changes to the unit", root / f"etc/systemd/system/{UNIT}.d")
        yield Remove("configuration, packs and credentials", root / "etc/nanotrack")
        yield Remove("what was recorded", root / "var/lib/nanotrack")
        yield Remove("the folder of logs, which the unit makes", root / "var/log/nanotrack")
        if target.is_here:
            yield Run("the user", ("userdel", USER), "remove it by hand", may_fail=True)
    if target.is_here:
        yield Run("forget the unit", ("systemctl", "daemon-reload"), "is systemd running?")


def environment_of(unit: str) -> dict[str, str]:
    """The environment that the text of a unit sets."""
    words = [word for line in re.findall(r"^Environment=(.*)$", unit, re.MULTILINE) for word in line.split()]
    return dict(word.split("=", 1) for word in words)


def _named(pack: Path) -> Path:
    """The pack by a path that ends in its name, as `.` does not: what has that name in the target is replaced.

    Raises DataError for what is neither a pack nor an ONNX file.
    """
    pack = Path(os.path.abspath(pack))
    if not ((pack / MANIFEST).is_file() or (pack.is_file() and pack.suffix.lower() == ".onnx")):
        raise DataError(f"{pack}: expected a model pack or an ONNX file to install, found something else")
    return pack


def _running(target: Target, command: list[str], environment: dict[str, str]) -> Iterator[Step]:
    as_user = ["runuser", "-u", USER, "--", "env", *(f"{name}={value}" for name, value in environment.items())]
    readable = "install nanotrack-edge where other users can read it, such as /opt/nanotrack"
    yield Run("can the user run it?", (*as_user, *command, "--version"), readable)
    yield Run(
        "compile all kernels for this board, which takes minutes once", (*as_user, *command, "doctor", "--warm"), ""
    )
    remedy = f"correct {target.config}, then run install-service again"
    check = (*command, "check", "--config", str(target.config))
    handed = _load_credentials(target)
    if handed:  # which only systemd can hand over
        properties = [f"-p{option}" for option in (f"User={USER}", *handed)]
        settings = [f"-E{name}={value}" for name, value in environment.items()]
        as_user = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", *properties, *settings]
    yield Run("is the configuration right?", (*as_user, *check), remedy)
    yield Run("tell systemd", ("systemctl", "daemon-reload"), "is systemd running?")
    yield Run("start with the system", ("systemctl", "enable", UNIT), "see systemctl status nanotrack")
    yield Run("start now", ("systemctl", "restart", UNIT), "see journalctl -u nanotrack")


def _load_credentials(target: Target) -> list[str]:
    """The LoadCredential= lines of the drop-ins of the unit."""
    folder = target.root / f"etc/systemd/system/{UNIT}.d"
    texts = map(_text, sorted(folder.glob("*.conf")))
    return [line for text in texts for line in re.findall(r"(?m)^LoadCredential=\S+:\S+", text)]


def _configuration(target: Target, config: Path | None, pack: Path | None) -> Write:
    source = config or DEPLOY / "nanotrack.toml"
    text, note = _text(source), ""
    if config is None and pack is not None:
        text = re.sub(r'(?m)^pack = "[^"]*"', f'pack = "/etc/nanotrack/{pack.name}"', text)
        note = f"pack = /etc/nanotrack/{pack.name}"
    return Write("the configuration, unless there is one", target.config, text, source, note, keeps_old=True)


def _unit(command: list[str]) -> str:
    return re.sub(
        r"(?m)^ExecStart=.*$",
        lambda _: f"ExecStart={' '.join(command)} serve --config /{_CONFIG}",
        _text(DEPLOY / UNIT),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{path}: cannot be read: {error}") from error


def has_systemd() -> bool:
    """Whether systemd runs this machine (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None

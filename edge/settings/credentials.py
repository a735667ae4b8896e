"""Secrets: read from files, put into addresses at the last moment."""

import os
import stat
from pathlib import Path
from urllib.parse import quote

from edge.errors import ConfigError, NotFoundError
from edge.files import read_file

_MOST_BYTES = 4096


def path_of(name: str) -> Path:
    """The file of a secret that may also be an ordinary file: a plain name is looked up among the credentials first."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    found = Path(folder, name) if folder and "/" not in name else Path(name)
    return found if found.exists() else Path(name)


def read(name: str) -> tuple[str, str]:
    """User and password of credential `name`: a file with one line `user:password`.

    A plain name is looked up where systemd's LoadCredential= puts it ($CREDENTIALS_DIRECTORY), a path is taken as it
    is. Raises NotFoundError for a file that is missing or cannot be read, ConfigError for one that protects nothing: it
    is empty, holds neither user nor password, or all users of this machine may read it.
    """
    path = Path(name)
    if "/" not in name:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise NotFoundError(
                f"credentials {name!r}: no CREDENTIALS_DIRECTORY here; give LoadCredential={name}:FILE in the unit, or"
                " the path of a file"
            )
        path = Path(folder, name)
    try:
        text = read_file(path, _MOST_BYTES).decode("utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{path}: expected a file with user:password, cannot read it: {error}") from error
    user, colon, password = text.partition(":")
    if not text or text == ":":
        raise ConfigError(f"{path}: expected one line user:password, found nothing in it; write it")
    if not colon or "\n" in text:
        raise ConfigError(f"{path}: expected one line user:password, found something else")
    if mode & stat.S_IROTH:
        raise ConfigError(f"{path}: all users of this machine may read this secret; chmod 640 {path}, or 600")
    return user, password


def address_with(url: str, name: str | None) -> str:
    """`url` with the user and password of credential `name` in it; `url` itself where there is no name."""
    if name is None:
        return url
    user, password = read(name)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"

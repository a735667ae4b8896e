"""Secrets: read from files, put into addresses at the last moment."""

import os
from pathlib import Path
from urllib.parse import quote

from edge.errors import NotFoundError


def read(name: str) -> tuple[str, str]:
    """User and password of credential `name`: a file with one line `user:password`.

    A plain name is looked up where systemd's LoadCredential= puts it ($CREDENTIALS_DIRECTORY), a path is taken as it
    is. Raises NotFoundError.
    """
    path = Path(name)
    if not path.is_absolute():
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise NotFoundError(
                f"credentials {name!r}: no CREDENTIALS_DIRECTORY here; give LoadCredential={name}:FILE in the unit, or"
                " the path of a file"
            )
        path = Path(folder, name)
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{path}: expected a file with user:password, cannot read it: {error}") from error
    user, colon, password = text.partition(":")
    if not colon or "\n" in text:
        raise NotFoundError(f"{path}: expected one line user:password, found something else")
    return user, password


def address_with(url: str, name: str | None) -> str:
    """`url` with the user and password of credential `name` in it; `url` itself where there is no name."""
    if name is None:
        return url
    user, password = read(name)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"

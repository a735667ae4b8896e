"""Secrets are read from files and never shown."""

import os
from pathlib import Path

import pytest

from edge.errors import ConfigError, NotFoundError
from edge.settings import credentials


def secret(path: Path, text: str) -> str:
    """A file that only this user may read; its path."""
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_a_plain_name_is_one_of_systemd_and_a_path_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret(tmp_path / "camera", "me:s@c:ret/1\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credentials.read("camera") == ("me", "s@c:ret/1")
    assert credentials.read(str(tmp_path / "camera")) == ("me", "s@c:ret/1")
    monkeypatch.chdir(tmp_path)
    assert credentials.read("./camera") == ("me", "s@c:ret/1")
    assert credentials.address_with("rtsp://host:554/x", "camera") == "rtsp://me:s%40c%3Aret%2F1@host:554/x"
    assert credentials.address_with("rtsp://host/x", None) == "rtsp://host/x"


@pytest.mark.parametrize("text", ["user", "a:b\nc:d"])
def test_a_file_with_something_else_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected one line user:password, found something else$"):
        credentials.read(secret(tmp_path / "camera", text))


@pytest.mark.parametrize("text", ["", "\n", ":", " : "])
def test_a_file_with_nothing_in_it_protects_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="found nothing in it"):
        credentials.read(secret(tmp_path / "camera", text))


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_a_secret_that_all_may_read_is_none(tmp_path: Path, mode: int) -> None:
    path = secret(tmp_path / "camera", "me:secret")
    Path(path).chmod(mode)
    with pytest.raises(ConfigError, match=r"all users of this machine may read this secret; chmod 640") as caught:
        credentials.read(path)
    assert "me:secret" not in str(caught.value)
    Path(path).chmod(0o640)
    assert credentials.read(path) == ("me", "secret")


def test_a_named_pipe_is_no_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFoundError, match="found a named pipe"):
        credentials.read(str(tmp_path / "pipe"))


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(NotFoundError, match="LoadCredential=camera:FILE"):
        credentials.read("camera")
    with pytest.raises(NotFoundError, match="No such file"):
        credentials.read(str(tmp_path / "none"))

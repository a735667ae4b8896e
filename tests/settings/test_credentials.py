"""Secrets are read from files and never shown."""

from pathlib import Path

import pytest

from edge.errors import NotFoundError
from edge.settings import credentials


def test_a_plain_name_is_one_of_systemd_and_a_path_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "camera").write_text("me:s@c:ret/1\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credentials.read("camera") == ("me", "s@c:ret/1")
    assert credentials.read(str(tmp_path / "camera")) == ("me", "s@c:ret/1")
    assert credentials.address_with("rtsp://host:554/x", "camera") == "rtsp://me:s%40c%3Aret%2F1@host:554/x"
    assert credentials.address_with("rtsp://host/x", None) == "rtsp://host/x"


@pytest.mark.parametrize("text", ["", "user", "a:b\nc:d"])
def test_a_file_with_something_else_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera"
    path.write_text(text)
    with pytest.raises(NotFoundError, match=r"expected one line user:password, found something else$"):
        credentials.read(str(path))


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(NotFoundError, match="LoadCredential=camera:FILE"):
        credentials.read("camera")
    with pytest.raises(NotFoundError, match="No such file"):
        credentials.read(str(tmp_path / "none"))

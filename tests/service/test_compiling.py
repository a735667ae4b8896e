"""A first start says that it compiles, and a later one says nothing."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.commands.serve import address_of
from edge.kernels import cache
from edge.service.compiling import announced
from edge.settings.config import Web
from tests.field import Manager, Served
from tests.service.daemon.setups import SCENE, camera, write_config


@pytest.mark.parametrize("is_stored", [True, False])
def test_it_is_announced_where_nothing_is_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_stored: bool
) -> None:
    monkeypatch.setattr(cache, "is_stored", lambda room, name: is_stored)
    with caplog.at_level(logging.INFO), announced():
        pass
    assert [message.split(":")[0] for message in caplog.messages] == (
        [] if is_stored else ["first start", "compiled in 0 s"]
    )


def test_its_entry_is_one_that_every_daemon_compiles(tiny_pack: Path, tmp_path: Path) -> None:
    """The daemon of another test has run here, or runs now: what it needs is in the cache afterwards."""
    from edge.service import compiling

    code = "import edge.service.daemon"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600, env=os.environ)
    assert cache.is_stored(compiling._ROOM, compiling._ENTRY)


def test_the_log_tells_where_the_page_is_and_what_runs_where(tiny_pack: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path, tiny_pack, camera("near", SCENE), more="[web]\nport = 0\n")
    manager = Manager(tmp_path / "notify")
    served = Served(path, manager)
    try:
        served.hear("READY=1")
        log = served.log.read_text()
    finally:
        served.kill()
        manager.close()
    assert "camera near: demo://" in log
    assert "-> detector on onnxruntime" in log
    assert "page: http://127.0.0.1:" in log


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Web(), "http://127.0.0.1:80/"),
        (Web("::1"), "http://[::1]:80/"),
        (Web("0.0.0.0", insecure=True), "http://127.0.0.1:80/"),
        (Web("192.168.1.2", credentials="a", certificate="b", key="c"), "https://192.168.1.2:80/"),
    ],
)
def test_the_address_of_the_page(settings: Web, address: str) -> None:
    assert address_of(settings, 80) == address

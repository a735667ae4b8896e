"""A new configuration for a daemon that runs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge import config
from edge.daemon import Daemon
from edge.errors import NanoTrackError
from tests.daemon.setups import SCENE, camera, cycle_until, lines, of, write_config


def test_reload_keeps_what_did_not_change(tiny_pack: Path, tmp_path: Path) -> None:
    daemon = Daemon(config.load(write_config(tmp_path, tiny_pack, camera("a", SCENE), camera("b", SCENE))))
    a, b = daemon.streams
    cycle_until(daemon, lambda: a.tracked > 2 and b.tracked > 2)
    daemon.reload(config.load(write_config(tmp_path, tiny_pack, camera("c", SCENE), camera("a", SCENE))))
    assert [stream.origin.camera for stream in daemon.streams] == ["c", "a"]
    assert daemon.streams[1] is a
    before = a.tracked
    cycle_until(daemon, lambda: a.tracked > before and daemon.streams[0].tracked > 2)
    assert b.state == "stopped"
    daemon.close()
    found = lines(tmp_path)
    assert len({line["run"] for line in found if line["camera"] == "a"}) == 1
    assert of(found, "b", "camera")[-1]["state"] == "stopped"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("[model]", '[tracking]\nmethod = "none"\n[model]'),
        lambda text: text.replace(".pack", ".none"),
        lambda text: text.replace("demo://", "/none/"),
        lambda text: text.replace('folder = "', 'folder = "/none'),
    ],
)
def test_a_reload_that_fails_changes_nothing(tiny_pack: Path, tmp_path: Path, change: Callable[[str], str]) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", SCENE))
    daemon = Daemon(config.load(path))
    stream, outputs = daemon.streams[0], daemon.outputs
    path.write_text(change(path.read_text()))
    with pytest.raises(NanoTrackError):
        daemon.reload(config.load(path))
    assert (daemon.streams, daemon.outputs) == ([stream], outputs)
    before = stream.tracked
    cycle_until(daemon, lambda: stream.tracked > before + 2)
    daemon.close()

"""The engine `ray` on a cluster of two nodes, both on this machine."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from tests.batch.kills import Killed, command, kill_driver, kill_worker_of, write_recordings
from tests.batch.test_batch import files, rows

pytestmark = pytest.mark.slow
RECORDINGS, FRAMES, KILLS = 500, 20, 20


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one core each beside a head without any."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def test_two_nodes_give_the_bytes_of_one_process_whoever_is_killed(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    folder, out, calm = tmp_path / "in", tmp_path / "out", tmp_path / "calm"
    good = write_recordings(folder, RECORDINGS, FRAMES)
    killed = Killed([], tmp_path / "notes")
    for name, value in killed.environment.items():  # what the nodes inherit
        monkeypatch.setenv(name, value)
    nodes = request.getfixturevalue("cluster")
    killed.command = command(folder, tiny_pack, out, "--engine", "ray", "--address", nodes.address)

    def raylets(driver: int) -> list[int]:
        return [node.all_processes["raylet"][0].process.pid for node in nodes.worker_nodes]

    def kill_node(driver: int) -> bool:
        nodes.remove_node(dice.choice(list(nodes.worker_nodes)), allow_graceful=False)
        nodes.add_node(num_cpus=1)
        return True

    dice = random.Random(5)
    kills = [kill_driver] * 4 + [kill_node] * 4 + [kill_worker_of(raylets, seed) for seed in range(KILLS - 8)]
    dice.shuffle(kills)
    code, hits = killed.run(kills, pause_s=1.5, seed=6)
    assert code == 65
    again = killed.frames_read - good * FRAMES
    print(f"ray: {hits} kills, {killed.drivers} drivers, {100 * again / (good * FRAMES):.2f} % read again")  # noqa: T201
    assert hits > KILLS / 2
    assert again <= FRAMES * (hits + killed.drivers - 1)  # what was in work: one recording, two where the driver died
    assert main(["batch", str(folder), "--model", str(tiny_pack), "--out", str(calm), "--workers", "1"]) == 65
    assert files(out) == files(calm)
    assert rows(out, "SELECT count(*) FROM recordings WHERE status = 'done'") == [(good,)]

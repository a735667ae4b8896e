"""Whatever is killed, and whenever: every recording is done once, whole, with the same bytes."""

import random
from pathlib import Path

import pytest

from edge.cli import main
from tests.batch.kills import Killed, command, kill_driver, kill_worker_of, write_recordings
from tests.batch.test_batch import files, rows

RECORDINGS, FRAMES, KILLS = 500, 20, 20


def check_all_done_once(folder: Path, pack: Path, out: Path, good: int) -> None:
    """Compare with a run that nobody disturbed."""
    calm = out.with_name("calm")
    assert main(["batch", str(folder), "--model", str(pack), "--out", str(calm), "--workers", "1"]) == 65
    disturbed = files(out)
    assert disturbed == files(calm)
    assert rows(out, "SELECT status, count(*) FROM recordings GROUP BY status ORDER BY status") == [
        ("done", good),
        ("failed", RECORDINGS - good),
    ]
    assert list((out / ".partial").iterdir()) == []


@pytest.mark.slow
def test_workers_and_drivers_killed_at_random(tiny_pack: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    good = write_recordings(folder, RECORDINGS, FRAMES)
    killed = Killed(command(folder, tiny_pack, out, "--workers", "2"), tmp_path / "notes")
    kills = [kill_driver] * 4 + [kill_worker_of(lambda driver: [driver], seed) for seed in range(KILLS - 4)]
    random.Random(3).shuffle(kills)
    code, hits = killed.run(kills, pause_s=1.5, seed=4)
    assert code == 65
    again = killed.frames_read - good * FRAMES
    print(f"local: {hits} kills, {killed.drivers} drivers, {100 * again / (good * FRAMES):.2f} % read again")  # noqa: T201
    assert hits > KILLS / 2
    assert again <= FRAMES * (hits + killed.drivers - 1)  # what was in work: one recording, two where the driver died
    check_all_done_once(folder, tiny_pack, out, good)

"""Broker, fleet and boards killed at random for five minutes: no event is lost or doubled, and identities go on."""

from pathlib import Path

import pytest

from tests.field import needs_mosquitto

pytest.importorskip("paho.mqtt.client")
pytest.importorskip("starlette")

MINUTES, BOARDS = 5.0, 20


@needs_mosquitto
@pytest.mark.slow
def test_nothing_is_lost_or_doubled_while_parts_are_killed(tmp_path: Path) -> None:
    from benchmarks.endurance.fleet import Site, run
    from benchmarks.endurance.walkers import Walkers

    site = Site(tmp_path, BOARDS)
    try:
        found = run(site, Walkers(BOARDS, 1, 0.2, seed=7, size=64), MINUTES, kill=True, seed=7)
    finally:
        site.close()
    assert found["events"] > 100
    assert (found["lost"], found["doubled"], found["without identity"]) == (0, 0, 0)
    assert min(found[f"{part} killed"] for part in ("broker", "fleet", "board")) >= 1
    assert found["kept %"] >= 95
    assert found["identities"] >= 0.9 * found["people"]

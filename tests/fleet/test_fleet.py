"""From messages to identities that are stored: what is said twice or wrong, a process that ends anywhere, retention."""

import base64
import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.endurance.walkers import NETWORK, Said, Walkers
from edge.errors import OutputError
from edge.fleet.fleet import Fleet, Message, stamp
from edge.fleet.report import day, present, report
from edge.fleet.settings import Association, Broker, FleetConfig, Overlap, State
from edge.fleet.state import State as File
from edge.fleet.state import Way

BEGIN_S = 1_790_000_000.0
WALKERS = Walkers(boards=3, cameras=2, people_per_s=0.15, seed=4)


def config_of(path: Path, **more: Any) -> FleetConfig:
    return FleetConfig(mqtt=Broker(host="broker"), state=State(path=str(path)), **more)


def opened(path: Path, now_s: float = BEGIN_S, **more: Any) -> Fleet:
    return Fleet(config_of(path, **more), File(path), now_s)


def message(said: Said) -> Message:
    return Message(said.topic, said.payload, said.time_s)


def sent(fleet: Fleet) -> list[dict[str, Any]]:
    return [json.loads(payload) for _, _, payload in fleet.state.posted(0, 10_000)]


def changed(said: Said, **fields: object) -> Message:
    return Message(said.topic, json.dumps({**json.loads(said.payload), **fields}).encode(), said.time_s)


def identities(path: Path) -> dict[tuple[str, int], int]:
    with sqlite3.connect(path) as database:
        query = "SELECT name, id, person FROM tracklets t JOIN cameras c ON c.number = t.camera"
        return {(name, id_): person for name, id_, person in database.execute(query)}


@pytest.fixture(scope="module")
def said() -> list[Said]:
    return list(WALKERS.messages(BEGIN_S, BEGIN_S + 200))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = opened(tmp_path / "fleet.db")
    yield fleet
    fleet.state.close()


def test_every_stay_gets_an_identity_and_says_so(fleet: Fleet, said: list[Said]) -> None:
    for each in said:
        fleet.tick(each.time_s)
        fleet.take([message(each)], each.time_s)
    told = sent(fleet)
    stays = {json.loads(each.payload)["id"] for each in said}
    assert {each["id"] for each in told if each["before"] is None} == stays
    assert len({each["event_id"] for each in told}) == len(told)
    first = told[0]
    assert (first["v"], first["event"], first["global_id"]) == (1, "identity", 1)
    assert {"board", "camera", "run", "id", "stay", "first_utc", "last_utc", "t_utc"} <= set(first)
    assert fleet.state.counts()["events"] == len(said)
    people = {each.person for each in said}
    by_person: dict[int, set[int]] = {}
    for (_, id_), person in identities(Path(fleet.config.state.path)).items():
        by_person.setdefault(id_ // 1000, set()).add(person)
    assert set(by_person) == people
    assert sum(len(found) == 1 for found in by_person.values()) >= 0.8 * len(people)


def test_what_comes_twice_is_recognised(fleet: Fleet, said: list[Said]) -> None:
    for each in said[:20]:
        fleet.take([message(each), message(each)], each.time_s)
    before = sent(fleet)
    fleet.take([message(each) for each in said[:20]], said[19].time_s)
    assert sent(fleet) == before
    assert (fleet.state.counts()["events"], fleet.state.counts()["duplicates"]) == (20, 40)


def test_what_is_wrong_is_counted_by_reason_and_changes_nothing(fleet: Fleet, said: list[Said]) -> None:
    good = said[0]
    other_length = base64.b64encode(np.full(16, 0.25, "<f2").tobytes()).decode()
    fleet.take([message(good)], good.time_s)
    before = sent(fleet)
    wrong = [
        Message(good.topic, b"{", good.time_s),
        Message(good.topic, bytes(100_000), good.time_s),
        Message("site/fleet/identities", good.payload, good.time_s),
        changed(good, camera="elsewhere"),
        changed(good, id=77, embedding=other_length),
        changed(good, first_utc=None),
    ]
    fleet.take(wrong, good.time_s)
    ignored = {name: count for name, count in fleet.state.counts().items() if name.startswith("ignored")}
    assert ignored == {
        "ignored: not JSON": 1,
        "ignored: too large": 1,
        "ignored: foreign topic": 1,
        "ignored: foreign camera": 1,
        "ignored: embedding of another length": 1,
        "ignored: no wall-clock times": 1,
    }
    assert sent(fleet) == before


def test_networks_and_classes_are_never_compared(fleet: Fleet, said: list[Said]) -> None:
    known = next(each for each in said if b'"known"' in each.payload)
    end = next(each for each in said if each.person == known.person and b'"end"' in each.payload)
    fleet.take([message(known), message(end)], end.time_s)
    later = [
        changed(end, camera="cam1", id=9, stage="end", network="cd" * 32, **at(end.time_s + 60)),
        changed(end, camera="cam1", id=10, stage="end", cls="cat", **at(end.time_s + 60)),
        changed(end, camera="cam1", id=11, stage="end", **at(end.time_s + 60)),
    ]
    board = end.topic.split("/")[1]
    topic, now_s = f"site/{board}/cam1/appearance", end.time_s + 60
    fleet.take([each._replace(topic=topic, received_s=now_s) for each in later], now_s)
    found = {id_: person for (_, id_), person in identities(Path(fleet.config.state.path)).items()}
    mine = found[json.loads(end.payload)["id"]]
    assert (found[9] != mine, found[10] != mine, found[11] == mine) == (True, True, True)


def at(said_s: float) -> dict[str, str]:
    """Times of an end that is said then."""
    return {"first_utc": stamp(said_s - 6), "last_utc": stamp(said_s - 1), "t_utc": stamp(said_s)}


def test_a_process_that_ends_anywhere_is_gone_on_with(tmp_path: Path, said: list[Said]) -> None:
    """Twin: one process for all messages, against a new one for each few of them."""
    for name, pieces in (("one", len(said)), ("many", 7)):
        path = tmp_path / f"{name}.db"
        for start in range(0, len(said), pieces):
            part = said[start : start + pieces]
            fleet = opened(path, part[0].time_s)
            for each in part:
                fleet.tick(each.time_s)
                fleet.take([message(each)], each.time_s)
            fleet.state.close()
    one, many = identities(tmp_path / "one.db"), identities(tmp_path / "many.db")
    assert set(one) == set(many)
    assert len(set(many.values())) <= 1.2 * len(set(one.values()))
    same = sum(grouped(one, key) == grouped(many, key) for key in one)
    assert same >= 0.8 * len(one)


def grouped(found: dict[tuple[str, int], int], key: tuple[str, int]) -> frozenset[tuple[str, int]]:
    return frozenset(other for other, person in found.items() if person == found[key])


def test_what_a_crash_interrupts_is_as_if_it_never_came(tmp_path: Path, said: list[Said]) -> None:
    fleet = opened(tmp_path / "fleet.db")
    fleet.take([message(each) for each in said[:10]], said[9].time_s)
    before = identities(tmp_path / "fleet.db")

    def crash(*rest: object) -> None:
        raise RuntimeError("power cut")

    fleet.state.identify = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError, match="power cut"):
        fleet.take([message(each) for each in said[10:20]], said[19].time_s)
    fleet.state.close()
    assert identities(tmp_path / "fleet.db") == before
    again = opened(tmp_path / "fleet.db", said[19].time_s)
    again.take([message(each) for each in said[:20]], said[19].time_s)
    assert again.state.counts()["events"] == 20
    again.state.close()


def test_embeddings_are_deleted_first_and_their_bytes_with_them(tmp_path: Path, said: list[Said]) -> None:
    path = tmp_path / "fleet.db"
    kept = State(path=str(path), keep_embeddings_hours=1.0, keep_days=1.0)
    fleet = Fleet(FleetConfig(mqtt=Broker(host="b"), state=kept), File(path), BEGIN_S)
    for each in said:
        fleet.take([message(each)], each.time_s)
    secret = base64.b64decode(json.loads(said[0].payload)["embedding"])
    fleet.state.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret in path.read_bytes()
    last_s = said[-1].time_s
    fleet.tick(last_s + 60)
    fleet.prune(last_s + 3700)
    assert [file.name for file in tmp_path.iterdir() if secret in file.read_bytes()] == []
    assert len(identities(path)) > 0
    assert all(len(association.tracklets) == 0 for association in fleet.associations.values())
    fleet.prune(last_s + 90_000)
    assert identities(path) == {}
    assert path.stat().st_mode & 0o077 == 0
    fleet.state.close()


def test_a_new_run_ends_what_the_old_one_left(fleet: Fleet, said: list[Said]) -> None:
    known = next(each for each in said if b'"known"' in each.payload)
    fleet.take([message(known)], known.time_s)
    camera = "/".join(known.topic.split("/")[1:3])
    assert [person["global_id"] for person in present(fleet.state)[camera]] == [1]
    fleet.take([changed(known, run="new", id=5)], known.time_s + 30)
    assert [person["run"] for person in present(fleet.state)[camera]] == ["new"]


def test_clocks_that_are_off_are_set_right(fleet: Fleet, said: list[Said]) -> None:
    for each in said:
        fields = json.loads(each.payload)
        if "/board1/" in each.topic:  # its clock is 100 s ahead
            for name in ("t_utc", "first_utc", "last_utc"):
                fields[name] = stamp(datetime.fromisoformat(fields[name].replace("Z", "+00:00")).timestamp() + 100)
        received_s = each.time_s + 0.05
        fleet.take([Message(each.topic, json.dumps(fields).encode(), received_s)], received_s)
    assert fleet.clocks.estimate_s("board1") == pytest.approx(-100, abs=0.1)
    assert fleet.clocks.estimate_s("board0") == pytest.approx(0.05, abs=0.01)
    rows = fleet.state.database.execute("SELECT first_s FROM tracklets")
    assert all(BEGIN_S <= first_s <= said[-1].time_s for (first_s,) in rows)


def test_overlapping_views_are_told_to_what_compares(tmp_path: Path, said: list[Said]) -> None:
    fleet = opened(tmp_path / "fleet.db", overlap=(Overlap(cameras=("board0/cam0", "board0/cam1")),))
    fleet.take([message(each) for each in said], said[-1].time_s)
    (association,) = fleet.associations.values()
    one, other = fleet.cameras["board0/cam0"], fleet.cameras["board0/cam1"]
    assert association.transits.may_be_in_both(one, other)
    assert not association.transits.may_be_in_both(one, fleet.cameras["board1/cam0"])
    fleet.state.close()


def test_the_report_shows_boards_people_ways_and_what_was_wrong(fleet: Fleet, said: list[Said]) -> None:
    for each in said:
        fleet.tick(each.time_s)
        fleet.take([message(each)], each.time_s)
    fleet.take([Message(said[0].topic, b"{", said[-1].time_s)], said[-1].time_s)
    fleet.tick(said[-1].time_s + 60)
    states = {"board0/status": "online", "board0/cam0/status": "degraded", "board0/cam0/reason": "slow"}
    now_s = said[-1].time_s
    both = {**report(fleet.state, states, fleet.clocks, "", now_s), **day(fleet.state, now_s)}
    found = json.loads(json.dumps(both))
    boards = {board["name"]: board for board in found["boards"]}
    assert set(boards) == {"board0", "board1", "board2"}
    assert (boards["board0"]["state"], boards["board1"]["state"]) == ("online", "unknown")
    cameras = {camera["name"]: camera for camera in boards["board0"]["cameras"]}
    assert (cameras["cam0"]["state"], cameras["cam0"]["reason"]) == ("degraded", "slow")
    assert found["ignored"] == {"not JSON": 1}
    assert found["today"]["people"] == found["counts"]["identities"] > 0
    assert found["ways"][0]["count"] >= 3
    assert WALKERS.gap_s[0] - 1 <= found["ways"][0]["median_s"] <= WALKERS.gap_s[1] + 1
    assert any(len(person["way"]) > 1 for person in found["people"])


def test_ways_are_from_one_sighting_to_the_next(fleet: Fleet) -> None:
    insert = (
        "INSERT INTO tracklets (number, bundle, camera, run, id, stay, first_s, last_s, is_over, person, is_settled)"
        " VALUES (?, 0, ?, 'r', ?, 0, ?, ?, 1, ?, 1)"
    )
    rows = [(1, 0, 1, 10.0, 20.0, 7), (2, 1, 2, 50.0, 60.0, 7), (3, 0, 3, 55.0, 57.0, 8), (4, 0, 4, 75.0, 80.0, 7)]
    fleet.state.database.executemany(insert, rows)
    assert fleet.state.ways(0.0) == [
        Way(0, None, 0, None, 10.0),
        Way(0, 0, 1, 30.0, 50.0),
        Way(0, None, 0, None, 55.0),
        Way(0, 1, 0, 15.0, 75.0),
    ]


def test_another_programs_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="database of another program"):
        File(path)
    assert path.read_bytes() == before
    text = tmp_path / "text.db"
    text.write_text("no database at all, but long enough to look like a file of something\n" * 40)
    with pytest.raises(OutputError, match="cannot be written"):
        File(text)
    with pytest.raises(OutputError, match="cannot be written"):
        File(tmp_path)


def test_nobody_else_may_read_the_file_or_its_log(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        state = File(tmp_path / "fleet.db")
        with state:
            state.count("events")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        state.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("fleet.db", "fleet.db-wal", "fleet.db-shm"), 0o600)


def test_a_full_disk_is_an_output_that_cannot_be_written(fleet: Fleet, said: list[Said]) -> None:
    fleet.take([message(said[0])], said[0].time_s)
    database = fleet.state.database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    before = identities(Path(fleet.config.state.path))
    with pytest.raises(OutputError, match=r"fleet\.db: cannot be written: database or disk is full"):
        fleet.take([message(each) for each in said[1:]], said[-1].time_s)
    assert identities(Path(fleet.config.state.path)) == before


def test_settings_say_what_is_wrong(tmp_path: Path) -> None:
    from edge.errors import ConfigError
    from edge.fleet import settings

    path = tmp_path / "fleet.toml"
    path.write_text(
        '[mqtt]\nhost = "a b"\nprefix = "site/#"\nca_file = "x"\n[state]\npath = "x.db"\nkeep_days = 0.0\n'
        '[[transit]]\nstart = "door"\nend = "till/door"\n[[overlap]]\ncameras = ["a/b"]\n[colour]\n'
    )
    with pytest.raises(ConfigError) as caught:
        settings.load(path)
    said = str(caught.value)
    for part in ("host", "prefix", "ca_file", "keep_days", "BOARD/CAMERA", "cameras", "colour"):
        assert part in said
    path.write_text('[mqtt]\nhost = "a"\n[state]\npath = "x.db"\n')
    found = settings.load(path)
    assert found == FleetConfig(mqtt=Broker(host="a"), state=State(path="x.db"), association=Association())


def test_the_network_of_the_walkers_is_one(said: list[Said]) -> None:
    assert {json.loads(each.payload)["network"] for each in said} == {NETWORK}

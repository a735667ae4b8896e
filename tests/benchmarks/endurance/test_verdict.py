"""The judge of a soak: a good one passes, and every kind of spoiled evidence breaks its promise."""

import dataclasses
from collections import Counter
from collections.abc import Callable

import pytest

from benchmarks.endurance.faults import Outcome
from benchmarks.endurance.kept import Kept
from benchmarks.endurance.verdict import Evidence, checks
from benchmarks.endurance.witnesses import Account, Sign

MINUTES, FPS = 10, 4
CAMERAS = ("lobby", "street", "door", "yard")


def account(camera: str) -> Account:
    """Ten minutes of one camera with one identity."""
    frames_s = {number: number / FPS for number in range(1, 60 * MINUTES * FPS)}
    found = Account(camera, frames_s, {1}, {1: 0.25}, {1: 60.0 * MINUTES})
    found.crossings = {("gate", "in", 1, 30.0): 1, ("gate", "in", 1, 300.0): 2}
    found.named, found.told = {f"{camera}.jpg": 30.0}, {f"{camera}.jpg"}
    return found


def good() -> Evidence:
    """A soak in which all went well: the disk was full for a while, nothing else."""
    seconds = range(0, 60 * MINUTES, 2)
    evidence = Evidence(0.0, 60.0 * MINUTES, last_status="stopped", stop_s=1.0, lines=1)
    evidence.signs = [Sign(float(s), 280 + 0.01 * (s % 7), 18, 17, 0.1 * s) for s in seconds]
    evidence.tracked = [(float(s), dict.fromkeys(CAMERAS, s * FPS)) for s in seconds if s]
    evidence.outcomes = [Outcome("disk full", "jsonl", 100.0, 110.0, 111.0)]
    evidence.written = {f"run {camera}": account(camera) for camera in CAMERAS}
    evidence.heard = {f"run {camera}": account(camera) for camera in CAMERAS}
    evidence.latencies = [(s / 4, "lobby", 0.05 + 0.001 * (s % 5)) for s in range(240 * MINUTES)]
    evidence.watchdog_s = [float(s) for s in seconds]
    totals = Counter({(camera, "gate", "in"): 2 for camera in CAMERAS})
    evidence.kept = Kept("ok", totals, totals.copy(), {"lobby.jpg"})
    return evidence


def broken(evidence: Evidence) -> list[str]:
    return [check.promise for check in checks(evidence) if not check.is_kept]


def test_a_good_soak_keeps_every_promise() -> None:
    evidence = good()
    del evidence.written["run lobby"].frames_s[420]  # at 105 s, while the disk was full
    assert broken(evidence) == []


def _grow(evidence: Evidence) -> None:
    evidence.signs = [dataclasses.replace(sign, rss_mib=sign.rss_mib + sign.at_s / 50) for sign in evidence.signs]


def _slow_down(evidence: Evidence) -> None:
    evidence.latencies = [(at_s, camera, s + at_s / 5000) for at_s, camera, s in evidence.latencies]


def _leak(evidence: Evidence) -> None:
    evidence.signs = [dataclasses.replace(sign, files=17 + int(sign.at_s / 60)) for sign in evidence.signs]


def _lose_both(evidence: Evidence) -> None:
    for accounts in (evidence.written, evidence.heard):
        del accounts["run door"].frames_s[500]


def _turn_round(evidence: Evidence) -> None:
    evidence.heard["run yard"].is_in_order = False


def _lose_a_picture(evidence: Evidence) -> None:
    for accounts in (evidence.written, evidence.heard):
        accounts["run door"].told.clear()


def _start_anew(evidence: Evidence) -> None:
    for accounts in (evidence.written, evidence.heard):
        accounts["run door"].crossings["gate", "in", 1, 300.0] = 1


def _stand_still(evidence: Evidence) -> None:
    for accounts in (evidence.written, evidence.heard):
        for number in range(1000, 1030):
            del accounts["run yard"].frames_s[number]
    evidence.tracked = []


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (_grow, "memory is flat"),
        (_slow_down, "latency is flat"),
        (_leak, "threads and open files come back"),
        (lambda e: setattr(e, "torn", ["tracks.jsonl: is no JSON"]), "every line is whole"),
        (_turn_round, "frames come in order"),
        (lambda e: e.written["run lobby"].frames_s.pop(500), "no frame is lost on disk"),
        (lambda e: e.heard["run lobby"].frames_s.pop(500), "no frame is lost over MQTT"),
        (_lose_both, "every frame that was tracked is seen"),
        (lambda e: e.heard["run lobby"].born_s.clear(), "MQTT: every identity has its start and its end"),
        (lambda e: e.written["run lobby"].ended_s.clear(), "no end of an identity is lost on disk"),
        (lambda e: setattr(e.kept, "soundness", "row 3 is missing"), "the history's database is sound"),
        (lambda e: e.kept.totals.update([("door", "gate", "in")]), "the history has every crossing once"),
        (lambda e: e.kept.by_minute.subtract([("door", "gate", "in")]), "the history has every crossing once"),
        (_start_anew, "the counts in events go on"),
        (_lose_a_picture, "no snapshot or clip"),
        (lambda e: e.kept.broken.append("lobby.jpg"), "every picture on the disk is whole"),
        (lambda e: e.kept.pictures.add("unknown.jpg"), "every picture on the disk is whole"),
        (lambda e: e.kept.rest.append(".lobby.webm.part"), "every picture on the disk is whole"),
        (lambda e: e.written.update(other=Account("lobby")), "cameras that were not reconfigured"),
        (lambda e: e.outcomes.append(Outcome("x", "web", 1.0, 2.0, None)), "every fault is recovered from"),
        (_stand_still, "a camera's fault stops no other"),
        (lambda e: setattr(e, "watchdog_s", e.watchdog_s[:100]), "the watchdog is fed"),
        (lambda e: setattr(e, "exit_code", -6), "a stop is clean and quick"),
    ],
)
def test_what_goes_wrong_is_found(spoil: Callable[[Evidence], object], promise: str) -> None:
    evidence = good()
    spoil(evidence)
    assert [found for found in broken(evidence) if found.startswith(promise)], broken(evidence)

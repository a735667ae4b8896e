"""The memory of a track's embeddings, and how a new one is written into it.

Three rules. `Ema`: a moving average (FairMOT, BoT-SORT, QDTrack). `Mean`: JointTrackNet's mean of the last entries,
each of which is itself such a mean. `Sasm`: appearance memory after TF-SASM's write and read rules, sparse in time: a
vector is stored after enough travel or after a while, and it is the one seen with the least overlap since the last.

A track's memory is a row of every array of `Bank`, its slot. Tracks that are not seen are not touched; a detection
whose embedding is all zeros has none, and leaves the vectors as they are.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from edge.kernels.jit import kernel
from edge.track.matching.boxes import Records, iou
from edge.track.state import HIGH, NOWHERE

EMA, MEAN, SASM = 0, 1, 2


@dataclass(frozen=True)
class Ema:
    """A moving average in which the old vector weighs `momentum`, .9 in FairMOT and BoT-SORT."""

    momentum: float = 0.9


@dataclass(frozen=True)
class Mean:
    """JointTrackNet's history of the last `length` vectors: the mean of them all replaces the newest."""

    length: int = 20


@dataclass(frozen=True)
class Sasm:
    """TF-SASM's memory of `length` vectors, read as the mean of them and of the newest vector.

    A vector is stored after `travel` of the way, in heights of the box (published: .1 of the image, which a tracker
    does not know), if the score is above `score`; or after more than `gap` frames. Overlap may be `slack` times larger
    than the least so far and still replace what will be stored. `length`, `gap` and `slack` are the published ones,
    `travel` and `score` are ours, for people in the light detectors' range of scores.
    """

    length: int = 10
    travel: float = 0.5
    gap: float = 10.0
    score: float = 0.6
    slack: float = 0.0


# The rule as the kernels read it, with the number of free slots. `unit`: vectors that are compared have length 1.
RULE = np.dtype(
    [
        ("kind", "i8"),
        ("unit", "?"),
        ("momentum", "f8"),
        ("length", "i8"),
        ("travel", "f8"),
        ("gap", "f8"),
        ("score", "f8"),
        ("slack", "f8"),
        ("free", "i8"),
    ],
    align=True,
)

# A slot's book-keeping. Times are in frames on the tracker's clock: `taken` of the newest embedding (-1: none yet),
# `seen` of the newest detection, `written` of the newest entry. `count` entries are in use, the oldest is `head`.
# `travelled` is the way since the last entry, `overlap` that of the candidate for the next one.
NOTE = np.dtype(
    [
        ("taken", "f8"),
        ("seen", "f8"),
        ("written", "f8"),
        ("count", "i8"),
        ("head", "i8"),
        ("travelled", "f8"),
        ("overlap", "f8"),
        ("centre", "f8", (2,)),
    ],
    align=True,
)


class Bank(NamedTuple):
    """The arrays of all memories, a row a slot, E numbers a vector."""

    notes: Records  # NOTE
    queries: Any  # float32 [S, E]: what new embeddings are compared with
    latest: Any  # float32 [S, E]
    candidates: Any  # float32 [S, E]: what will be stored next
    entries: Any  # float32 [S, length, E]
    sums: Any  # float64 [S, E]: of the entries in use


@kernel
def clear(bank: Bank, slot: int) -> None:
    """Make `slot` the memory of a new track."""
    note = bank.notes[slot]
    note["taken"] = note["seen"] = note["written"] = -1.0
    note["count"] = note["head"] = 0
    note["travelled"] = 0.0
    note["overlap"] = 1.0
    bank.queries[slot] = 0.0
    bank.sums[slot] = 0.0


@kernel
def write(rule: Any, bank: Bank, slot: int, detections: Records, n: int, j: int, embedding: Any, now: float) -> None:
    """Update the memory in `slot` with the `embedding` of detection `j` of `n`, all zeros where it has none."""
    known = _length(embedding) > 0.0
    if rule["kind"] == SASM:
        _write_sasm(rule, bank, slot, detections, n, j, embedding, known, now)
    elif known:
        if rule["kind"] == EMA:
            _write_ema(rule, bank, slot, embedding)
        else:
            _write_mean(rule, bank, slot, embedding)
    if known:
        bank.notes[slot]["taken"] = now
    bank.notes[slot]["seen"] = now


@kernel
def _write_ema(rule: Any, bank: Bank, slot: int, embedding: Any) -> None:
    query = bank.queries[slot]
    keep = np.float32(0.0 if bank.notes[slot]["taken"] < 0.0 else rule["momentum"])
    new = np.float32(1.0) - keep
    for k in range(len(query)):
        query[k] = keep * query[k] + new * embedding[k]
    if rule["unit"]:
        _normalise(query)


@kernel
def _write_mean(rule: Any, bank: Bank, slot: int, embedding: Any) -> None:
    note, query, sums = bank.notes[slot], bank.queries[slot], bank.sums[slot]
    place = _make_place(rule, note, bank.entries[slot], sums)
    for k in range(len(query)):
        mean = (sums[k] + embedding[k]) / note["count"]
        bank.entries[slot, place, k] = query[k] = mean
        sums[k] += bank.entries[slot, place, k]
    if rule["unit"]:
        _normalise(query)


@kernel
def _write_sasm(
    rule: Any, bank: Bank, slot: int, detections: Records, n: int, j: int, embedding: Any, known: bool, now: float
) -> None:
    note, detection = bank.notes[slot], detections[j]
    _travel(rule, note, detection["box"], now)
    if known:
        bank.latest[slot] = embedding
        overlap = _overlap(detections, n, j)
        if overlap <= note["overlap"] * (1.0 + rule["slack"]) or note["taken"] < 0.0:
            bank.candidates[slot] = embedding
            note["overlap"] = overlap
    elif note["taken"] < 0.0:
        return  # nothing to store, and never zeros
    sums = bank.sums[slot]
    far = note["travelled"] > rule["travel"] and detection["score"] > rule["score"]
    late = now - note["written"] > rule["gap"] and detection["pool"] == HIGH
    if note["count"] == 0 or far or late:
        place = _make_place(rule, note, bank.entries[slot], sums)
        bank.entries[slot, place] = bank.candidates[slot]
        for k in range(len(sums)):
            sums[k] += bank.candidates[slot, k]
        bank.candidates[slot] = bank.latest[slot]
        note["written"] = now
        note["travelled"] = 0.0
        note["overlap"] = 1.0
    _read_sasm(rule, bank, slot)


@kernel
def _read_sasm(rule: Any, bank: Bank, slot: int) -> None:
    query, count = bank.queries[slot], bank.notes[slot]["count"]
    for k in range(len(query)):
        query[k] = 0.5 * (bank.latest[slot, k] + bank.sums[slot, k] / count)
    if rule["unit"]:
        _normalise(query)


@kernel
def _travel(rule: Any, note: Any, box: Any, now: float) -> None:
    """Add the way from the last box; across a gap no more than half of what makes an entry due."""
    x, y = (box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0
    centre = note["centre"]
    if note["seen"] >= 0.0:
        way = math.hypot(x - centre[0], y - centre[1]) / (box[3] - box[1])
        if now - note["seen"] > 1.5:
            way = min(way, rule["travel"] / 2.0)
        note["travelled"] += way
    centre[0] = x
    centre[1] = y


@kernel
def _overlap(detections: Records, n: int, j: int) -> float:
    """The largest IoU of detection `j` with another one that takes part."""
    most, box = 0.0, detections[j]["box"]
    for other in range(n):
        if other != j and detections[other]["pool"] != NOWHERE:
            most = max(most, iou(box, detections[other]["box"], 0.0))
    return most


@kernel
def _make_place(rule: Any, note: Any, entries: Any, sums: Any) -> int:
    """Where the next entry goes: behind the newest, or in place of the oldest, which leaves the sum."""
    if note["count"] < rule["length"]:
        note["count"] += 1
        return note["count"] - 1
    place = note["head"]
    note["head"] = (place + 1) % rule["length"]
    for k in range(len(sums)):
        sums[k] -= entries[place, k]
    return place


@kernel
def _normalise(vector: Any) -> None:
    length = _length(vector)
    if length > 0.0:
        scale = np.float32(1.0 / length)
        for k in range(len(vector)):
            vector[k] *= scale


@kernel
def _length(vector: Any) -> float:
    # Four sums side by side: one alone would wait for each addition.
    a = b = c = d = 0.0
    whole = len(vector) // 4 * 4
    for k in range(0, whole, 4):
        a += vector[k] * vector[k]
        b += vector[k + 1] * vector[k + 1]
        c += vector[k + 2] * vector[k + 2]
        d += vector[k + 3] * vector[k + 3]
    for k in range(whole, len(vector)):
        a += vector[k] * vector[k]
    return math.sqrt(a + b + c + d)

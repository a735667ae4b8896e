"""The memories of all tracks of one tracker: compared with new embeddings in one matrix product, then updated.

A method's compiled step gets the finished similarities and knows nothing of memories. They follow its track table from
outside: the table is always in the order of its ids, so one pass over both finds the new tracks and those gone.
"""

import dataclasses
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from edge.errors import InputError, UsageError
from edge.kernels.jit import buffer, entry, given
from edge.track.appearance.rules import EMA, MEAN, NOTE, RULE, SASM, Bank, Ema, Mean, Sasm, clear, write
from edge.track.matching.boxes import Records
from edge.track.state import DETECTION
from edge.types import Detections, Float32s, as_array

Rule = Ema | Mean | Sasm

# The names of `--appearance`.
APPEARANCES: dict[str, Rule | None] = {"none": None, "ema": Ema(), "sasm": Sasm()}

_KINDS: dict[type[Rule], int] = {Ema: EMA, Mean: MEAN, Sasm: SASM}
UNKNOWN = -2.0  # no embedding yet: below any cosine, never matches
_NOTHING = np.zeros((0, 0), np.float32)
_ROWS = 64  # room for tracks at the start; it doubles


def rule_of(appearance: str | Rule | None, own: Rule | None) -> Rule | None:
    """The rule called `appearance` ("none", "ema", "sasm"); a rule stays as it is, and without one it is `own`.

    Raises UsageError for another name.
    """
    if appearance is None:
        return own
    if not isinstance(appearance, str):
        return appearance
    if appearance not in APPEARANCES:
        raise UsageError(f"appearance {appearance!r} is unknown; use one of {', '.join(APPEARANCES)}")
    return APPEARANCES[appearance]


class Memories:
    """Memories by `rule` for the tracks of one table.

    With `unit` embeddings and memories are compared at length 1, so that similarities are cosines. Without a rule
    there are none. `vectors` are the embeddings of the frame in hand, `[N, E]`.
    """

    def __init__(self, rule: Rule | None, unit: bool = True) -> None:
        self._rule: Records = np.zeros(1, RULE)
        if rule is not None:
            self._rule["kind"], self._rule["unit"] = _KINDS[type(rule)], unit
            for name, value in dataclasses.asdict(rule).items():
                self._rule[name] = value
        self.in_use = rule is not None
        self.vectors = np.zeros((0, 0), np.float32)
        self._length = 0 if rule is None or isinstance(rule, Ema) else rule.length
        self._sparse = isinstance(rule, Sasm)
        self._unit = unit
        self._bank: Bank | None = None
        self._rows = 0  # how many tracks are followed
        self._ids, self._slots, self._free = np.zeros((3, 0), np.int64)

    def compare(self, detections: Detections) -> tuple[Float32s, Any]:
        """What a step gets of a frame: the similarity of all tracks and all detections, and the method's own inputs.

        The similarity is float32 `[T, N]`, `[0, N]` before the first embedding and `[0, 0]` with no rule; of cosines
        those are `UNKNOWN` where either side has no embedding. Raises InputError for wrong embeddings.
        """
        if not self.in_use:
            return _NOTHING, None
        self.vectors = self._vectors(detections)
        if self._bank is None:
            return np.zeros((0, len(self.vectors)), np.float32), None
        similarity: Float32s = self.queries() @ self.vectors.T
        if self._unit:
            similarity[self.taken() < 0] = UNKNOWN
            similarity[:, ~self.vectors.any(axis=1)] = UNKNOWN
        return similarity, None

    def _vectors(self, detections: Detections) -> Float32s:
        """The embeddings to compare, float32 `[N, E]`: a copy of length 1 (or 0) a row, or as given without `unit`.

        Where the frame has none all are 0; E is 0 before the first.
        """
        given_, n = detections.embeddings, len(detections)
        size = 0 if self._bank is None else self._bank.queries.shape[1]
        if given_ is None:
            return np.zeros((n, size), np.float32)
        given_ = as_array("detections.embeddings", given_, np.float32)
        if given_.ndim != 2 or len(given_) != n:
            raise InputError(f"detections.embeddings: expected shape ({n}, {size or 'E'}), found {given_.shape}")
        if given_.shape[1] != size and (size or not given_.shape[1]):
            raise InputError(
                f"detections.embeddings: expected {size or 'some'} numbers a row, found {given_.shape[1]}; "
                "stay with one network for a stream, or call reset()"
            )
        lengths = np.sqrt(np.einsum("ij,ij->i", given_, given_))
        if not np.isfinite(lengths).all():
            raise InputError(
                f"detections.embeddings: row {int(np.argmin(np.isfinite(lengths)))} has no finite length; "
                "give zeros where there is no embedding"
            )
        if not self._unit:
            return np.ascontiguousarray(given_)
        return np.divide(given_, lengths[:, None], out=np.zeros(given_.shape, np.float32), where=lengths[:, None] > 0)

    def queries(self) -> Float32s:
        """What new embeddings are compared with, float32 `[T, E]`, a row a track; `[0, 0]` before the first."""
        if self._bank is None:
            return np.zeros((0, 0), np.float32)
        queries: Float32s = self._bank.queries[self._slots[: self._rows]]
        return queries

    def taken(self) -> npt.NDArray[np.float64]:
        """When each track's newest embedding was taken, in frames on the tracker's clock; -1 for never."""
        if self._bank is None:
            return np.zeros(0)
        taken: npt.NDArray[np.float64] = self._bank.notes["taken"][self._slots[: self._rows]]
        return taken

    def remember(self, table: Records, detections: Records, now: float) -> None:
        """Follow the TRACK records `table`; those seen remember the vectors of their DETECTIONs."""
        if not self.vectors.shape[1]:
            return  # no embedding yet
        bank = self._bank
        if bank is None or len(self._ids) < len(table):
            bank = self._grown(len(table), self.vectors.shape[1])
        _follow(
            self._rule,
            *bank,
            self._ids,
            self._slots,
            self._free,
            self._rows,
            table["id"],
            table["detection"],
            detections,
            self.vectors,
            now,
        )
        self._rows = len(table)

    def _grown(self, tracks: int, size: int) -> Bank:
        """The bank, now with room for `tracks` memories of vectors of `size` numbers."""
        before, capacity = len(self._ids), max(_ROWS, 2 * tracks)
        fresh = Bank(
            np.zeros(capacity, NOTE),
            np.zeros((capacity, size), np.float32),
            np.zeros((capacity if self._sparse else 0, size), np.float32),
            np.zeros((capacity if self._sparse else 0, size), np.float32),
            np.zeros((capacity if self._length else 0, self._length, size), np.float32),
            np.zeros((capacity, size)),
        )
        for old, new in zip(self._bank or (), fresh, strict=False):
            new[: len(old)] = old
        self._bank = fresh
        ids, slots, free = np.zeros((3, capacity), np.int64)
        ids[:before], slots[:before], free[:before] = self._ids, self._slots, self._free
        count = int(self._rule["free"][0])
        free[count : count + capacity - before] = np.arange(before, capacity)
        self._rule["free"] = count + capacity - before
        self._ids, self._slots, self._free = ids, slots, free
        return fresh


def cosine_memories(rule: Rule | None, parameters: object) -> Memories:
    """The memories of a method that compares by cosine and needs nothing more of appearance."""
    return Memories(rule)


@entry(
    buffer(RULE),
    buffer(NOTE),
    buffer("f4", 2),
    buffer("f4", 2),
    buffer("f4", 2),
    buffer("f4", 3),
    buffer("f8", 2),
    buffer("i8"),
    buffer("i8"),
    buffer("i8"),
    numba.int64,
    given("i8"),
    given("i4"),
    buffer(DETECTION),
    given("f4", 2),
    numba.float64,
)
def _follow(
    rule_record: Records,
    notes: Records,
    queries: Any,
    latest: Any,
    candidates: Any,
    entries: Any,
    sums: Any,
    ids: Any,
    slots: Any,
    free: Any,
    rows: int,
    track_ids: Any,
    track_detections: Any,
    detections: Records,
    vectors: Any,
    now: float,
) -> None:
    """Give every track its slot, and write the embeddings of those that were seen.

    `ids` and `slots` hold the `rows` tracks of the frame before, `free` the slots not in use. All ids ascend.
    """
    rule = rule_record[0]
    bank = Bank(notes, queries, latest, candidates, entries, sums)
    old, n = 0, len(vectors)
    for i in range(len(track_ids)):
        while old < rows and ids[old] < track_ids[i]:  # gone
            free[rule["free"]] = slots[old]
            rule["free"] += 1
            old += 1
        if old < rows and ids[old] == track_ids[i]:
            slot = slots[old]
            old += 1
        else:
            rule["free"] -= 1
            slot = free[rule["free"]]
            clear(bank, slot)
        # What is overwritten was read: `old` is never behind `i`, or everything old was read.
        ids[i] = track_ids[i]
        slots[i] = slot
        if track_detections[i] >= 0:
            write(rule, bank, slot, detections, n, track_detections[i], vectors[track_detections[i]], now)
    for gone in range(old, rows):
        free[rule["free"]] = slots[gone]
        rule["free"] += 1

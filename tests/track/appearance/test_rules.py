"""The three memories: what is written when, what is read, and that nothing else ever is."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge import Detections
from edge.track.appearance.memory import Memories, Rule
from edge.track.appearance.rules import Ema, Mean, Sasm
from edge.track.state import DETECTION, HIGH, LOW, TRACK
from edge.types import Float32s

Array = npt.NDArray[Any]


class Stage:
    """Tracks that a test moves by hand: a call is a frame."""

    def __init__(self, rule: Rule, size: int = 16, *, unit: bool = True) -> None:
        self.memories, self.size, self.now = Memories(rule, unit), size, 0.0

    def frame(self, *seen: tuple[int, float, Array | None], alive: tuple[int, ...] = (), score: float = 0.9) -> None:
        """`seen` are (id, x of the box, embedding); `alive` further tracks that are not seen. Boxes are 50 x 100."""
        detections = np.zeros(len(seen) + 1, DETECTION)
        embeddings = np.zeros((len(seen), self.size), np.float32)
        table = np.zeros(len(seen) + len(alive), TRACK)
        table["detection"] = -1
        table["id"] = sorted([*alive, *(s[0] for s in seen)])
        for j, (id_, x, embedding) in enumerate(seen):
            detections[j]["box"], detections[j]["score"] = (x, 0, x + 50, 100), score
            detections[j]["pool"] = HIGH if score >= 0.5 else LOW
            table["detection"][table["id"] == id_] = j
            if embedding is not None:
                embeddings[j] = embedding
        self.now += 1
        self.memories.compare(
            Detections(np.zeros((len(seen), 4), np.float32), np.zeros(len(seen), np.float32), None, embeddings)
        )
        self.memories.remember(table, detections, self.now)

    def slot(self, row: int = 0) -> dict[str, Array]:
        """The memory of the track in a row."""
        bank = self.memories._bank
        assert bank is not None
        slot = self.memories._slots[row]
        note = bank.notes[slot]
        order = [(note["head"] + k) % bank.entries.shape[1] for k in range(note["count"])]
        entries = bank.entries[slot][order] if order else np.zeros((0, self.size))
        return {"written": note["written"], "entries": entries, "sums": bank.sums[slot]}


def _axis(k: int, size: int = 16) -> Array:
    return np.eye(size, dtype=np.float32)[k]


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def test_the_moving_average_is_the_published_one() -> None:
    random = np.random.default_rng(0)
    stage, expected = Stage(Ema(0.9)), np.zeros(16)
    for k in range(30):
        new = random.normal(size=16)
        stage.frame((1, 0, new))
        expected = _unit(new) if k == 0 else _unit(0.9 * expected + 0.1 * _unit(new))
    assert stage.memories.queries()[0] == pytest.approx(expected, abs=1e-6)


def test_without_unit_the_average_is_of_the_vectors_as_they_are() -> None:
    stage = Stage(Ema(0.2), unit=False)
    stage.frame((1, 0, 4 * _axis(0)))
    stage.frame((1, 0, 2 * _axis(1)))
    assert stage.memories.queries()[0][:2] == pytest.approx([0.8, 1.6])


@pytest.mark.parametrize("rule", [Ema(), Mean(), Sasm()])
def test_memories_follow_their_tracks_through_births_and_deaths(rule: Rule) -> None:
    """Every track has an appearance of its own: whatever comes and goes around it, it keeps them."""
    random, stage = np.random.default_rng(1), Stage(rule, 256)
    alive: list[int] = []
    born = 0
    for _ in range(150):
        alive = [i for i in alive if random.random() > 0.1]
        for _ in range(random.integers(0, 30)):
            born += 1
            alive.append(born)
        seen = [i for i in alive if i == born or random.random() < 0.7 or not stage.memories.taken().size]
        known = {i for i in alive if i in getattr(stage, "known", set())}
        stage.frame(
            *((i, 10.0 * i, _axis(i % 256, 256)) for i in random.permutation(seen).tolist()),
            alive=tuple(set(alive) - set(seen)),
        )
        stage.known = known | set(seen)  # type: ignore[attr-defined]
        for query, i in zip(stage.memories.queries(), sorted(alive), strict=True):
            assert query.argmax() == i % 256 if i in stage.known else not query.any()  # type: ignore[attr-defined]
    assert born > 1000
    assert len(stage.memories._ids) < 2 * 600  # slots of the dead serve the living


def test_sasm_keeps_the_newest_entries_in_order() -> None:
    stage = Stage(Sasm(length=10, gap=0))
    for k in range(12):
        stage.frame((1, 0, _axis(k)))
    stored = stage.slot()["entries"].argmax(axis=1).tolist()
    # What is stored in a frame is the best since the last entry, here the look of that frame.
    assert stored == list(range(2, 12))


def test_sasm_of_a_still_track_writes_at_its_birth_and_every_eleven_frames() -> None:
    stage, written = Stage(Sasm()), []
    for frame in range(1, 36):
        stage.frame((1, 0, _axis(0)))
        if stage.slot()["written"] == frame:
            written.append(frame)
    assert written == [1, 12, 23, 34]


def test_sasm_writes_after_enough_travel_if_the_score_is_good() -> None:
    for score, frames in ((0.9, [1, 6, 11, 16]), (0.55, [1, 12])):
        stage, written = Stage(Sasm(travel=0.5)), []
        for frame in range(1, 18):
            stage.frame((1, 10.5 * frame, _axis(0)), score=score)
            if stage.slot()["written"] == frame:
                written.append(frame)
        assert written == frames
    only_forced = Stage(Sasm(travel=np.inf))
    for frame in range(1, 14):
        only_forced.frame((1, 300.0 * frame, _axis(0)))
    assert len(only_forced.slot()["entries"]) == 2


def test_sasm_stores_the_look_of_least_overlap() -> None:
    """Somebody stands in the way but in frame 5 only: of the frames since the last entry that one is stored."""
    stage = Stage(Sasm())
    for frame in range(1, 13):
        aside = 500.0 if frame == 5 else 10.0 + frame
        stage.frame((1, 0, _axis(frame)), (2, aside, _axis(15)))
    assert stage.slot()["entries"].argmax(axis=1).tolist() == [1, 5]


def test_sasm_never_stores_zeros_and_waits_for_the_first_look() -> None:
    stage = Stage(Sasm(gap=2))
    stage.frame((1, 0, None), (2, 200, _axis(3)))
    for _ in range(5):
        stage.frame((1, 0, None), (2, 200, None))
    assert len(stage.slot(0)["entries"]) == 0
    assert not stage.memories.queries()[0].any()
    stage.frame((1, 0, _axis(1)), (2, 200, None))
    assert stage.slot(0)["entries"].argmax(axis=1).tolist() == [1]
    assert np.linalg.norm(stage.slot(1)["entries"], axis=1).tolist() == [1.0] * 3


@pytest.mark.parametrize("rule", [Ema(), Mean(), Sasm()])
def test_lost_tracks_are_frozen(rule: Rule) -> None:
    stage = Stage(rule)
    for frame in range(3):
        stage.frame((1, 5.0 * frame, _axis(frame)))
    before, slot = stage.memories.queries().copy(), stage.slot()
    for _ in range(40):
        stage.frame((2, 0, _axis(9)), alive=(1,))
    assert np.array_equal(stage.memories.queries()[0], before[0])
    assert all(np.array_equal(slot[name], stage.slot()[name]) for name in slot)


def test_sasm_a_jump_across_a_gap_counts_for_half_an_entry_at_most() -> None:
    stage = Stage(Sasm(gap=1000))
    stage.frame((1, 0, _axis(0)))
    stage.frame(
        alive=(1,),
    )
    stage.frame((1, 900, _axis(1)))
    assert len(stage.slot()["entries"]) == 1
    stage.frame((1, 930, _axis(2)))  # .25 of the jump and .3 more
    assert len(stage.slot()["entries"]) == 2


def test_running_sums_are_the_explicit_means() -> None:
    random = np.random.default_rng(2)
    for rule in (Sasm(gap=0), Mean()):
        stage = Stage(rule)
        for k in range(2500):
            stage.frame((1, 3.0 * k, random.normal(size=16)))
        slot = stage.slot()
        assert slot["sums"] == pytest.approx(slot["entries"].sum(axis=0), abs=1e-5)


def test_sasm_of_one_entry_written_always_is_the_last_vector() -> None:
    random, stage = np.random.default_rng(3), Stage(Sasm(length=1, gap=0))
    for _ in range(30):
        new = random.normal(size=16)
        stage.frame((1, 0, new))
        assert stage.memories.queries()[0] == pytest.approx(_unit(new), abs=1e-6)


def _sasm_twin(rule: Sasm, frames: list[tuple[float, float, Array, float]]) -> list[Float32s]:
    """TF-SASM's rules word by word for one track: (x, overlap, embedding, score) a frame; what is read after each."""
    entries: list[Array] = []
    read, way, last, best, candidate, x_before = [], 0.0, 0, 1.0, None, None
    for now, (x, overlap, embedding, score) in enumerate(frames, 1):
        new = _unit(embedding)
        if candidate is None or overlap <= best * (1 + rule.slack):
            candidate, best = new, overlap
        way += 0.0 if x_before is None else abs(x - x_before) / 100
        x_before = x
        if not entries or (way > rule.travel and score > rule.score) or (now - last > rule.gap and score >= 0.5):
            entries = [*entries, candidate][-rule.length :]
            last, way, best, candidate = now, 0.0, 1.0, new
        read.append(_unit(new + np.mean(entries, axis=0)).astype(np.float32))
    return read


@pytest.mark.parametrize("rule", [Sasm(), Sasm(4, 0.2, 5, 0.7, 0.3), Sasm(3, 1.0, 0, 0.3)])
def test_sasm_equals_its_twin(rule: Sasm) -> None:
    random = np.random.default_rng(4)
    stage, frames = Stage(rule), []
    x = 0.0
    for _ in range(400):
        x += random.normal(0, 8)
        other = x + random.uniform(-80, 80)
        overlap = max(0.0, 50 - abs(other - x)) / (50 + min(50.0, abs(other - x)))
        frames.append((x, overlap, random.normal(size=16), float(np.float64(random.choice([0.3, 0.65, 0.9])))))
        expected = _sasm_twin(rule, frames)[-1] if len(frames) % 20 == 0 else None
        stage.frame((1, x, frames[-1][2]), (2, other, _axis(0)), score=frames[-1][3])
        if expected is not None:
            assert stage.memories.queries()[0] == pytest.approx(expected, abs=1e-5)

"""The appearance of identities: when it is told, of what it is the mean, and on which side people come and go."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import Embedded, Ended, Lost, Moment, Origin
from edge.service.appearance import KNOWN_SAMPLES, Appearances, side_of
from edge.types import Float32s, Tracks
from tests.sinks.tracks import tracks

ORIGIN = Origin("r1", "door", ["person"])
SIZE = (128, 96)


def moment(second: float) -> Moment:
    return Moment(second, 1_790_000_000.0 + second)


def unit(*numbers: float) -> Float32s:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def followed(appearances: Appearances, embeddings: list[Float32s], shown: Tracks | None = None) -> list[Embedded]:
    """What is told while identity 4 has one of `embeddings` in each frame."""
    shown = tracks(4) if shown is None else shown
    told: list[Embedded] = []
    for second, embedding in enumerate(embeddings):
        told += appearances.observe(shown, embedding[None], moment(second), SIZE)
    return told


def ended(second: float, id_: int = 4) -> Ended:
    return Ended(ORIGIN, moment(second), id_, 9, "lost")


def test_an_identity_is_told_of_when_it_is_well_known_and_at_its_end() -> None:
    appearances = Appearances(ORIGIN, "abc")
    early, late = unit(1, 0, 0), unit(0, 1, 0)
    (known,) = followed(appearances, [early] * KNOWN_SAMPLES + [late] * 3)
    assert (known.stage, known.id, known.stay, known.samples, known.network) == ("known", 4, 0, KNOWN_SAMPLES, "abc")
    assert known.at == known.last == moment(KNOWN_SAMPLES - 1)
    assert known.first == moment(0)
    (end,) = appearances.end(ended(20.0))
    assert (end.stage, end.samples, end.last, end.at) == ("end", 3, moment(KNOWN_SAMPLES + 2), moment(20.0))
    assert end.quality == pytest.approx(0.75)
    # The two say different things: no embedding is in both.
    assert known.embedding is not None
    assert end.embedding is not None
    np.testing.assert_allclose(known.embedding, early, atol=1e-6)
    np.testing.assert_allclose(end.embedding, late, atol=1e-6)


def test_the_mean_has_length_one_and_each_sample_its_score() -> None:
    appearances = Appearances(ORIGIN, "abc")
    sure, unsure = replace_score(tracks(4), 0.9), replace_score(tracks(4), 0.3)
    appearances_told = list(appearances.observe(sure, unit(1, 0)[None], moment(0), SIZE))
    appearances_told += appearances.observe(unsure, unit(0, 1)[None], moment(1), SIZE)
    assert appearances_told == []
    (end,) = appearances.end(ended(9.0))
    assert end.embedding is not None
    np.testing.assert_allclose(end.embedding, unit(0.9, 0.3), atol=1e-6)


def replace_score(shown: Tracks, score: float) -> Tracks:
    return replace(shown, scores=np.full(len(shown), score, np.float32))


def test_who_was_known_and_not_embedded_again_ends_without_an_embedding() -> None:
    appearances = Appearances(ORIGIN, "abc")
    followed(appearances, [unit(1, 0)] * KNOWN_SAMPLES)
    (end,) = appearances.end(ended(9.0))
    assert end.embedding is None
    assert (end.samples, end.quality) == (0, 0.0)


def test_frames_without_an_embedding_count_for_the_time_only() -> None:
    appearances = Appearances(ORIGIN, "abc")
    nothing = np.zeros(2, np.float32)
    assert followed(appearances, [unit(1, 0), nothing, nothing]) == []
    assert list(appearances.observe(tracks(4), None, moment(3), SIZE)) == []
    (end,) = appearances.end(ended(9.0))
    assert (end.samples, end.last) == (1, moment(3))


def test_who_never_had_an_embedding_is_not_told_of() -> None:
    appearances = Appearances(ORIGIN, "abc")
    followed(appearances, [np.zeros(2, np.float32)] * 10)
    assert list(appearances.end(ended(9.0))) == []
    assert list(appearances.end(ended(9.0, id_=99))) == []


def test_who_was_lost_and_is_found_has_another_stay() -> None:
    appearances = Appearances(ORIGIN, "abc")
    followed(appearances, [unit(1, 0)])
    (first,) = appearances.end(Lost(ORIGIN, moment(9.0), 4))
    assert (first.stage, first.stay) == ("end", 0)
    followed(appearances, [unit(1, 0)])
    (again,) = appearances.end(ended(20.0))
    assert again.stay == 1


@pytest.mark.parametrize(
    ("box", "side"),
    [
        ((0, 10, 20, 60), "left"),
        ((100, 10, 128, 60), "right"),
        ((50, 40, 70, 96), "bottom"),
        ((50, 0, 70, 40), "top"),
        ((50, 10, 70, 60), "inside"),
        ((-5, 10, 130, 96), "left"),
    ],
)
def test_sides(box: tuple[float, float, float, float], side: str) -> None:
    assert side_of(box, SIZE) == side


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 60)), min_size=1, max_size=20))
def test_entry_and_exit_are_those_of_the_first_and_the_last_box(corners: list[tuple[float, float]]) -> None:
    appearances = Appearances(ORIGIN, "abc")
    boxes = [np.array([[x, y, x + 28, y + 36]], np.float32) for x, y in corners]
    for second, box in enumerate(boxes):
        shown = replace(tracks(4), boxes_xyxy=box)
        list(appearances.observe(shown, unit(1, 2)[None], moment(second), SIZE))
    (end,) = appearances.end(ended(100.0))
    assert end.entry == side_of(boxes[0][0].tolist(), SIZE)
    assert end.exit == side_of(boxes[-1][0].tolist(), SIZE)


def test_a_box_that_is_cut_says_little() -> None:
    appearances = Appearances(ORIGIN, "abc")
    cut = replace(tracks(4), boxes_xyxy=np.array([[0, 20, 15, 60]], np.float32))
    list(appearances.observe(cut, unit(1, 0)[None], moment(0), SIZE))
    list(appearances.observe(tracks(4, left=50.0), unit(0, 1)[None], moment(1), SIZE))
    (end,) = appearances.end(ended(9.0))
    assert end.embedding is not None
    assert end.embedding[1] > 0.99

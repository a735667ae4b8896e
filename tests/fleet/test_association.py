"""Which tracklets are one person's, against slow twins and on sites whose truth is known."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.fleet.appearance import PRIOR_CAMERA, PRIOR_FLEET, centred
from edge.fleet.assignment import assign
from edge.fleet.association import MEMORY, Association, Decision, Links, best_links, heads_of, shares
from edge.fleet.likeness import STRONGEST, Likeness, evidence
from edge.fleet.tracklets import TRACKLET, Tracklets
from edge.fleet.transit import SLACK_S, SOFT_S, Transits
from edge.types import Float32s

SIZE = 16


def unit(vector: np.ndarray) -> Float32s:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def axis(number: int, tilt: float = 0.0) -> Float32s:
    """An embedding of its own for each number; `tilt` 0..1 turns it away."""
    vector = np.zeros(SIZE)
    vector[number] = 1 - tilt
    vector[SIZE - 1] = tilt
    return unit(vector)


def association(window_s: float = 30.0, absence_s: float = 600.0) -> Association:
    made = Association(SIZE, Transits(absence_s), window_s, absence_s)
    made.cameras = 4
    return made


class Site:
    """Tracklets shown to an association one by one; `people` has the newest identity of each."""

    def __init__(self, made: Association) -> None:
        self.made = made
        self.people: dict[int, int] = {}
        self.decisions: list[Decision] = []
        self._next = 1

    def see(self, number: int, camera: int, first: float, last: float, vector: Float32s, over: bool = True) -> None:
        self.made.see(number, camera, first, last, vector, is_over=over)
        self.decide(last)

    def decide(self, now_s: float) -> None:
        for decision in self.made.decide(now_s, self._next):
            self._next = max(self._next, decision.person + 1)
            self.people[decision.number] = decision.person
            self.decisions.append(decision)


@st.composite
def gain_tables(draw: st.DrawFn) -> np.ndarray:
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    value = st.integers(-3, 9).map(float)
    return np.array(draw(st.lists(value, min_size=rows * columns, max_size=rows * columns))).reshape(rows, columns)


@given(gain_tables())
def test_the_assignment_is_the_best_of_all(gains: np.ndarray) -> None:
    rows, columns = np.indices(gains.shape).reshape(2, -1)
    found = assign(rows, columns, gains.ravel(), *gains.shape)
    taken = found[found >= 0].tolist()
    assert len(set(taken)) == len(taken)
    choices = itertools.product(range(-1, gains.shape[1]), repeat=gains.shape[0])
    allowed = (choice for choice in choices if len({c for c in choice if c >= 0}) == sum(c >= 0 for c in choice))
    best = max(sum(gains[i, c] for i, c in enumerate(choice) if c >= 0) for choice in allowed)
    assert sum(gains[i, c] for i, c in enumerate(found.tolist()) if c >= 0) == best


def test_without_candidates_everybody_is_new() -> None:
    nothing = np.zeros(0, np.int64)
    assert assign(nothing, nothing, np.zeros(0), 3, 2).tolist() == [-1, -1, -1]
    assert best_links(Links(nothing, nothing, np.zeros(0), np.zeros(0)), np.arange(2), 4).tolist() == [-1, -1]


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_evidence_rises_with_the_cosine_and_is_the_ratio_of_two_normals_between_the_means(cosines: list[float]) -> None:
    cosines = sorted(cosines)
    found = evidence(np.array(cosines), 0.8, 0.1, 0.3, 0.15)
    assert (np.diff(found) >= 0).all()
    assert np.abs(found).max() <= STRONGEST
    for cosine, value in zip(cosines, found.tolist(), strict=True):
        if 0.3 <= cosine <= 0.8:
            same = math.exp(-(((cosine - 0.8) / 0.1) ** 2) / 2) / 0.1
            different = math.exp(-(((cosine - 0.3) / 0.15) ** 2) / 2) / 0.15
            assert value == pytest.approx(max(-STRONGEST, math.log(same / different)), abs=1e-9)


def test_likeness_learns_both_distributions() -> None:
    rng = np.random.default_rng(3)
    likeness = Likeness()
    before = likeness.equal_cosine()
    likeness.note(rng.normal(0.6, 0.05, 3000), same=True)
    likeness.note(rng.normal(0.0, 0.1, 3000), same=False)
    likeness.note(rng.normal(-1, 0.1, 3000), same=True, weights=0.0)  # what has no weight counts for nothing
    mean_same, sd_same, mean_different, sd_different = likeness.moments
    assert (mean_same, mean_different) == (pytest.approx(0.6, abs=0.02), pytest.approx(0.0, abs=0.02))
    assert (sd_same, sd_different) == (pytest.approx(0.05, abs=0.02), pytest.approx(0.1, abs=0.04))
    assert before < likeness.equal_cosine() < 0.6  # where the narrower distribution begins


def test_shares_are_the_probabilities_of_the_links() -> None:
    gains = np.array([2.0, 0.0, -1.0])
    likelihoods = np.exp(gains)
    np.testing.assert_allclose(shares(gains), likelihoods / (likelihoods.sum() + 1))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans(), st.floats(0, 100)), max_size=30))
def test_heads_against_a_slow_twin(rows: list[tuple[int, bool, bool, float]]) -> None:
    records = np.zeros(len(rows), TRACKLET)
    for record, (person, is_settled, is_over, last) in zip(records, rows, strict=True):
        record["person"], record["is_settled"], record["is_over"], record["last"] = person, is_settled, is_over, last
    expected = set()
    newest: dict[int, int] = {}
    for row, (person, is_settled, is_over, last) in enumerate(rows):
        if not is_settled:
            expected.add(row)
        elif not is_over or last > 100.0 - 60.0:
            best = newest.get(person)
            newest[person] = row if best is None or last >= rows[best][3] else best
    assert set(heads_of(records, 100.0, 60.0).tolist()) == expected | set(newest.values())


def test_a_tracklet_is_compared_with_what_was_remembered_of_a_person_by_then() -> None:
    rng = np.random.default_rng(1)
    made = association()
    for number in range(1, 16):
        for _ in range(1 + number % 2):
            made.see(number, 0, number * 10.0, number * 10.0 + 5, unit(rng.standard_normal(SIZE)), is_over=True)
    made.tracklets.rows["person"] = [1, 2, 1, 1, 0, 1, 2, 1, 1, 1, 1, 1, 1, 0, 0]
    rows, appearances = made.tracklets.rows, centred(made.tracklets.vectors.sum(1), made.tracklets.rows["camera"])
    u = np.array([14, 14, 13, 14, 13])
    h = np.array([12, 6, 4, 3, 0])
    for k, cosine in enumerate(made.cosines(u, h).tolist()):
        person = rows["person"][h[k]]
        same = [i for i in range(15) if i == h[k] or (person and rows["person"][i] == person and i < h[k])][-MEMORY:]
        memory = np.sum([appearances[i] for i in same], axis=0)
        assert cosine == pytest.approx(float(unit(memory) @ appearances[u[k]]), abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**32 - 1)), min_size=1, max_size=12))
def test_centred_against_a_slow_twin(seen: list[tuple[int, int]]) -> None:
    embeddings = np.stack([np.random.default_rng(seed).standard_normal(SIZE) for _, seed in seen]).astype(np.float32)
    cameras = np.array([camera for camera, _ in seen])
    fleet = np.sum([unit(each) for each in embeddings], axis=0) / (PRIOR_FLEET + len(seen))
    for k, found in enumerate(centred(embeddings, cameras)):
        own = [unit(embeddings[i]) for i in range(len(seen)) if cameras[i] == cameras[k]]
        mean = (np.sum(own, axis=0) + PRIOR_CAMERA * fleet) / (len(own) + PRIOR_CAMERA)
        np.testing.assert_allclose(found, unit(unit(embeddings[k]) - mean), atol=1e-5)


def test_what_a_camera_adds_to_everybody_does_not_make_people_alike() -> None:
    rng = np.random.default_rng(4)
    looks, casts = rng.standard_normal((200, SIZE)), 2 * rng.standard_normal((2, SIZE))
    shown = np.concatenate([looks + casts[0], looks + casts[1]]).astype(np.float32)
    found = centred(shown, np.repeat([0, 1], 200))
    plain = np.stack([unit(vector) for vector in shown])
    same, other = (np.einsum("ke,ke->k", found[:200], np.roll(found[200:], shift, 0)) for shift in (0, 1))
    assert np.median(same) > 0.8
    assert abs(np.median(other)) < 0.1
    assert np.median(np.einsum("ke,ke->k", plain[:200], plain[200:])) < np.median(same)


def test_the_density_of_ways_against_a_slow_twin() -> None:
    transits = Transits(600.0)
    known = [10.0, 12.0, 11.0, 14.0, 40.0]
    for gap_s in known:
        transits.learn(0, 1, gap_s)
    transits.learn(0, 2, 5.0)
    gaps_s = np.array([0.0, 11.0, 300.0, 11.0, 11.0])
    starts, ends = np.array([0, 0, 0, 1, 0]), np.array([1, 1, 1, 0, 2])
    found = transits.log_density(starts, ends, gaps_s, cameras=4)
    logs = [math.log(gap_s + SOFT_S) for gap_s in known]
    mean = sum(logs) / 5
    width = max(0.1, 1.06 * math.sqrt(sum((value - mean) ** 2 for value in logs) / 5) * 5**-0.2)
    for k in range(3):
        at, broad = gaps_s[k] + SOFT_S, 1 / ((gaps_s[k] + SOFT_S) * math.log(605 / 5))
        narrow = sum(math.exp(-(((math.log(at) - value) / width) ** 2) / 2) for value in logs) / 5
        narrow /= width * math.sqrt(2 * math.pi) * at
        expected = math.log((5 + 1) / (6 + 4)) + math.log(5 / 8 * narrow + 3 / 8 * broad)
        assert found[k] == pytest.approx(expected, abs=1e-9)
    assert found[3] == pytest.approx(math.log(1 / 4 / (16 * math.log(605 / 5))), abs=1e-9)
    assert found[1] > found[2]
    assert found[1] > found[4]


def test_the_same_look_at_the_next_camera_is_the_same_person() -> None:
    site = Site(association())
    site.see(1, 0, 0, 10, axis(0))
    site.see(2, 0, 2, 12, axis(1))
    site.see(3, 1, 30, 40, axis(1, 0.1))
    site.see(4, 1, 32, 42, axis(0, 0.1))
    assert [site.people[number] for number in (1, 2, 3, 4)] == [1, 2, 2, 1]


def test_nobody_is_in_two_places_unless_views_overlap() -> None:
    for overlapping in (False, True):
        made = association()
        if overlapping:
            made.transits.overlap([0, 1])
        site = Site(made)
        site.see(1, 0, 0, 60, axis(0), over=False)
        site.see(2, 1, 30, 65, axis(0))
        assert (site.people[2] == site.people[1]) == overlapping


def test_who_is_still_there_cannot_have_gone() -> None:
    site = Site(association())
    site.see(1, 0, 0, 5, axis(0), over=False)
    site.see(2, 1, 30, 35, axis(0))
    assert site.people[2] != site.people[1]


def test_one_person_is_not_followed_by_two() -> None:
    made = association()
    made.see(1, 0, 0, 10, axis(0), is_over=True)
    site = Site(made)
    site.decide(11)
    made.see(2, 1, 30, 40, axis(0, 0.05), is_over=True)
    made.see(3, 2, 31, 41, axis(0, 0.3), is_over=True)
    site.decide(42)
    assert site.people[2] == site.people[1]
    assert site.people[3] not in (site.people[1], site.people[2])


def test_configured_ways_cannot_be_faster_or_slower() -> None:
    for gap_s, expected in ((10.0, False), (30.0, True), (90.0, False), (20.0 - SLACK_S / 2, True)):
        made = association()
        made.transits.limit(0, 1, 20.0, 60.0)
        site = Site(made)
        site.see(1, 0, 0, 10, axis(0))
        site.see(2, 1, 10 + gap_s, 20 + gap_s, axis(0))
        assert (site.people[2] == site.people[1]) == expected


def test_who_was_away_too_long_is_somebody_new() -> None:
    site = Site(association(absence_s=100.0))
    site.see(1, 0, 0, 10, axis(0))
    site.see(2, 1, 111, 120, axis(0))
    assert site.people[2] != site.people[1]


def test_an_identity_is_revised_once_with_what_came_in_the_window_and_then_stays() -> None:
    made = association(window_s=30.0)
    site = Site(made)
    site.see(1, 0, 0, 10, axis(0))
    # A poor view of somebody else looks like person 1; then person 1 comes and looks exactly so.
    site.see(2, 1, 30, 34, unit(axis(0) + 0.6 * axis(1)), over=True)
    assert site.people[2] == site.people[1]
    site.see(3, 2, 31, 40, axis(0))
    site.decide(75)
    assert site.people[3] == site.people[1]
    assert site.people[2] != site.people[1]
    changes = Counter(decision.number for decision in site.decisions)
    assert changes == {1: 2, 2: 2, 3: 2}
    settled = dict(site.people)
    for second in range(80, 400, 10):
        site.see(10 + second, 2, second, second + 5, axis(2 + second // 10 % 8))
    assert {number: site.people[number] for number in settled} == settled


def walks(seed: int, people: int, noise: float, every_s: float = 15.0) -> tuple[Site, dict[int, int]]:
    """People that walk along four cameras, with noisy embeddings; the site and who each tracklet shows.

    They come one every `every_s`, by the first camera; with 0 they are all there at the beginning, at all cameras.
    """
    rng = np.random.default_rng(seed)
    embeddings = [unit(rng.standard_normal(SIZE)) for _ in range(people)]
    seen = []
    for person in range(people):
        time_s = every_s * person + float(rng.uniform(0, 10))
        start = 0 if every_s else person
        for camera in range(start, start + 4):
            stay_s = float(rng.uniform(5, 12))
            seen.append((time_s, time_s + stay_s, camera % 4, person))
            time_s += stay_s + float(rng.uniform(15, 25))
    site, owners = Site(association()), {}
    for number, (first, last, camera, person) in enumerate(sorted(seen), 1):
        noisy = unit(embeddings[person] + noise * rng.standard_normal(SIZE) / math.sqrt(SIZE))
        site.see(number, camera, first, last, noisy)
        owners[number] = person
    site.decide(max(each[1] for each in seen) + 60)
    return site, owners


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_people_are_followed_along_the_cameras(seed: int) -> None:
    site, owners = walks(seed, 25, 0.5)
    assert kept(site, owners) >= 0.9
    assert 23 <= len(set(site.people.values())) <= 30


def test_what_is_learned_of_a_tracklet_counts_at_once() -> None:
    made = association()
    for number, look in enumerate((0, 1, 2), 1):
        made.see(number, 0, 10.0 * number, 10.0 * number + 5, axis(look), is_over=number < 3)
    pair = np.array([2]), np.array([0])
    before = float(made.cosines(*pair)[0])
    made.see(3, 0, 30.0, 36.0, axis(0), is_over=True)
    assert float(made.cosines(*pair)[0]) > before + 0.3
    made.forget(40.0, 1e6)
    made.tracklets.rows["is_settled"] = True
    made.forget(1e6, 1e6)
    assert len(made.tracklets) == 0
    made.see(4, 0, 1e6, 1e6, axis(0), is_over=False)
    assert made.cosines(np.array([0]), np.array([0])).tolist() == pytest.approx([1.0])


def kept(site: Site, owners: dict[int, int]) -> float:
    """The share of tracklets that have the identity which most of their person's have."""
    by_person: dict[int, Counter[int]] = defaultdict(Counter)
    for number, person in owners.items():
        by_person[person][site.people[number]] += 1
    return sum(found.most_common(1)[0][1] for found in by_person.values()) / len(owners)


def test_who_was_there_when_the_fleet_began_makes_nobody_after_them_new() -> None:
    assert np.mean([kept(*walks(seed, 24, 1.0, every_s=0.0)) for seed in range(3)]) >= 0.85


def test_what_is_learned_shows() -> None:
    site, _ = walks(5, 40, 0.5)
    gaps = site.made.transits.known()
    assert {(0, 1), (1, 2), (2, 3)} <= set(gaps)
    assert 15 <= float(np.median(gaps[0, 1])) <= 25
    mean_same, _, mean_different, _ = site.made.likeness.moments
    assert mean_same > mean_different + 0.3


def test_rows_grow_and_are_forgotten() -> None:
    tracklets = Tracklets(SIZE)
    for number in range(1, 601):
        row = tracklets.add(number, 0, number, number + 1)
        for place in range(number % 3):
            tracklets.learn(row, axis(place))
    assert (len(tracklets), tracklets.row_of(600), tracklets.row_of(601)) == (600, 599, None)
    assert tracklets.rows["vectors"].tolist() == [number % 3 for number in range(1, 601)]
    tracklets.keep(tracklets.numbers > 590)
    assert tracklets.numbers.tolist() == list(range(591, 601))
    assert tracklets.row_of(591) == 0
    assert tracklets.row_of(5) is None
    fresh = tracklets.add(601, 0, 0, 1)
    assert not tracklets.vectors[fresh].any()

"""Groups of classes: what is of two groups is never matched, and everything else stays as it is."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.errors import UsageError
from edge.track import groups, registry
from edge.track.groups import group_table
from edge.track.lifecycle import are_apart, group
from edge.track.methods.nanotrack import METHOD
from edge.track.state import CLASSES, DETECTION, TRACK
from tests.track.scenes import crowd, detections, outputs

CAR, TRUCK, BUS, PERSON = range(4)
VEHICLES = [[CAR, TRUCK, BUS]]
ABLE = [name for name in registry.BUILT_IN if registry.choose(name).keeps_groups_apart]


def _as(tracker: Tracker, number: int, score: float = 0.9) -> set[int]:
    box = detections((score,)).boxes_xyxy
    return set(
        tracker.update(Detections(box, np.array([score], np.float32), np.array([number], np.int32))).ids.tolist()
    )


@pytest.mark.parametrize("method", ABLE)
@pytest.mark.parametrize(
    ("class_groups", "later", "same"),
    [(None, PERSON, True), (VEHICLES, TRUCK, True), (VEHICLES, PERSON, False), ([], TRUCK, False), ([], CAR, True)],
)
def test_only_one_group_is_matched(method: str, class_groups: list[list[int]] | None, later: int, same: bool) -> None:
    parameters: dict[str, Any] = {"coast_s": 0} if method == "nanotrack" else {}
    tracker = Tracker(method, class_groups=class_groups, **parameters)
    for _ in range(5):
        first = _as(tracker, CAR)
    found: set[int] = set()
    for _ in range(5):
        found |= _as(tracker, later)
    assert first == {1}
    assert (found == {1}) == same
    assert len(found) == 1


@pytest.mark.parametrize("method", ABLE)
def test_class_is_the_majority_of_the_score(method: str) -> None:
    tracker, box = Tracker(method), detections((0.9,)).boxes_xyxy
    classes = []
    for number, score in [(CAR, 0.7), (BUS, 0.95), (BUS, 0.95), (CAR, 0.6), (BUS, 0.95)]:
        tracks = tracker.update(Detections(box, np.array([score], np.float32), np.array([number], np.int32)))
        classes += tracks.classes.tolist()
    assert classes[-1] == BUS


@pytest.mark.parametrize("preset", ["reference", "published"])
def test_the_published_keep_the_first_class_and_refuse_groups(preset: str) -> None:
    tracker = Tracker("nanotrack", preset=preset)
    for number in (CAR, BUS, BUS, BUS):
        box = detections((0.9,)).boxes_xyxy
        tracks = tracker.update(Detections(box, np.array([0.9], np.float32), np.array([number], np.int32)))
    assert tracks.classes.tolist() == [CAR]
    with pytest.raises(UsageError, match="keeps no groups of classes apart"):
        Tracker("nanotrack", preset=preset, class_groups=VEHICLES)


@pytest.mark.parametrize("method", [name for name in ABLE if name != "nanotrack"])
def test_groups_are_like_trackers_of_their_own(method: str) -> None:
    """ByteTrack and SparseTrack have nothing in common between tracks: each group's boxes are those it has alone."""
    stream, random = crowd(40, 60), np.random.default_rng(1)
    together, alone = Tracker(method, class_groups=VEHICLES), [Tracker(method), Tracker(method)]
    for frame in stream:
        numbers = random.choice(np.array([CAR, TRUCK, PERSON], np.int32), len(frame.scores))
        tracks = together.update(Detections(frame.boxes_xyxy, frame.scores, numbers))
        for tracker, is_person in zip(alone, (False, True), strict=True):
            mine = (numbers == PERSON) == is_person
            expected = tracker.update(Detections(frame.boxes_xyxy[mine], frame.scores[mine], numbers[mine]))
            shown = tracks.boxes_xyxy[(tracks.classes == PERSON) == is_person]
            assert shown.tolist() == expected.boxes_xyxy.tolist()


@pytest.mark.parametrize("method", ABLE)
def test_one_group_of_all_is_no_group(method: str) -> None:
    stream = crowd(30, 40)
    assert outputs(Tracker(method, class_groups=[[0]]), stream) == outputs(Tracker(method), stream)


@pytest.mark.parametrize(
    ("wanted", "method", "expected"),
    [
        (["person"], "nanotrack", None),
        (["car+bus"], "nanotrack", None),
        (["car+bus", "person"], "nanotrack", [[0, 2], [3]]),
        (["car", "person"], "bytetrack", [[0], [3]]),
        (["car", "person"], "qdtrack", None),
        (["car+bus", "person"], "qdtrack", [[0, 2], [3]]),  # asked for: the tracker refuses
    ],
)
def test_groups_of_names(wanted: list[str], method: str, expected: list[list[int]] | None) -> None:
    assert groups.groups_of(wanted, ["car", "truck", "bus", "person"], method, "default") == expected


numbers = st.integers(-5, CLASSES + 5)


@given(st.lists(st.sets(st.integers(0, 9)), max_size=4), numbers, numbers, st.booleans())
def test_kernels_equal_sets(members: list[set[int]], one: int, other: int, apart: bool) -> None:
    unique = [s - set().union(*members[:i]) for i, s in enumerate(members)]
    run, track, detection = np.zeros(1, METHOD.run_dtype), np.zeros(1, TRACK), np.zeros(1, DETECTION)
    run["groups"], run["apart"] = group_table([sorted(s) for s in unique]), apart
    track["class"], detection["class"] = one, other
    together = one == other or any({one, other} <= s for s in unique)
    assert (group(run[0], one) == group(run[0], other)) == together
    assert are_apart(run[0], track[0], detection[0]) == (apart and not together)


@pytest.mark.parametrize(
    ("wrong", "told"), [([[1, -1]], "-1"), ([[CLASSES]], "256"), ([[1], [1, 2]], "class 1 is in two")]
)
def test_wrong_groups(wrong: list[list[int]], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Tracker("nanotrack", class_groups=wrong)

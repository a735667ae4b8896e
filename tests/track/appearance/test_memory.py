"""Looks in the first stage of the trackers that go by motion, as published for BoT-SORT."""

from typing import Any

import numpy as np
import pytest

from edge import Detections, Tracker
from edge.errors import UsageError
from edge.track.appearance.rules import Ema
from tests.track.appearance_scenes import gathering
from tests.track.scenes import crowd, outputs

BY_IOU = pytest.mark.parametrize("method", ["bytetrack", "sparsetrack"])
METHODS = pytest.mark.parametrize("method", ["bytetrack", "nanotrack", "sparsetrack"])
RULES = pytest.mark.parametrize("appearance", ["ema", "sasm"])
A, B = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def _frame(*rows: tuple[float, tuple[float, ...]], score: float = 0.95) -> Detections:
    """Boxes of 60 x 150 at x, with embeddings."""
    boxes = np.array([[x, 100, x + 60, 250] for x, _ in rows], np.float32).reshape(-1, 4)
    return Detections(
        boxes, np.full(len(rows), score, np.float32), embeddings=np.array([look for _, look in rows], np.float32)
    )


@METHODS
@RULES
def test_two_who_change_places_are_told_apart_by_their_appearance(method: str, appearance: str) -> None:
    """They stand 15 px apart (IoU .6) and swap: motion alone says that nothing happened."""
    ids = {}
    for rule in ("none", appearance):
        tracker = Tracker(method, appearance=rule)
        for _ in range(5):
            tracker.update(_frame((100, A), (115, B)))
        tracks = tracker.update(_frame((100, B), (115, A)))
        ids[rule] = dict(zip(tracks.detection_index.tolist(), tracks.ids.tolist(), strict=True))
    assert ids == {"none": {0: 1, 1: 2}, appearance: {0: 2, 1: 1}}


@METHODS
@RULES
def test_embeddings_stay_with_their_tracks_when_another_track_expires(method: str, appearance: str) -> None:
    """An older track ends in the very frame in which the two change places."""
    tracker = Tracker(method, appearance=appearance)
    for _ in range(5):
        tracker.update(_frame((600, (0.0, 0.0, 1.0)), (100, A), (115, B)))
    kept = int(tracker.lost_s * tracker.frame_rate)
    for _ in range(kept):
        tracker.update(_frame((100, A), (115, B)))
    tracks = tracker.update(_frame((100, B), (115, A)))
    assert dict(zip(tracks.detection_index.tolist(), tracks.ids.tolist(), strict=True)) == {0: 3, 1: 2}


@BY_IOU
def test_appearance_is_silent_where_boxes_are_apart_or_embeddings_differ(method: str) -> None:
    """With IoU under .5 or half of 1 - cosine above .25 the costs are those of motion alone, and so are all results."""
    for shift, look in ((30.0, A), (2.0, B)):
        frames = [_frame((100, A)), _frame((100 + shift, look)), _frame((100 + shift, look))]
        with_embeddings, without = Tracker(method, appearance="ema"), Tracker(method)
        assert outputs(with_embeddings, frames) == outputs(without, frames)


@BY_IOU
def test_limits_are_parameters(method: str) -> None:
    def swapped(**parameters: Any) -> bool:
        tracker = Tracker(method, 30.0, "default", appearance="ema", **parameters)
        for _ in range(5):
            tracker.update(_frame((100, A), (120, B)))
        # Each like before by a cosine of .8, so at a cost of .1; the score makes motion cost .25 at least.
        tracks = tracker.update(_frame((100, (0, 0.8, 0.6)), (120, (0.8, 0.6, 0)), score=0.75))
        return tracks.detection_index[tracks.ids == 1].tolist() == [1]

    assert swapped()
    assert not swapped(appearance_iou=0.6)
    assert not swapped(appearance_limit=0.09)


@METHODS
def test_streams_without_embeddings_are_tracked_as_without_appearance(method: str) -> None:
    stream = crowd(30, 60)
    assert outputs(Tracker(method, appearance="ema"), stream) == outputs(Tracker(method), stream)
    bare = [Detections(d.boxes_xyxy, d.scores, d.classes) for d in gathering(20, 60, 1)]
    assert outputs(Tracker(method), gathering(20, 60, 1)) == outputs(Tracker(method), bare)


@METHODS
@RULES
def test_missing_embeddings_of_some_detections_and_frames_are_allowed(method: str, appearance: str) -> None:
    random, tracker = np.random.default_rng(0), Tracker(method, appearance=appearance)
    for number, frame in enumerate(gathering(30, 120, 2, classes=1)):
        assert frame.embeddings is not None
        frame.embeddings[random.random(len(frame)) < 0.5] = 0
        if number % 7 == 0:
            frame.embeddings = None
        tracks = tracker.update(frame)
        assert len(set(tracks.ids.tolist())) == len(tracks)
    assert len(tracks) > 5


def test_a_rule_may_be_given_and_wrong_ones_are_named() -> None:
    assert Tracker("bytetrack", appearance=Ema(0.5)).appearance == Ema(0.5)
    with pytest.raises(UsageError, match="none, ema, sasm"):
        Tracker("bytetrack", appearance="emma")
    with pytest.raises(UsageError, match="preset default"):
        Tracker("bytetrack", preset="reference", appearance="ema")


def test_nanotrack_gives_appearance_the_weight_it_is_told() -> None:
    """Motion says stay at similarity 1, appearance says swap at an IoU of .6: a weight above .4 decides."""
    for weight, ids in ((0.3, [1, 2]), (0.5, [2, 1])):
        tracker = Tracker("nanotrack", appearance="ema", appearance_weight=weight)
        for _ in range(5):
            tracker.update(_frame((100, A), (115, B)))
        tracks = tracker.update(_frame((100, B), (115, A)))
        assert tracks.ids[np.argsort(tracks.detection_index)].tolist() == ids

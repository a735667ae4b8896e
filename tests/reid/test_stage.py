"""Embeddings under a policy and a budget: which are computed, what is counted."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge import Detections, Tracker
from edge.errors import UsageError
from edge.reid.stage import Policy, ReidStage
from edge.track.methods import qdtrack
from edge.types import Float32s, Image

IMAGE = np.zeros((10, 10, 3), np.uint8)


class FakeEmbedder:
    """Looks that tell the box's x; each costs `cost_ms` on a clock of its own, `now_ns`."""

    now_ns = 0

    def __init__(self, cost_ms: float = 2.0) -> None:
        self.description = SimpleNamespace(embedding=8, logit_scale=11.0)
        self.cost_ms = cost_ms
        self.asked: list[list[float]] = []

    def __call__(self, image: Image, boxes_xyxy: Float32s) -> Float32s:
        self.asked.append(boxes_xyxy[:, 0].tolist())
        FakeEmbedder.now_ns += int(self.cost_ms * 1e6 * len(boxes_xyxy))
        return np.eye(8, dtype=np.float32)[(boxes_xyxy[:, 0] / 100).astype(int) % 8]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.reid.stage.perf_counter_ns", lambda: FakeEmbedder.now_ns)


def _people(*places: float, score: float = 0.9) -> Detections:
    boxes = np.array([[x, 0, x + 50, 120] for x in places], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(places), score, np.float32))


def _stage(
    policy: Policy, budget_ms: float | None = None, cost_ms: float = 2.0
) -> tuple[ReidStage, FakeEmbedder, Tracker]:
    embedder, tracker = FakeEmbedder(cost_ms), Tracker("bytetrack", appearance="ema")
    return ReidStage(embedder, tracker, policy, budget_ms), embedder, tracker  # type: ignore[arg-type]


@pytest.mark.parametrize(("policy", "computed"), [("always", 40), ("never", 0), ("auto", 4)])
def test_people_who_walk_alone_are_looked_at_once(policy: Policy, computed: int) -> None:
    stage, embedder, tracker = _stage(policy)
    for _ in range(10):
        detections = stage(IMAGE, _people(0, 200, 400, 600))
        tracker.update(detections)
    assert (stage.counter.computed, stage.counter.saved) == (computed, 40 - computed)
    assert stage.counter.share == pytest.approx(computed / 40)
    assert sum(map(len, embedder.asked)) == computed


def test_rows_keep_their_places_and_those_left_out_are_zeros() -> None:
    stage, _, tracker = _stage("auto")
    for _ in range(3):
        tracker.update(stage(IMAGE, _people(300)))
    given = _people(100, 300, 700)
    detections = stage(IMAGE, given)
    assert given.embeddings is None
    assert detections.embeddings is not None
    assert detections.embeddings.argmax(axis=1)[[0, 2]].tolist() == [1, 7]
    assert not detections.embeddings[1].any()


def test_the_budget_is_kept_and_the_most_urgent_come_first() -> None:
    stage, embedder, tracker = _stage("auto", budget_ms=7.0)
    stage(IMAGE, _people(*range(0, 1000, 100)))
    assert [len(x) for x in embedder.asked] == [1]  # what one costs is not known yet
    for _ in range(3):
        tracker.update(stage(IMAGE, _people(300)))
    stage(IMAGE, _people(500, 600, 700, 300, 308))
    assert embedder.asked[-1] == [300, 308, 500]  # rivals for one track, then newcomers; 3 times 2 ms fit into 7
    embedder.cost_ms = 9.0
    for _ in range(30):
        stage(IMAGE, _people(500, 600, 700))
    embedder.asked.clear()
    stage(IMAGE, _people(500, 600, 700))
    assert len(embedder.asked) <= 1


def test_methods_that_need_all_embeddings_refuse_to_go_without() -> None:
    for policy, budget_ms in (("never", None), ("auto", 5.0)):
        with pytest.raises(UsageError, match="every detection"):
            ReidStage(FakeEmbedder(), Tracker("qdtrack"), policy, budget_ms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("preset", "given", "scale"), [("default", {}, 11.0), ("default", {"logit_scale": 3.0}, 3.0), ("mot17", {}, 1.0)]
)
def test_the_tracker_takes_over_the_scale_of_the_embeddings(preset: str, given: dict[str, Any], scale: float) -> None:
    tracker = Tracker("qdtrack", preset=preset, **given)
    ReidStage(FakeEmbedder(), tracker)  # type: ignore[arg-type]
    assert isinstance(tracker.parameters, qdtrack.Parameters)
    assert tracker.parameters.logit_scale == scale
    assert tracker._run["logit_scale"] == scale

"""Training of the joint network: its pairs of frames, its targets, that it learns, goes on, and what it releases."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edge.demo import scene  # noqa: E402
from edge.demo.stage import Stage  # noqa: E402
from edge.demo.truth import Truth  # noqa: E402
from edge.detect.open import open_detector  # noqa: E402
from edge.types import Detections, Image  # noqa: E402
from export import networks, pack  # noqa: E402
from export.train import frames, joint, losses, pairs, progress, score_joint  # noqa: E402
from export.train.jointnet import JointNet  # noqa: E402
from export.train.pairs import Pair  # noqa: E402
from export.train.progress import Compute, release  # noqa: E402

RED = (30, 40, 220)


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of all streets that are built, small ones for speed."""
    seen = []
    stage = scene.Options.stage
    monkeypatch.setattr(frames, "SIZES", ((320, 180),))

    def noted(options: scene.Options) -> Stage:
        seen.append(options.seed)
        return stage(options)

    monkeypatch.setattr(scene.Options, "stage", noted)
    return seen


def pair(
    *people: tuple[int, int, int], size: tuple[int, int] = (128, 96), ignored: bool = False, moved: int = 8
) -> Pair:
    """A red block for each (x, y, identity), 24 x 48 pixels, that were `moved` pixels further left before."""
    width, height = size
    image, before = np.full((2, height, width, 3), 90, np.uint8)
    boxes = np.array([[x, y, x + 24, y + 48] for x, y, _ in people], np.float32).reshape(-1, 4)
    for x, y, _ in people:
        image[y : y + 48, x : x + 24] = RED
        before[y : y + 48, x - moved : x + 24 - moved] = RED
    flags = np.full(len(people), ignored)
    identities = np.array([identity for *_, identity in people], np.int64)
    return Pair(image, before, boxes, boxes - np.array([moved, 0, moved, 0], np.float32), identities, flags, ~flags)


def batch(*windows: Pair, beside: float = 0.0, monkeypatch: pytest.MonkeyPatch | None = None) -> joint.Batch:
    if monkeypatch:
        monkeypatch.setattr(joint, "BESIDE", beside)
    return joint.batch(list(windows), np.random.default_rng(0))


def test_couples_are_windows_of_training_streets_around_the_same_people(seeds: list[int]) -> None:
    served = list(islice(pairs.couples(0), pairs.PAIRS_PER_STREET * pairs.SERVED))
    assert len(set(seeds)) >= 2
    assert min(seeds) >= scene.TRAINING_SEEDS
    width, height = pairs.WINDOW
    moved = []
    for window in (window for couple in served for window in couple):
        assert window.image.shape == window.before.shape == (height, width, 3)
        boxes = window.boxes_xyxy
        assert len(boxes) == len(window.before_xyxy) == len(window.identities) == len(window.ignored)
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes <= np.array([width, height] * 2)).all()
        assert not (window.clear & window.ignored).any()
        moved.append(np.abs(window.before_xyxy - boxes).max(1))
    ways = np.concatenate(moved)
    known = np.isfinite(ways)
    assert known.mean() > 0.9
    assert 0.3 < np.median(ways[known]) < 8  # a walk of a tenth of a second at the most
    shared = [len(np.intersect1d(a.identities[a.clear], b.identities[b.clear])) for a, b in served]
    assert np.mean(np.array(shared) > 0) > 0.6


def test_the_same_seed_draws_the_same_couples(seeds: list[int]) -> None:
    for a, b in zip(islice(pairs.couples(3), 4), islice(pairs.couples(3), 4), strict=True):
        np.testing.assert_array_equal(a[0].image, b[0].image)
        np.testing.assert_array_equal(a[1].before, b[1].before)
        np.testing.assert_array_equal(a[0].before_xyxy, b[0].before_xyxy)


def test_a_cut_moves_both_frames_and_ignores_who_is_mostly_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "WINDOW", (64, 96))
    whole = pair((20, 20, 7), (76, 20, 8), (60, 20, 9))
    part = pairs.cut(whole, np.array([16, 0, 80, 96]))
    assert part.identities.tolist() == [7, 8, 9]
    assert part.boxes_xyxy[:, 0].tolist() == [4, 60, 44]
    assert part.before_xyxy[:, 0].tolist() == [0, 52, 36]
    assert part.ignored.tolist() == [False, True, False]  # 4 of 24 columns of the second are left
    np.testing.assert_array_equal(part.before, whole.before[:, 16:80])


def test_mirrored_pairs_still_show_their_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "WINDOW", (128, 96))
    monkeypatch.setattr(pairs, "INPUT", (128, 96))
    rng = np.random.default_rng(1)
    mirrored = 0
    for _ in range(20):
        window = pairs.augment(pair((60, 20, 7)), -1, rng)
        for image, box in ((window.image, window.boxes_xyxy[0]), (window.before, window.before_xyxy[0])):
            x0, y0, x1, y1 = box.round().astype(int)
            inner, outer = image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].astype(int), image.astype(int)
            assert (inner[..., 2] - inner[..., 0]).min() > 100
            red = outer[..., 2] - outer[..., 0] > 100
            assert red.sum() <= 1.15 * (x1 - x0) * (y1 - y0)
        mirrored += window.before_xyxy[0, 0] > window.boxes_xyxy[0, 0]
    assert 3 < mirrored < 17


def test_targets_are_those_of_centernet(monkeypatch: pytest.MonkeyPatch) -> None:
    window, other = pair((60, 20, 7)), pair((20, 8, 5), (70, 40, 6), ignored=True)
    found = batch(window, other, monkeypatch=monkeypatch)
    assert found.picture.tolist() == [0]
    assert found.cells.tolist() == [[18, 11]]  # the middle (72, 44) in cells of 4 pixels
    assert found.edges.tolist() == [[-3, -6, 3, 6]]
    assert found.back.tolist() == [[-2, 0]]
    assert found.labels.tolist() == [7]
    assert found.images.shape == (2, 96, 128, 6)
    assert (found.heat == 1).nonzero().tolist() == [[0, 11, 18]]
    assert 0 < found.heat[0, 11, 19] < 1
    assert found.counted[0].all()
    assert not found.counted[1, 5, 7]
    assert found.counted[1, 22, 2]


def test_beside_the_peak_the_same_box_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = batch(*[pair((60, 20, 7))] * 40, beside=1.0, monkeypatch=monkeypatch)
    cells = found.cells.float()
    assert len(set(map(tuple, found.cells.tolist()))) == 9
    assert (found.edges + cells.repeat(1, 2)).unique(dim=0).tolist() == [[15, 5, 21, 17]]
    assert (found.back + cells).unique(dim=0).tolist() == [[16, 11]]


def test_the_loss_of_the_heat_map_spares_the_surroundings_of_a_peak() -> None:
    heat = torch.tensor([1.0, 0.9, 0.0])
    sure, near, wrong = losses.heatmap_focal(torch.tensor([4.0, 2.0, 2.0]), heat).tolist()
    assert sure < 1e-4  # right
    assert near == pytest.approx(wrong * 0.1**4, rel=1e-4)
    p = 1 / (1 + np.exp(-2))
    assert wrong == pytest.approx(-np.log(1 - p) * p**2, rel=1e-4)


def test_who_is_ignored_and_who_is_new_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = JointNet().eval()
    nobody = joint.loss_of(net, batch(pair(), monkeypatch=monkeypatch))
    assert nobody["heat"] > 1
    assert nobody["overlap"] == nobody["edge"] == nobody["back"] == nobody["contrast"] == 0
    everywhere = pair((60, 20, 7), ignored=True)
    everywhere.boxes_xyxy[:] = 0, 0, 128, 96
    assert joint.loss_of(net, batch(everywhere))["heat"] == 0
    new = pair((60, 20, 7))
    new.before_xyxy[:] = np.nan
    parts = joint.loss_of(net, batch(new))
    assert parts["back"] == 0
    sum(parts.values()).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_the_network_learns_a_picture_by_heart_as_the_runtime_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    window = pair((60, 20, 7))
    image, moved = window.image, batch(window, pair((20, 30, 8), moved=0), monkeypatch=monkeypatch)
    net = JointNet()
    joint.prepare(net)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3)
    history = []
    for _ in range(60):
        parts = joint.loss_of(net, moved)
        loss = sum(parts.values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(float(loss.detach()))
    assert set(parts) == {"heat", "overlap", "edge", "back", "contrast"}
    assert history[-1] < 0.3 * history[0]
    joint.loss_of(net, moved)
    release(net, tmp_path / "joint.pth", class_names=["person"], input_size=[128, 96])
    pack.write(tmp_path / "joint.pack", networks.detector(tmp_path / "joint.pth"))
    find = open_detector(tmp_path / "joint.pack", floor=0.3)
    find(window.before)
    found = find(image)
    assert len(found) >= 1
    np.testing.assert_allclose(found.boxes_xyxy[0], window.boxes_xyxy[0], atol=10)


def test_training_goes_on_where_it_was_and_releases_what_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: list[int]
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(joint, "COUPLES", 1)
    monkeypatch.setattr(progress, "LOG_EVERY", 1)
    monkeypatch.setattr(progress, "DataLoader", lambda batches, **_: batches)
    joint.train(tmp_path, 1, Compute())
    path = joint.train(tmp_path, 2, Compute())
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [0, 1]
    assert path.stat().st_size < 1_200_000
    kept = torch.load(path, weights_only=True)["state_dict"]
    assert {v.dtype for v in kept.values() if v.is_floating_point()} == {torch.float16}
    description = networks.detector(path).description
    assert description.classes == ("person",)
    assert (description.input.width, description.input.height) == pairs.INPUT
    assert description.head.type == "centernet-joint"


def test_perfect_detections_score_perfectly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finder that knows the truth, its embeddings the people's numbers."""
    truths = []
    shoot = Stage.shoot

    def noted(stage: Stage, frame_s: float) -> tuple[Image, Truth]:
        truths.append(shoot(stage, frame_s))
        return truths[-1]

    def find(image: Image) -> Detections:
        boxes, ids = truths[-1][1].boxes_xyxy, truths[-1][1].ids
        before = dict(zip(truths[-2][1].ids.tolist(), truths[-2][1].boxes_xyxy, strict=True)) if truths[1:] else {}
        was = np.array([before.get(i, box) for i, box in zip(ids.tolist(), boxes, strict=True)], np.float32)
        middles, were = (boxes[:, :2] + boxes[:, 2:]) / np.float32(2), (was[:, :2] + was[:, 2:]) / np.float32(2)
        n, embeddings = len(ids), np.eye(40, dtype=np.float32)[ids]
        offsets = (were - middles).astype(np.float32)
        return Detections(boxes, np.ones(n, np.float32), np.zeros(n, np.int32), embeddings, offsets, middles)

    monkeypatch.setattr(Stage, "shoot", noted)
    monkeypatch.setattr(score_joint, "open_detector", lambda *_, **__: find)
    monkeypatch.setattr(score_joint, "SHOTS", 6)
    release(JointNet(), tmp_path / "joint.pth", input_size=[640, 352])
    scores = score_joint.joint(tmp_path / "joint.pth", [3])
    assert scores.ap50 == pytest.approx(1.0)
    assert scores.rank_one == 1.0
    assert scores.offset_px < 0.01

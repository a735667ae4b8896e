"""Training: its samples, that it learns, that it goes on, and what it releases."""

import json
from itertools import islice, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from edge.demo.stage import Stage

torch = pytest.importorskip("torch")

from edge.demo import scene  # noqa: E402
from export import networks  # noqa: E402
from export.train import crops, detector, frames, progress, reid  # noqa: E402
from export.train.nets import NanoDetPlus, OSNet  # noqa: E402
from export.train.progress import Average, Compute, Log, learning_rate, release  # noqa: E402


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of all streets that are built."""
    seen = []
    stage = scene.Options.stage

    def noted(options: scene.Options) -> Stage:
        seen.append(options.seed)
        return stage(options)

    monkeypatch.setattr(scene.Options, "stage", noted)
    return seen


def test_samples_are_pictures_of_training_streets(seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "SIZES", ((320, 180),))
    samples = list(islice(frames.samples(0), 2 * frames.FRAMES_PER_STREET * frames.SERVED))
    assert len(set(seeds)) >= 2
    assert min(seeds) >= scene.TRAINING_SEEDS
    width, height = frames.WINDOW
    for sample in samples:
        assert sample.image.shape == (height, width, 3)
        assert len(sample.boxes_xyxy) == len(sample.ignored)
        assert (sample.boxes_xyxy[:, 2:] > sample.boxes_xyxy[:, :2]).all()
        assert (sample.boxes_xyxy >= 0).all()
        assert (sample.boxes_xyxy <= np.array([width, height] * 2)).all()
    assert np.mean([len(s.boxes_xyxy) - s.ignored.sum() for s in samples]) > 2


def test_windows_show_people_as_large_as_the_network_will_see_them_or_nearer() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((720, 1280, 3), np.uint8)
    image[300:345, 600:618] = 255
    sample = frames.Sample(image, np.array([[600, 300, 618, 345]], np.float32), np.array([False]))
    shown, nearer = [], []
    for _ in range(200):
        window = frames.augment(sample, rng)
        if len(window.boxes_xyxy) and not window.ignored[0]:
            x0, y0, x1, y1 = window.boxes_xyxy[0]
            lit = window.image[round(float(y0)) + 1 : round(float(y1)) - 1, round(float(x0)) + 1 : round(float(x1)) - 1]
            assert lit.min() > 150
            if y0 > 2 and y1 < frames.WINDOW[1] - 2:
                nearer.append((y1 - y0) / (45 * frames.INPUT[1] / 720))
            shown.append(True)
    assert len(shown) > 150
    assert min(nearer) > 0.95
    assert max(nearer) < 1.05 / frames.LEAST_SHARE
    assert 0.3 < np.mean(np.array(nearer) < 1.05) < 0.7


def test_the_same_seed_draws_the_same_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "SIZES", ((320, 180),))
    for a, b in zip(islice(frames.samples(3), 6), islice(frames.samples(3), 6), strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)


def test_crops_show_the_same_people_at_several_times(seeds: list[int]) -> None:
    found = crops.collect([5], people=6, shots=4)
    assert seeds == [5]
    times: dict[int, set[float]] = {}
    for crop in found:
        times.setdefault(crop.identity, set()).add(crop.time_s)
        assert crop.image.ndim == 3
        assert crop.height_px >= 16
    assert max(len(t) for t in times.values()) >= 3


def test_people_and_things_hide_a_crop_now_and_then_and_never_half_of_it() -> None:
    rng = np.random.default_rng(0)
    image, other = np.full((128, 64, 3), 100, np.uint8), np.full((128, 64, 3), (1, 2, 3), np.uint8)
    by_people: list[float] = []
    by_things: list[float] = []
    for _ in range(300):
        made = reid.augment(image, other, rng)
        assert made.shape == image.shape
        pixels, counts = np.unique(made.reshape(-1, 3), axis=0, return_counts=True)
        hidden = 1 - counts.max() / counts.sum()
        (by_people if (pixels == (1, 2, 3)).all(1).any() else by_things).append(hidden)
    assert max(by_people + by_things) < 0.5
    assert 0.1 < len(by_people) / 300 < 0.3
    assert 0.1 < np.mean(np.array(by_things) > 0) < 0.4
    assert (image == 100).all()


def test_the_detector_learns_a_picture_by_heart() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = NanoDetPlus("0.5x", num_classes=1)
    detector.prepare(net)
    image = torch.zeros(2, 96, 128, 3, dtype=torch.uint8) + 90
    image[:, 20:80, 40:64] = torch.tensor([30, 40, 220], dtype=torch.uint8)
    boxes = torch.tensor([[40.0, 20, 64, 80]])
    there = torch.tensor([[True], [True]])
    batch = detector.Batch(image, boxes.expand(2, 1, 4), there, ~there)
    priors, strides = detector.cells(128, 96)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3)
    history = []
    for _ in range(60):
        parts = detector.loss_of(net, batch, priors, strides)
        loss = sum(parts.values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(float(loss.detach()))
        assert set(parts) == {"quality", "box", "distribution"}
    assert history[-1] < 0.45 * history[0]
    with torch.no_grad():
        output = net(detector.normalised(image))[0]
    best = detector.boxes_of(net, output[:, 1:], priors, strides)[output[:, 0].argmax()]
    torch.testing.assert_close(best, boxes[0], atol=8, rtol=0)


def test_who_is_ignored_costs_nothing() -> None:
    torch.manual_seed(0)
    net = NanoDetPlus("0.5x", num_classes=1).eval()
    detector.prepare(net)
    with torch.no_grad():
        for last in net.head.gfl_cls:
            last.bias[0] = 2.0  # sees people everywhere
    image = torch.zeros(1, 96, 128, 3, dtype=torch.uint8)
    priors, strides = detector.cells(128, 96)
    everywhere, yes, no = torch.tensor([[[-1.0, -1, 200, 200]]]), torch.tensor([[True]]), torch.tensor([[False]])
    ignored = detector.loss_of(net, detector.Batch(image, everywhere, no, yes), priors, strides)
    blamed = detector.loss_of(net, detector.Batch(image, everywhere, no, no), priors, strides)
    assert ignored["quality"] == 0
    assert blamed["quality"] > 1


def test_training_goes_on_where_it_was_and_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    found = crops.collect([scene.TRAINING_SEEDS], people=5, shots=6)
    monkeypatch.setattr(reid, "collect", lambda seeds, workers: found)
    monkeypatch.setattr(reid, "IDENTITIES", 2)
    monkeypatch.setattr(progress, "LOG_EVERY", 1)
    monkeypatch.setattr(progress, "DataLoader", lambda batches, **_: batches)
    reid.train(tmp_path, 2, Compute())
    path = reid.train(tmp_path, 4, Compute())
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2, 3]
    assert (tmp_path / "curves.png").stat().st_size > 1000
    kept = torch.load(path, weights_only=True)["state_dict"]
    assert not any("classifier" in key for key in kept)
    description = networks.reid(path).description
    assert description.source.architecture == "OSNet x0.25"
    assert (description.input.width, description.input.height) == reid.INPUT


class Drawn(NamedTuple):
    """A batch of nothing in particular."""

    x: Any


@pytest.mark.parametrize(("check_s", "checked"), [(1, [0, 7, 14, 20]), (30, [0, 20])])
def test_measuring_takes_a_tenth_of_the_time_at_most(
    check_s: float, checked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step takes ten seconds of a clock that only steps and checks advance, 20 of them 200."""
    clock = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(progress, "DataLoader", lambda batches, **_: batches)

    def loss_of(batch: Drawn) -> dict[str, Any]:
        clock[0] += 10
        return {"part": net(batch.x).sum()}

    def check(_: Any) -> dict[str, float]:
        clock[0] += check_s
        return {"ap50": 1.0}

    net, plan = torch.nn.Linear(2, 1), progress.Plan(check=check)
    progress.fit(
        net,
        loss_of,
        lambda _: repeat(Drawn(torch.ones(1, 2))),
        tmp_path,
        20,
        Compute(),
        peak=1e-3,
        weight_decay=0.0,
        plan=plan,
    )
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "ap50" in line] == checked


def test_released_weights_are_halves_and_go_through_the_exporter(tmp_path: Path) -> None:
    net = NanoDetPlus("0.5x", num_classes=1)
    release(net, tmp_path / "detector.pth", class_names=["person"], input_size=list(frames.INPUT))
    assert (tmp_path / "detector.pth").stat().st_size < 1_300_000
    kept = torch.load(tmp_path / "detector.pth", weights_only=True)["state_dict"]
    assert {v.dtype for v in kept.values() if v.is_floating_point()} == {torch.float16}
    net.load_state_dict(kept, strict=True)
    description = networks.detector(tmp_path / "detector.pth").description
    assert description.classes == ("person",)
    assert (description.input.width, description.input.height) == frames.INPUT


def test_learning_rate_warms_up_and_comes_down() -> None:
    rates = [learning_rate(step, 1000, 1.0) for step in range(1000)]
    assert rates[0] < 0.02
    assert max(rates) == pytest.approx(1.0)
    assert rates[99] == pytest.approx(1.0)
    assert rates[99:] == sorted(rates[99:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=0.001)


def test_the_average_follows_the_weights_and_counts() -> None:
    net = OSNet(0.25)
    average = Average(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(3.0)
    net.conv1.bn.num_batches_tracked.fill_(7)
    for step in range(200):
        average.update(net, step)
    torch.testing.assert_close(
        average.net.conv5.conv.weight, torch.full_like(net.conv5.conv.weight, 3), atol=0.05, rtol=0
    )
    assert average.net.conv1.bn.num_batches_tracked == 7


def test_the_log_can_be_read_and_drawn(tmp_path: Path) -> None:
    log = Log(tmp_path / "new")
    for step in range(3):
        log.write(step=step, loss=1 / (step + 1))
    log.draw()
    lines = (tmp_path / "new" / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"step": 1, "loss": 0.5}
    assert (tmp_path / "new" / "curves.png").exists()

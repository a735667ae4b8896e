"""Fine-tuning: published weights become a network of one's own classes, and better on one's own pictures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.video.images import read_image

torch = pytest.importorskip("torch")

from edge.demo.scene import Options  # noqa: E402
from export import networks  # noqa: E402
from export.cli import main  # noqa: E402
from export.train import frames, labelled, start, tune  # noqa: E402
from export.train.nets import NanoDetPlus  # noqa: E402
from tests.field import PATIENCE_S, wait_for  # noqa: E402

WEIGHTS = Path(__file__).parents[3] / "edge" / "demo" / "weights"


def street(folder: Path, count: int, size: tuple[int, int] = (320, 192)) -> Path:
    """A sequence of the built-in scene in MOTChallenge's form, 5 frames a second."""
    stage = Options(people=10, seed=200_001, size=size).stage()
    (folder / "S" / "img1").mkdir(parents=True)
    (folder / "S" / "gt").mkdir()
    rows = []
    for number in range(1, count + 1):
        stage.advance(number / 5)
        image, truth = stage.shoot(1 / 30)
        cv2.imwrite(str(folder / "S" / "img1" / f"{number:06d}.png"), image)
        rows.append(truth.rows(number, image.shape[0]))
    (folder / "S" / "gt" / "gt.txt").write_text("".join(rows))
    (folder / "S" / "seqinfo.ini").write_text(
        f"[Sequence]\nname=S\nimDir=img1\nframeRate=5\nseqLength={count}\nimWidth={size[0]}\nimHeight={size[1]}\n"
        "imExt=.png\n"
    )
    return folder


def test_known_classes_keep_what_they_learned(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = NanoDetPlus("0.5x", num_classes=80)
    torch.save({"state_dict": published.state_dict()}, tmp_path / "coco.pth")
    begun = start.nanodet_plus(tmp_path / "coco.pth", ["car", "forklift"])
    assert (begun.input, begun.known) == ((416, 416), 1)
    for old, new in zip(published.head.gfl_cls, begun.net.head.gfl_cls, strict=True):
        assert torch.equal(new.weight[0], old.weight[2])  # COCO's car
        assert not torch.equal(new.weight[1], old.weight[1])
        assert float(new.bias[1].detach()) == pytest.approx(-4.595)
        assert torch.equal(new.weight[2:], old.weight[80:])
    assert torch.equal(begun.net.fpn.reduce_layers[0].conv.weight, published.fpn.reduce_layers[0].conv.weight)


@pytest.mark.parametrize("network", ["reid", "joint"])
def test_weights_of_another_network_are_refused(
    network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = street(tmp_path / "data", 14)
    words = ["train", network, "--data", str(data), "-o", str(tmp_path / "out"), "--steps", "1"]
    assert main([*words, "--from", str(WEIGHTS / "detector.pth")]) == 65
    assert "detector.pth: " in capsys.readouterr().err


def test_windows_carry_boxes_and_classes_along() -> None:
    image = np.zeros((200, 400, 3), np.uint8)
    image[60:140, 180:220] = 255
    sample = frames.Sample(image, np.array([[180, 60, 220, 140]], np.float32), np.array([False]), np.array([3]))
    view = frames.View((416, 416), (320, 320))
    rng = np.random.default_rng(0)
    for _ in range(20):
        window = frames.augment(sample, rng, view)
        assert window.image.shape == (320, 320, 3)
        if len(window.boxes_xyxy) and not window.ignored[0]:
            assert window.labels is not None
            assert window.labels.tolist() == [3]
            x0, y0, x1, y1 = (round(v) for v in window.boxes_xyxy[0].tolist())
            assert window.image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].min() > 150


@pytest.mark.slow
@pytest.mark.parametrize(("network", "metric"), [("detector", "AP50"), ("reid", "rank-1"), ("joint", "AP50")])
def test_each_network_is_tuned_and_its_weights_make_a_pack(
    network: str, metric: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = street(tmp_path / "data", 30), tmp_path / "out"
    words = ["train", network, "--data", str(data), "--from", str(WEIGHTS / f"{network}.pth"), "-o", str(out)]
    assert main([*words, "--steps", "3", "--threads", "1"]) == 0
    assert f"{network}.pth: {metric} 0." in capsys.readouterr().out.replace(f"{metric} 1.", f"{metric} 0.")
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    checks = [line for line in lines if "loss" not in line]
    assert [line["step"] for line in checks] == [0, 3]
    assert read_image(out / "curves.png").shape[1] == 640
    weights = out / f"{network}.pth"
    found = networks.reid(weights) if network == "reid" else networks.detector(weights)
    assert found.description.input.width > 0


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_learned_and_the_same_command_goes_on(tmp_path: Path) -> None:
    data, out = street(tmp_path / "data", 10), tmp_path / "out"
    words = ["train", "detector", "--data", str(data), "--from", str(WEIGHTS / "detector.pth"), "-o", str(out)]
    command = [sys.executable, "-m", "export.cli", *words, "--threads", "1"]
    process = subprocess.Popen([*command, "--steps", "100000"], stdout=subprocess.PIPE, start_new_session=True)
    log = out / "log.jsonl"
    wait_for(lambda: log.exists() and '"loss"' in log.read_text(), "no loss is logged", 4 * PATIENCE_S)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to the processes that draw as well
    said, _ = process.communicate(timeout=4 * PATIENCE_S)
    assert process.returncode == 130
    assert b"stopped early; the same command resumes from here" in said
    assert networks.detector(out / "detector.pth").description.classes == ("person",)
    step = torch.load(out / "state.pt", weights_only=True)["step"]
    began = time.monotonic()
    done = subprocess.run([*command, "--steps", str(step + 1)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stderr, time.monotonic() - began)
    assert json.loads(log.read_text().splitlines()[-1])["step"] == step + 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "d"], "expected --from WEIGHTS, found none"),
        (["--from", "w.pth"], "--from is for fine-tuning on your own pictures"),
        (["--minutes", "3"], "--minutes is for fine-tuning on your own pictures"),
        (["--data", "d", "--from", "w", "--minutes", "-1"], "--minutes -1.0: expected a number from 0.01"),
        (["--steps", "0"], "--steps 0: expected a number from 1"),
    ],
)
def test_flags_that_do_not_fit(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "detector", "-o", "out", *flags]) == 64
    assert message in capsys.readouterr().err


def test_identities_are_needed_to_learn_appearance(tmp_path: Path) -> None:
    from tests.export.train.test_labelled import yolo

    assert tune.crops_of(labelled.read(yolo(tmp_path, "names: [a, b]"))) == []

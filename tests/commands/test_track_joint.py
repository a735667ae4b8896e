"""`nanotrack track --tracking-method jointtrack` with a joint network, from its export to the annotated video."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli import main
from export.cli import main as export
from tests import joint_net


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint")
    network = joint_net.write(folder / "joint.onnx", tracks=True)
    target = folder / "joint.pack"
    assert export(["pack", "--detector", str(network), "--class-names", "person,car", "-o", str(target)]) == 0
    return target


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of 192 x 108: a block walks a cell a frame to the right, another stands."""
    folder = tmp_path_factory.mktemp("walk")
    for number in range(12):
        image = np.full((108, 192, 3), (0, 0, 200), np.uint8)  # red: to the network neither of its classes
        image[30:38, 24 + 8 * number : 32 + 8 * number] = 255
        image[78:86, 160:168] = 255
        cv2.imwrite(str(folder / f"{number:03}.png"), image)
    return folder


def test_two_blocks_are_followed_from_their_second_sighting_on(pack: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    command = ["track", "--path", str(pictures), "--model", str(pack), "--tracking-method", "jointtrack"]
    assert main([*command, "--conf", "0.4", "--mot", str(out)]) == 0
    rows = np.loadtxt(out, delimiter=",")
    assert set(rows[:, 1]) == {1, 2}
    assert rows[:, 0].tolist() == [frame for frame in range(2, 13) for _ in range(2)]
    walker = rows[rows[:, 1] == rows[rows[:, 2] < 100][0, 1]]
    assert np.diff(walker[:, 2]) == pytest.approx(8)


@pytest.mark.parametrize(("classes", "identities"), [("person,car", 2), ("person+car", 1), ("car+person", 1)])
def test_what_may_be_one_object_keeps_its_identity_when_its_class_changes(
    pack: Path, tmp_path: Path, classes: str, identities: int
) -> None:
    for number in range(16):
        image = np.full((108, 192, 3), (0, 0, 200), np.uint8)
        image[46:54, 96:104] = 255 if number < 8 else (255, 0, 0)  # white is a person to the network, blue a car
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), image)
    out = tmp_path / "out.txt"
    command = ["track", "--path", str(tmp_path), "--model", str(pack), "--classes", classes, "--conf", "0.9"]
    assert main([*command, "--mot", str(out)]) == 0
    rows = np.loadtxt(out, delimiter=",")
    assert set(rows[:, 0]) == set(range(1, 17))
    assert len(set(rows[:, 1])) == identities


def test_the_heat_map_and_the_offsets_are_drawn(pack: Path, pictures: Path, tmp_path: Path) -> None:
    videos = {}
    for views in ("", "heatmap", "offsets"):
        path = tmp_path / f"video-{views}.avi"
        command = ["track", "--path", str(pictures), "--model", str(pack), "--tracking-method", "jointtrack"]
        debug = ["--show-debug", views] if views else []
        assert main([*command, "--conf", "0.4", "--save", str(path), *debug]) == 0
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        videos[views] = np.array([capture.read()[1] for _ in range(12)]).astype(int)
    blue, green, red = (videos["offsets"][8] - videos[""][8]).transpose(2, 0, 1)
    assert ((blue > 60) & (red > 20) & (green < 20)).sum() > 20  # magenta arrows
    heat = np.abs(videos["heatmap"][8] - videos[""][8]).sum(axis=2)
    assert heat[30:34, 88:92].mean() > 60  # where the walker is
    assert heat[60:70, 20:60].mean() < 25


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--show-debug", "heatmap"], "--save"),
        (["--show-debug", "heat", "--save", "o.avi"], "heatmap or offsets"),
        (["--tracking-method", "jointtrack", "--appearance", "emma"], "invalid choice"),
    ],
)
def test_wrong_flags_are_named(
    pack: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["track", "--path", str(pictures), "--model", str(pack), "--tracking-method", "jointtrack"]
    assert main([*command, *flags]) == 64
    assert message in capsys.readouterr().err


def test_other_networks_have_nothing_to_draw(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--tracking-method", "bytetrack"]
    assert main([*command, "--save", str(tmp_path / "o.mp4"), "--show-debug", "offsets"]) == 64
    assert "only a joint network" in capsys.readouterr().err


def test_a_detector_without_offsets_is_refused(
    tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--tracking-method", "jointtrack"]
    assert main(command) == 64
    assert "jointtrack needs a joint network, which gives offsets to the previous frame" in capsys.readouterr().err

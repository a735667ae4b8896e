"""Command lines as published by the methods' authors run here."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.commands.published import translated
from edge.errors import UsageError
from edge.motchallenge import read_tracks
from edge.video.images import read_image
from export.cli import main as export
from tests import joint_net, tiny
from tests.toy import write_sequence


def test_nanotracks_track(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--config", "nanodet.yml", "--model", str(tiny_pack), "--classes", "0"]
    source = ["--demo", "video", "--path", str(tiny_video), "--tracking-method", "nanotrack"]
    assert main(["track.py", *source, *model, "--mot", str(tmp_path / "o.txt")]) == 0
    assert set(read_tracks(tmp_path / "o.txt").frames) == set(range(1, 31))
    said = capsys.readouterr()
    assert "--config nanodet.yml: left out: a pack holds it already" in said.err
    assert "track.py runs as: nanotrack track --demo video" in said.err
    assert "--classes person --mot" in said.err


def test_nanotracks_track_with_an_appearance_network(tmp_path: Path, tiny_video: Path) -> None:
    pack = tiny.write_pack(tmp_path / "reid.pack", reid=True)
    words = ["--demo", "video", "--model", str(pack), "--reid-model", str(pack), "--path", str(tiny_video)]
    assert main(["track.py", *words, "--tracking-method", "nanotrack", "--mot", str(tmp_path / "o.txt")]) == 0
    assert len(read_tracks(tmp_path / "o.txt")) > 30


def test_nanotracks_val(tmp_path: Path, tiny_pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trackeval")
    sequence = write_sequence(tmp_path / "MOT16" / "train" / "MOT16-02", frames=12)
    tiny.write_images(sequence / "pictures", 12)
    (sequence / "img1").mkdir()
    for number in range(1, 13):
        picture = read_image(sequence / "pictures" / f"frame{number}.png")
        cv2.imwrite(str(sequence / "img1" / f"{number:06d}.jpg"), picture)
    words = ["--demo", "image", "--config", "c.yml", "--model", str(tiny_pack), "--benchmark", "MOT16"]
    file = tmp_path / "o.json"
    more = ["--path", str(tmp_path / "MOT16"), "--workers", "1", "--json", str(file)]
    assert main(["val.py", *words, "--tracking-method", "nanotrack", *more]) == 0
    assert json.loads(file.read_text())["frames"] == {"MOT16-02": 12}
    capsys.readouterr()
    assert main(["val.py", *words]) == 64
    assert "expected --data DIR, the folder with the sequences of MOT16" in capsys.readouterr().err


def test_tracking_of_a_video(tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tracking.py", "--video", str(tiny_video), "--model", str(tiny_pack)]) == 0
    assert capsys.readouterr().out.startswith("30 frames: ")
    assert main(["tracking.py", "--video", str(tiny_video)]) == 64
    assert "expected --model PACK or FILE.onnx" in capsys.readouterr().err


def test_the_demo_of_jointtracknet_shows_heat_map_and_offsets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    network = joint_net.write(tmp_path / "joint.onnx", tracks=True)
    assert export(["pack", "--detector", str(network), "--class-names", "person,car", "-o", "joint.pack"]) == 0
    for number in range(8):
        image = np.full((108, 192, 3), (0, 0, 200), np.uint8)
        image[30:38, 24 + 8 * number : 32 + 8 * number] = 255
        (tmp_path / "walk").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "walk" / f"{number:03}.png"), image)
    capsys.readouterr()
    frames = {}
    for debug in ("1", "2"):
        words = ["tracking,embedding", "--load_model", "joint.pack", "--num_class", "1", "--debug", debug]
        assert main(["demo.py", *words, "--demo", "walk"]) == 0
        said = capsys.readouterr().err
        assert "no window can be opened here: the pictures go into demo.mp4" in said
        capture = cv2.VideoCapture("demo.mp4", cv2.CAP_FFMPEG)
        frames[debug] = [capture.read()[1] for _ in range(8)]
        capture.release()
    assert "--tracking-method jointtrack" in said
    assert "--show-debug heatmap,offsets" in said
    assert np.abs(frames["2"][7].astype(int) - frames["1"][7]).max() > 40  # the heat of the white block


def test_the_webcam_and_what_is_not_published() -> None:
    words = translated(["demo.py", "tracking,embedding", "--load_model=M", "--num_class", "1", "--demo", "webcam"])
    assert words == ["track", "--model", "M", "--demo", "webcam", "--tracking-method", "jointtrack"]
    assert translated(["track", "--path", "a.py"]) == ["track", "--path", "a.py"]
    assert translated(["nosuch.py"]) == ["nosuch.py"]
    with pytest.raises(UsageError, match="--debug x: expected a number from 0 to 4"):
        translated(["demo.py", "tracking", "--debug", "x"])

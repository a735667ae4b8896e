"""Families from outside, packs of every family, and the whole chain with foreign detectors."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import edge.cli
import export.cli
from edge import modelpack
from edge.chain.pipeline import Pipeline
from edge.detect.adopt import Overrides
from edge.detect.families import registry
from edge.detect.open import open_detector
from edge.detect.pictures import built_in
from edge.errors import DataError, UsageError
from tests import tiny
from tests.detect.families import networks, own_family


@pytest.fixture(autouse=True)
def known() -> object:
    """Only the built-in families, before and after each test."""
    before = dict(registry._families)
    yield
    registry._families.clear()
    registry._families.update(before)
    return None


def test_a_family_from_outside_reads_packs_and_runs(tmp_path: Path) -> None:
    network, pack = networks.yolov8(tmp_path / "a.onnx"), tmp_path / "a.pack"
    assert export.cli.main(["pack", "--detector", str(network), "--family", own_family.NAME, "-o", str(pack)]) == 0
    said = modelpack.read(pack).detector
    assert (said.head.type, said.input.colour) == (own_family.NAME, "bgr")
    found = open_detector(pack, floor=0.0)(built_in(64, 64, 1))
    assert len(found) > 0


def test_a_pack_of_an_unknown_family_runs_no_code_and_says_what_to_do(tmp_path: Path) -> None:
    network, pack = networks.yolov8(tmp_path / "a.onnx"), tmp_path / "a.pack"
    assert export.cli.main(["pack", "--detector", str(network), "--family", own_family.NAME, "-o", str(pack)]) == 0
    del registry._families[own_family.NAME]  # another process
    with pytest.raises(DataError, match=r"its family 'tests\.detect.*' is not one of .*; give --family module:FAMILY"):
        open_detector(pack)
    assert len(open_detector(pack, floor=0.0, overrides=Overrides(own_family.NAME))(built_in(64, 64, 1))) > 0


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("yolov99", "expected nanodet-plus, .*, or module:ATTRIBUTE"),
        ("no.such.module:FAMILY", "cannot import 'no.such.module'.*PYTHONPATH"),
        ("tests.detect.families.own_family:MISSING", "has no 'MISSING'"),
        ("tests.detect.families.own_family:NOT_ONE", "expected an edge.detect.families.family.Family, found str"),
        (":FAMILY", "cannot import ''"),
    ],
)
def test_a_family_that_is_not_there_is_a_usage_error(name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=f"^--family {name}: .*{complaint}"):
        registry.find(name)


FLAGS = {
    "yolox": ["--family", "yolox"],
    "yolox_imagenet": ["--family", "yolox-imagenet", "--input-size", "64x64"],
    "yolov5": [],
    "yolov8": [],
    "dfine": [],
    "rfdetr": [],
    "rtmdet": ["--family", "rtmdet", "--class-names", "person,car,dog"],
    "ssd": ["--class-names", "person,car,dog", "--resize", "letterbox", "--pad", "114"],
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_pack_of_each_family_verifies_and_detects_what_the_file_does(name: str, tmp_path: Path) -> None:
    write = getattr(networks, name.removesuffix("_imagenet"))
    network, pack = write(tmp_path / "a.onnx"), tmp_path / "a.pack"
    flags = [flag for flag in FLAGS[name] if flag not in ("--input-size", "64x64")]
    assert export.cli.main(["pack", "--detector", str(network), *flags, "-o", str(pack)]) == 0
    assert export.cli.main(["verify", str(pack)]) == 0
    names = modelpack.read(pack).detector.classes
    packed = open_detector(pack, classes=names, floor=0.05, backend="onnxruntime")(built_in(90, 70, 3))
    said = {flag[2:].replace("-", "_"): value for flag, value in zip(flags[::2], flags[1::2], strict=True)}
    if "class_names" in said:
        said["class_names"] = tuple(said["class_names"].split(","))  # type: ignore[assignment]
    if "pad" in said:
        said["pad"] = int(said["pad"])  # type: ignore[assignment]
    bare = open_detector(network, classes=names, floor=0.05, overrides=Overrides(**said))(built_in(90, 70, 3))  # type: ignore[arg-type]
    assert len(packed) > 0
    assert packed.boxes_xyxy == pytest.approx(bare.boxes_xyxy, abs=1e-3)


@pytest.mark.parametrize(("write", "flags"), [(networks.yolox, ["--family", "yolox"]), (networks.yolov8, [])])
def test_a_foreign_detector_tracks_a_video_with_bytetrack(
    write: Callable[[Path], Path], flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, mot = tiny.write_video(tmp_path / "a.mp4", frames=12), tmp_path / "a.txt"
    network = write(tmp_path / "a.onnx")
    pack = tmp_path / "a.pack"
    assert export.cli.main(["pack", "--detector", str(network), *flags, "-o", str(pack)]) == 0
    common = ["track", "--path", str(video), "--tracking-method", "bytetrack", "--mot", str(mot), "--conf", "0.05"]
    lines = []
    for model, more in ((network, flags), (pack, [])):
        assert edge.cli.main([*common, "--model", str(model), *more]) == 0
        lines.append(mot.read_text())
    assert "12 frames" in capsys.readouterr().out
    assert lines[0] == lines[1]


def test_a_bare_file_that_is_not_understood_ends_with_65_and_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, network = tiny.write_video(tmp_path / "a.mp4", frames=3), networks.yolox(tmp_path / "a.onnx")
    run = ["track", "--path", str(video), "--model", str(network), "--mot", str(tmp_path / "a.txt")]
    assert edge.cli.main(run) == 65
    assert "--family yolox (" in capsys.readouterr().err
    assert edge.cli.main([*run, "--family", "yolox", "--scale", "0"]) == 64


def test_what_a_pack_says_of_itself_is_not_changed_by_flags(tiny_pack: Path) -> None:
    with pytest.raises(UsageError, match="a pack keeps its family and preparation"):
        Pipeline(tiny_pack, overrides=Overrides(colour="rgb"))
    assert Pipeline(tiny_pack, overrides=Overrides("nanodet-plus")).classes == ("person",)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("head", "strides", [-8, 16, 32, 64]),
        ("head", "strides", [0, 16, 32, 64]),
        ("head", "reg_max", -1001),
        ("head", "reg_max", 10**9),
        ("head", "cell_offset", float("nan")),
        ("head", "outputs", []),
        ("input", "width", 10**6),
        ("input", "std", [1.0, float("nan"), 1.0]),
        ("input", "mean", [float("inf"), 0.0, 0.0]),
        ("input", "pad", -1),
        ("input", "pad", 300),
        (None, "nms_iou", float("nan")),
        (None, "score_floor", -0.1),
        (None, "classes", []),
        (None, "constants", {"size": [float("nan")]}),
    ],
)
def test_numbers_of_a_pack_are_checked_before_anything_is_made_of_them(
    tmp_path: Path, part: str | None, key: str, value: object
) -> None:
    folder = tiny.write_pack(tmp_path / "a.pack")
    manifest = json.loads((folder / "pack.json").read_text())
    (manifest["detector"][part] if part else manifest["detector"])[key] = value
    (folder / "pack.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"pack\.json: detector.*expected|pack\.json: detector.*must be"):
        modelpack.read(folder)

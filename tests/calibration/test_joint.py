"""A joint network in integers: calibrated on pairs as the runtime feeds them, judged at its peaks, run by the board."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

import edge.demo
from calibration import frames, joint_inputs, lint
from calibration.gate import Limits
from calibration.joint_gate import JointAgreement, JointJudge
from calibration.network import Network
from calibration.placement import for_cpu
from calibration.runtime import Feed, Runner
from edge import modelpack
from edge.chain.pipeline import Pipeline
from edge.demo.scene import Options, Scene
from edge.detect.families.joint import BEFORE, IMAGE
from edge.infer import golden
from edge.infer.agreement import relative_error
from export import cli, networks
from export.graph import Graph
from tests import joint_net

WEIGHTS = Path(edge.demo.__file__).with_name("weights") / "joint.pth"
FORMS = ("int8", "qdq", "fp16", "qdq_fp16")
SIZE = (320, 192)


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a street, each with three pictures a thirtieth of a second apart."""
    folder = tmp_path_factory.mktemp("streets")
    for seed in range(12):
        (folder / f"{seed:02}").mkdir()
        for frame, _ in Scene(Options(people=20, seed=100_000 + seed, frames=3, size=SIZE)):
            cv2.imwrite(str(folder / f"{seed:02}/{frame.number}.png"), frame.image)
    return folder


def _export(streets: Path, target: Path, *flags: str) -> int:
    size = "x".join(map(str, SIZE))
    command = ["pack", "--detector", str(WEIGHTS), "--input-size", size, "--calibrate", str(streets), "-o", str(target)]
    return cli.main([*command, *flags])


@pytest.fixture(scope="module")
def exported(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in joint network, small, with every variant."""
    target = tmp_path_factory.mktemp("packs") / "joint.pack"
    assert _export(streets, target) == 0
    return target


def test_every_form_passes_the_gate_and_is_legal(exported: Path) -> None:
    pack = modelpack.read(exported)
    assert set(pack.detector.variants) == {"fp32", *FORMS}
    accuracy = json.loads((exported / "accuracy.json").read_text())
    for form in FORMS:
        verdict = accuracy["detector"][form]
        assert verdict["truths"] > 30
        assert verdict["ap50"] >= accuracy["limits"]["ap50"]
        assert verdict["moved"] <= accuracy["limits"]["moved"]
        assert 0 < verdict["way_back"] <= accuracy["limits"]["way_back"]
        assert verdict["cosine_mean"] > 0.999
        assert verdict["passed"]
    assert accuracy["detector"]["fp16"]["way_back"] < accuracy["detector"]["int8"]["way_back"]
    for form in ("qdq", "qdq_fp16"):
        assert lint.problems(onnx.load(exported / f"detector.{form}.onnx")) == []


def test_most_of_it_is_integer_but_the_first_layer_and_the_heat(exported: Path) -> None:
    nodes = {node.output[0]: node for node in onnx.load(exported / "detector.int8.onnx").graph.node}
    integer = {
        name for name, node in nodes.items() if node.op_type in ("Conv", "Gemm") and node.input[1].endswith(".dq")
    }
    layers = {name for name, node in nodes.items() if node.op_type in ("Conv", "Gemm")}
    assert {"stem.conv", "hm.1"} <= layers - integer
    assert {"stage4.conv", "stage8.1.conv1.conv", "merge8.conv"} <= integer
    assert len(integer) > len(layers) / 2


def test_the_pack_is_verified_and_its_goldens_tell_a_right_network_from_a_dead_one(exported: Path) -> None:
    assert cli.main(["verify", str(exported)]) == 0
    pack = modelpack.read(exported)
    expected = golden.read(pack, "detector")
    assert expected is not None
    reference = expected.outputs["fp32"]
    for form in ("int8", "qdq"):
        assert relative_error(expected.outputs[form], reference) < golden.limit(expected, form) < 0.8
    dead = {name: np.zeros_like(array) for name, array in reference.items()}
    assert relative_error(dead, reference) >= 0.99


def test_the_board_tracks_with_it(exported: Path) -> None:
    shown = {}
    for variant in ("fp32", "int8"):
        pipeline = Pipeline(exported, method="jointtrack", frame_rate=30, variant=variant, backend="onnxruntime")
        assert pipeline.detector.backend.running.rung == f"onnxruntime-{variant}"
        shown[variant] = [len(pipeline(frame)) for frame, _ in Scene(Options(people=12, seed=7, frames=12, size=SIZE))]
    assert sum(shown["fp32"]) > 10
    assert abs(sum(shown["int8"]) - sum(shown["fp32"])) <= 0.1 * sum(shown["fp32"])


def test_the_same_input_gives_the_same_bytes(exported: Path, streets: Path, tmp_path: Path) -> None:
    assert _export(streets, tmp_path / "joint.pack", "--boards", "cpu") == 0
    name = "detector.int8.onnx"
    assert (tmp_path / "joint.pack" / name).read_bytes() == (exported / name).read_bytes()


def test_the_report_has_every_figure_and_shows_people(exported: Path) -> None:
    page = exported.with_name("joint.report.html").read_text()
    for title in ("AP .5", "offset", "moved", "cosine 1st pct."):
        assert f"<th class=number>{title}</th>" in page
    assert page.count("data:image/jpeg;base64,") == 12


def test_a_network_that_reads_where_tracks_were_gets_them(tmp_path: Path, streets: Path) -> None:
    network = networks.detector(joint_net.write(tmp_path / "joint.onnx", tracks=True), names=["person", "car"])
    chosen = frames.find(16, str(streets), in_pairs=True)
    found = joint_inputs.collect(chosen.pairs(), network.description, network.content)
    assert all(set(feed) == {IMAGE, BEFORE, "pre_hm"} for feed in found.feeds)
    assert max(feed["pre_hm"].max() for feed in found.feeds) == 1
    assert all(np.all((centres >= 0) & (centres <= 1)) for centres in found.objects)


def test_the_runtime_and_calibration_feed_alike(streets: Path) -> None:
    network = networks.detector(WEIGHTS, SIZE)
    chosen = frames.find(16, str(streets), in_pairs=True)
    assert len(chosen.chosen) == 16
    found = joint_inputs.collect(chosen.pairs(), network.description, network.content)
    for feed, (picture, before) in zip(found.feeds, chosen.pairs(), strict=True):
        assert before is not None
        np.testing.assert_array_equal(feed[IMAGE][0], picture)
        np.testing.assert_array_equal(feed[BEFORE][0], before)


class Fixed(Runner):
    """Puts out the same for every input."""

    def __init__(self, **outputs: np.ndarray) -> None:
        self.outputs = outputs

    def each(self, feeds: Iterable[Feed]) -> Iterator[dict[str, np.ndarray]]:
        return (self.outputs for _ in feeds)


def _outputs(
    cells: list[tuple[int, int]], scores: list[float], offsets: tuple[int, int] = (0, 0), cosine: float = 1.0
) -> dict[str, np.ndarray]:
    heat = np.zeros((1, 20, 20), np.float32)
    for (x, y), score in zip(cells, scores, strict=True):
        heat[0, y, x] = score
    count = len(cells)
    rows = {"edges": [-2, -4, 2, 4], "offsets": offsets, "embeddings": [cosine, 1]}
    return {
        "scores": np.array([scores], np.float32),
        "classes": np.zeros((1, count), np.float32),
        "peaks": np.array([cells], np.float32),
        **{name: np.tile(np.array(row, np.float32), (1, count, 1)) for name, row in rows.items()},
        "heatmap": heat,
    }


CELLS, SCORES = [(4, 6), (14, 10)], [0.9, 0.6]


@pytest.mark.parametrize(
    ("other", "error", "figures"),
    [
        (_outputs(CELLS, SCORES), 0, {"ap50": 1, "way_back": 0, "moved": 0, "cosine_mean": 1}),
        # The order of the rows means nothing.
        (_outputs(CELLS[::-1], SCORES[::-1]), 0, {"ap50": 1, "way_back": 0, "moved": 0, "cosine_mean": 1}),
        # Boxes of 4 by 8 cells: a way of half their size, the root of 32.
        (_outputs(CELLS, SCORES, offsets=(np.sqrt(8), 0)), 0.5, {"ap50": 1, "way_back": 0.5, "cosine_mean": 1}),
        (_outputs(CELLS, SCORES, cosine=-1.0), 1, {"ap50": 1, "moved": 0, "cosine_mean": 0, "cosine_p1": 0}),
        # One peak a cell to the side: only its heat, .6 of 1.5 in all, is missing; its embedding is not compared.
        (_outputs([(4, 6), (15, 10)], SCORES), 0.6 * 0.6 / 1.5, {"ap50": 1, "moved": 0.5, "cosine_mean": 1}),
        # One is gone.
        (_outputs([(4, 6), (1, 18)], [0.9, 0.1]), 0.6 * 0.6 / 1.5, {"ap50": 51 / 101, "moved": 0}),
    ],
)
def test_what_the_judge_sees_by_hand(
    tmp_path: Path, other: dict[str, np.ndarray], error: float, figures: dict[str, float]
) -> None:
    network = networks.detector(joint_net.write(tmp_path / "joint.onnx"))
    judge = JointJudge(network.description, Fixed(**_outputs(CELLS, SCORES)), [np.zeros(1)])
    assert judge.error(Fixed(**other)) == pytest.approx(error, abs=1e-5)
    verdict = judge.verdict(Fixed(**other), 1)
    assert verdict.truths == 2
    for name, value in figures.items():
        assert getattr(verdict, name) == pytest.approx(value, abs=1e-4), name


@pytest.mark.parametrize(
    ("name", "value"),
    [("ap50", 0.96), ("way_back", 0.03), ("moved", 0.2), ("cosine_mean", 0.98), ("cosine_p1", 0.9)],
)
def test_each_figure_can_fail_the_gate(name: str, value: float) -> None:
    right = {"ap50": 0.99, "ap": 0.95, "score_bias": 0.0, "way_back": 0.01, "moved": 0.02}
    right |= {"cosine_mean": 0.999, "cosine_p1": 0.99}
    assert JointAgreement(**right, truths=1, copies=1).passes(Limits())
    assert not JointAgreement(**{**right, name: value}, truths=1, copies=1).passes(Limits())
    assert JointAgreement(**{**right, name: value}, truths=1, copies=1).passes(Limits(0.5, 0.5, 0.5, 0.5, 1, 1, 1))


def test_the_heat_stays_float_though_peaks_lead_to_further_layers() -> None:
    """Places of peaks are no values: what only they connect to a later layer is a result."""
    network = Network.parse(networks.detector(WEIGHTS, SIZE).content)
    placed = for_cpu(network)
    assert "hm.1" not in placed.integer
    assert "peaks/geometry" in placed.integer

    def maker(tensor: str) -> str:
        node = network.maker(tensor)
        return "" if node is None else str(node.op_type)

    gathers = [name for name in placed.integer if maker(name) == "Gather"]
    assert len(gathers) == 2  # patches are gathered as integers, a quarter of the bytes


def _centre_net(path: Path) -> Path:
    """A foreign joint network in CenterTrack's form, random: planes in, dense heads of 3x3 and 1x1 out."""
    random = np.random.default_rng(0)
    graph = Graph()

    def conv(x: str, name: str, outputs: int, inputs: int, kernel: int = 3, stride: int = 1, loud: float = 1.4) -> str:
        weight = random.normal(0, loud / np.sqrt(inputs * kernel**2), (outputs, inputs, kernel, kernel))
        named = [graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.bias", np.zeros(outputs))]
        shape = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4, "strides": [stride] * 2}
        return graph.add("Conv", [x, *named], name, **shape)

    def relu(x: str) -> str:
        return graph.add("Relu", [x], f"{x}.active")

    width, height = SIZE
    names = ["image", "pre_img"]
    both = [conv(graph.input(name, [1, 3, height, width]), f"{name}.0", 16, 3, stride=2) for name in names]
    x = relu(conv(relu(graph.add("Add", both, "both")), "base.1", 32, 16, stride=2))
    x = relu(conv(x, "base.2", 32, 32))
    for name, channels in {"hm": 1, "tracking": 2, "embedding": 16, "ltrb_amodal": 4}.items():
        dense = conv(relu(conv(x, f"{name}.0", 32, 32)), f"{name}.2", channels, 32, 1, loud=3)
        if name == "ltrb_amodal":  # boxes of 8 by 12 cells, more or less
            dense = graph.add("Add", [dense, graph.constant("size", np.reshape([-4, -6, 4, 6], (1, 4, 1, 1)))], "sized")
        graph.add("Identity", [dense], name)
        graph.output(name, [1, channels, height // 4, width // 4])
    onnx.save(graph.model("centre"), path)
    return path


def test_a_foreign_joint_network_calibrates_too(tmp_path: Path, streets: Path) -> None:
    model, target = _centre_net(tmp_path / "centre.onnx"), tmp_path / "centre.pack"
    # What it sees means nothing, so nothing is made of how much of that stays.
    limits = "ap50=0.5,ap=0.3,score_bias=0.1,way_back=1,moved=1,cosine_mean=0.5,cosine_p1=0"
    flags = ["--class-names", "person", "--calibrate", str(streets), "--limits", limits, "-o", str(target)]
    assert cli.main(["pack", "--detector", str(model), *flags]) == 0
    accuracy = json.loads((target / "accuracy.json").read_text())["detector"]
    assert set(accuracy) == set(FORMS)
    for form in FORMS:
        assert accuracy[form]["truths"] > 100
        assert accuracy[form]["cosine_mean"] > 0.99
    assert accuracy["fp16"]["ap50"] > 0.95
    nodes = {node.output[0]: node for node in onnx.load(target / "detector.int8.onnx").graph.node}
    for name, node in nodes.items():
        if node.op_type == "Conv":  # colours and results stay in float, and what pays; the rest is integer
            assert not (node.input[1].endswith(".dq") and name in ("image.0", "pre_img.0", "hm.2", "embedding.2"))
    assert nodes["base.2"].input[1].endswith(".dq")
    assert cli.main(["verify", str(target)]) == 0

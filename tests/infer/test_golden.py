"""The self-test tells a right network from a dead one, with limits that come from the pack."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import DataError
from edge.infer import golden
from edge.infer.agreement import relative_error
from edge.infer.backend import Port, Running
from edge.infer.golden import EXACT, Golden, check, limit, parity
from edge.infer.reasons import Reason, RungError
from edge.modelpack import ModelPack
from tests.infer.packs import write_pack


class Fixed:
    """A backend that puts out `answer` whatever it is fed."""

    def __init__(self, answer: np.ndarray, rows: int = 2) -> None:
        self.input_ports: tuple[Port, ...] = (Port("x", (rows, 3), "uint8"),)
        self.output_ports: tuple[Port, ...] = (Port("y", (rows, 4), "float32"),)
        self.inputs: Mapping[str, np.ndarray] = {"x": np.zeros((rows, 3), np.uint8)}
        self.outputs: Mapping[str, np.ndarray] = {"y": np.zeros((rows, *answer.shape[1:]), answer.dtype)}
        self._answer = answer

    running = Running("fixed", "fp32", "test", "1")
    stages_ms: Mapping[str, float] = {}

    def run(self, batch: int | None = None) -> None:
        rows = np.arange(len(self.outputs["y"])) % len(self._answer)
        self.outputs["y"][...] = self._answer[rows]

    def close(self) -> None:
        pass


RIGHT = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
# The pack's own INT8 is 10 % off.
GOLDEN = Golden(
    np.zeros((2, 3), np.uint8), {"fp32": {"y": RIGHT}, "int8": {"y": RIGHT * 1.1}, "qdq": {"y": RIGHT * 1.05}}
)


def test_errors_are_relative_to_the_whole_output_and_the_worst_counts() -> None:
    a, b = np.full(4, 2.0, np.float32), np.full(9, 1.0, np.float32)
    assert relative_error({"a": a, "b": b}, {"a": a, "b": b}) == 0
    assert relative_error({"a": a * 1.5, "b": b * 1.1}, {"a": a, "b": b}) == pytest.approx(0.5)
    assert relative_error({"a": a * np.nan, "b": b}, {"a": a, "b": b}) == np.inf
    assert relative_error({"a": a, "b": b * np.nan}, {"a": a, "b": b}) == np.inf


def test_the_limit_of_int8_is_twice_what_the_workstation_saw() -> None:
    assert limit(GOLDEN, "fp32") == EXACT["fp32"]
    assert limit(GOLDEN, "fp16") == EXACT["fp16"]
    assert limit(GOLDEN, "int8") == pytest.approx(0.2 + EXACT["fp16"])
    assert limit(GOLDEN, "qdq_fp16") == limit(GOLDEN, "qdq") == pytest.approx(0.1 + EXACT["fp16"])
    with pytest.raises(RungError, match="no output of variant int8_arm"):
        limit(GOLDEN, "int8_arm")


@pytest.mark.parametrize(
    ("factor", "variant", "passes"),
    [
        (1.0, "fp32", True),
        (1.0005, "fp32", True),
        (1.01, "fp32", False),
        (1.01, "fp16", True),
        (1.15, "int8", True),
        (1.5, "int8", False),
        (0.0, "int8", False),  # sees nothing
        (np.nan, "int8", False),
    ],
)
def test_a_network_passes_within_its_limit(factor: float, variant: str, passes: bool) -> None:
    backend = Fixed(RIGHT * np.float32(factor))
    if passes:
        assert check(backend, GOLDEN, variant).passed
    else:
        with pytest.raises(RungError) as caught:
            check(backend, GOLDEN, variant)
        assert caught.value.reason is Reason.GOLDEN_MISMATCH


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_golden_rows_are_cut_or_repeated_to_fill_a_batch(rows: int) -> None:
    backend = Fixed(RIGHT, rows=8)
    assert parity(backend, GOLDEN, "fp32", rows).error == 0
    assert backend.inputs["x"].shape == (8, 3)


def test_other_shapes_and_types_are_named() -> None:
    with pytest.raises(RungError, match=r"output y: float32 \[2, 5\], golden float32 \[2, 4\]"):
        check(Fixed(np.zeros((2, 5), np.float32)), GOLDEN, "fp32")
    with pytest.raises(RungError, match=r"output y: float16"):
        check(Fixed(RIGHT.astype(np.float16)), GOLDEN, "fp16")


def test_a_pack_tells_its_golden_arrays_by_network_and_variant(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "tiny.pack")
    detector, reid = golden.read(pack, "detector"), golden.read(pack, "reid")
    assert detector is not None
    assert reid is not None
    assert detector.input.shape == (1, 16, 16, 3)
    assert reid.input.shape == (2, 16, 16, 3)
    assert set(detector.outputs["fp32"]) == {"class_logits", "distances"}
    assert set(detector.outputs) == {"fp32", "int8", "qdq", "fp16", "qdq_fp16"}


def test_a_pack_without_golden_file_has_none(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "tiny.pack")
    bare = ModelPack(pack.folder, pack.manifest.__class__(**{**vars(pack.manifest), "golden": None}))
    assert golden.read(bare, "detector") is None


def test_a_golden_file_that_is_none_is_a_data_error(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "tiny.pack")
    (pack.folder / "golden.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="export the pack again"):
        golden.read(pack, "detector")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("detector.input", np.zeros((0, 16, 16, 3), np.uint8)),
        ("detector.input", np.zeros(5, np.uint8)),
        ("detector.input", np.zeros((3, 16, 16, 3), np.uint8)),  # more rows than outputs
        ("detector.int8.distances", np.zeros((1, 2, 3), np.float32)),
        ("detector.int8.distances", np.zeros((1, 2, 3), np.int64)),
        ("detector.int8.other", np.zeros((1, 2), np.float32)),
    ],
)
def test_golden_arrays_that_do_not_fit_each_other_are_a_data_error(
    tmp_path: Path, name: str, array: npt.NDArray[Any]
) -> None:
    pack = write_pack(tmp_path / "tiny.pack")
    path = pack.folder / "golden.npz"
    with np.load(path) as file:
        arrays = dict(file)
    np.savez_compressed(path, **{**arrays, name: array})
    with pytest.raises(DataError, match=r"golden\.npz: detector\..*again"):
        golden.read(pack, "detector")

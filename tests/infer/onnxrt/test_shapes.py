"""Sizes that a file leaves open are those that the user says, or those that a run shows; none is guessed."""

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from edge.infer.backend import Port
from edge.infer.onnxrt import shapes
from edge.infer.onnxrt.session import OnnxRuntime
from tests.detect.families import networks
from tests.export import foreign

FILE = Path("a.onnx")


def port(*shape: int | None, dtype: str = "float32") -> Port:
    return Port("x", shape, dtype)


@pytest.mark.parametrize(
    ("shape", "batch", "size", "expected"),
    [
        ((1, 3, 48, 64), 1, None, (1, 3, 48, 64)),
        ((1, 3, 48, 64), 1, (64, 48), (1, 3, 48, 64)),  # the same said
        ((None, 3, 48, 64), 4, None, (4, 3, 48, 64)),
        ((None, 3, None, None), 2, (64, 48), (2, 3, 48, 64)),
        ((1, 3, None, 64), 1, (64, 48), (1, 3, 48, 64)),  # one side open
        ((1, None, None, 3), 1, (64, 48), (1, 48, 64, 3)),  # colours last
        ((3, None, None), 1, (64, 48), (3, 48, 64)),  # no batch
        ((1, 2), 1, (64, 48), (1, 2)),  # no picture: a size belongs to another input
        ((None, 2), 5, None, (5, 2)),
    ],
)
def test_an_input_has_the_size_that_is_said(
    shape: tuple[int | None, ...], batch: int, size: tuple[int, int] | None, expected: tuple[int, ...]
) -> None:
    assert shapes.of_input(FILE, port(*shape), batch, size) == expected


@pytest.mark.parametrize(
    ("shape", "size", "complaint"),
    [
        ((1, 3, None, None), None, r"leaves the size of x float32\[1,3,\?,\?\] open; say it: --input-size"),
        ((1, 3, 48, 64), (48, 64), r"has a size of its own, which is not --input-size 48x64"),
        ((1, None, 48, 64), None, r"expected fixed sizes \(the batch apart\), found x float32\[1,\?,48,64\]"),
        ((1, None), None, "expected fixed sizes"),
    ],
)
def test_sizes_that_nobody_said_are_refused(
    shape: tuple[int | None, ...], size: tuple[int, int] | None, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        shapes.of_input(FILE, port(*shape), 1, size)


def test_the_first_dimension_of_an_output_is_the_batch_of_a_network_with_one() -> None:
    assert shapes.of_output(port(None, 7), 4, True) == (4, 7)
    assert shapes.of_output(port(None, 7), 4, False) == (None, 7)
    assert shapes.of_output(port(1, None), 4, True) == (1, None)


@pytest.mark.parametrize(
    ("shape", "seen", "expected"),
    [
        ((1, None, 5), (1, 9, 5), (1, 1000, 5)),
        ((None, 4), (0, 4), (1000, 4)),
        ((None,), (2000,), (2000,)),  # more than is usual
        ((None, None, 4), (1, 9, 4), (1, 1000, 4)),  # the batch is open too
        ((None, None), (1, 9), (1, 1000)),
        ((None, None), (1, 1), (1, 1000)),
    ],
)
def test_there_is_room_for_more_rows_than_were_seen(
    shape: tuple[int | None, ...], seen: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert shapes.roomy(shape, seen) == expected


@pytest.mark.parametrize("rows", [0, 3, 8, 12])
def test_rows_beyond_those_found_are_below_any_score(rows: int) -> None:
    found, buffer = np.ones((1, rows, 6), np.float32), np.full((1, 8, 6), 7, np.float32)
    shapes.copy_rows(found, buffer)
    assert (buffer[0, : min(rows, 8)] == 1).all()
    assert (buffer[0, rows:] == -1).all()


def test_rows_vary_behind_a_suppression_and_not_behind_a_size_that_is_merely_open(tmp_path: Path) -> None:
    for write, ports, varying in (
        (networks.rtmdet, [Port("dets", (1, None, 5), "float32")], {"dets"}),
        (lambda path: networks.yolov8(path, open_size=True), [Port("output0", (1, 84, None), "float32")], set()),
    ):
        assert shapes.rows_vary(write(tmp_path / "a.onnx"), ports) == varying


@pytest.mark.parametrize("order", [(0, 1, 3), (3, 1, 0), (2, 2, 0, 3)])
def test_runs_that_find_more_or_fewer_rows_than_the_one_before(order: tuple[int, ...], tmp_path: Path) -> None:
    """The graph has a row for each channel that is not black."""
    network = OnnxRuntime(foreign.save(tmp_path / "a.onnx", foreign.with_nms()), threads=1)
    picture, rows = network.inputs["images"], network.outputs["output"]
    assert rows.shape == (1, 1000, 6)
    for channels in order:
        picture.fill(0)
        picture[0, :channels] = 1
        network.run()
        np.testing.assert_array_equal(rows[0, :channels, 0], np.arange(channels))
        assert (rows[0, channels:] == -1).all()


def test_a_network_whose_batch_is_open_at_both_ends_runs(tmp_path: Path) -> None:
    network = OnnxRuntime(networks.yolov8(tmp_path / "a.onnx", batch="n"), threads=1, max_batch=2)
    assert network.outputs["output0"].shape == (2, 84, 84)
    network.inputs["images"][1] = 0.5
    network.run(1)
    first = network.outputs["output0"][0].copy()
    network.run(2)
    np.testing.assert_allclose(network.outputs["output0"][0], first, rtol=1e-6)
    assert not np.array_equal(network.outputs["output0"][0], network.outputs["output0"][1])

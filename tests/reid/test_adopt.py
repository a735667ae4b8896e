"""Foreign appearance networks are understood by the shapes of their inputs and outputs, or refused."""

import pytest

from edge.errors import DataError
from edge.infer.backend import Port
from edge.reid import adopt

CROPS = Port("input", (None, 3, 256, 128), "float32")
VECTORS = Port("output", (None, 512), "float32")


def test_a_reid_network() -> None:
    found = adopt.reid("r.onnx", "5e", [CROPS], [VECTORS])
    assert (found.input.width, found.input.height, found.input.colour) == (128, 256, "rgb")
    assert (found.input.layout, found.output, found.embedding) == ("nchw-float32", "output", 512)
    assert found.input.mean == pytest.approx([0.485 * 255, 0.456 * 255, 0.406 * 255])
    assert found.input.std == pytest.approx([0.229 * 255, 0.224 * 255, 0.225 * 255])


@pytest.mark.parametrize("batch", [None, 1, 8])
def test_a_batch_may_be_fixed_and_numbers_may_be_halves(batch: int | None) -> None:
    ports = Port("input", (batch, 3, 256, 128), "float16"), Port("output", (batch, 512), "float16")
    found = adopt.reid("r.onnx", "", [ports[0]], [ports[1]])
    assert (found.input.layout, found.embedding) == ("nchw-float16", 512)


def test_our_own_reid_graph_wants_bgr_pixels() -> None:
    found = adopt.reid("r.onnx", "", [Port("crops", (None, 256, 128, 3), "uint8")], [VECTORS])
    assert (found.input.layout, found.input.colour) == ("nhwc-uint8", "bgr")
    assert found.input.mean == pytest.approx([0.406 * 255, 0.456 * 255, 0.485 * 255])


@pytest.mark.parametrize(
    ("inputs", "outputs", "remedy"),
    [
        ([Port("input", (4, 3, 256, 128), "float32")], [VECTORS], "one embedding for each crop"),
        ([CROPS], [VECTORS, VECTORS], "only output"),
        ([CROPS], [Port("output", (None, 512, 1, 1), "float32")], "only output"),
        ([Port("input", (None, 3, None, None), "float32")], [VECTORS], "fixed picture size"),
        ([CROPS], [Port("output", (None, None), "float32")], "fixed picture size"),
    ],
)
def test_anything_else_is_no_reid_network_and_the_message_says_what_to_do(
    inputs: list[Port], outputs: list[Port], remedy: str
) -> None:
    with pytest.raises(DataError, match=rf"^r\.onnx: not a ReID network that is understood: .*{remedy}"):
        adopt.reid("r.onnx", "", inputs, outputs)

"""The integer file for ncnn: what ncnn reads of a convolution, in its order."""

from pathlib import Path

import numpy as np

from benchmarks.speed.ncnn_peer import _HALF, _INT8, _integer

PARAM = """7767517
5 4
Input in0 0 1 in0
Convolution first 1 1 in0 1 0=2 1=1 5=1 6=6
Convolution second 1 1 1 2 0=4 1=1 5=1 6=8
ConvolutionDepthWise third 1 1 2 3 0=4 1=3 5=0 6=36 7=4
ReLU last 1 1 3 out0
"""


def test_every_convolution_but_the_first_becomes_integers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = [random.normal(size=n).astype(np.float16) for n in (6, 8, 36)]
    biases = [random.normal(size=n).astype(np.float32) for n in (2, 4, 0)]
    raw = b"".join(
        _HALF.to_bytes(4, "little") + w.tobytes() + b.tobytes() for w, b in zip(weights, biases, strict=True)
    )
    (tmp_path / "f.param").write_text(PARAM)
    (tmp_path / "f.bin").write_bytes(raw)
    param, model = _integer(tmp_path / "f.param", tmp_path / "f.bin", tmp_path)
    lines = param.read_text().splitlines()
    assert lines[:4] == PARAM.splitlines()[:4]
    assert lines[4].endswith(" 8=101")  # a convolution reads it: integers stay integers
    assert lines[5].endswith(" 8=1")
    assert lines[6] == PARAM.splitlines()[6]
    found = model.read_bytes()
    assert found[:24] == raw[:24]  # 4 + 6 * 2 + 2 * 4: the first as it was
    second = found[24:]
    assert int.from_bytes(second[:4], "little") == _INT8
    integers = np.frombuffer(second, np.int8, 8, 4).reshape(4, 2)
    np.testing.assert_array_equal(np.frombuffer(second, np.float32, 4, 12), biases[1])
    scales = np.frombuffer(second, np.float32, 4, 28)
    np.testing.assert_allclose(integers / scales[:, None], weights[1].reshape(4, 2), atol=0.5 / scales.min())
    third = second[28 + 16 + 8 :]  # behind its own scales, that of its input and that of its output
    assert int.from_bytes(third[:4], "little") == _INT8
    assert len(third) == 4 + 36 + 16 + 4

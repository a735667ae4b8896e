"""ncnn beside ours: the published ONNX file converted by pnnx, in float and in its integers, for timing.

ncnn's own tools for integers (ncnn2table, ncnn2int8) are in no wheel, so the integer file is written here in ncnn's
format: every convolution but the first, weights by channel, and one made-up scale for the activations. Scales change
results and not times, so it is timed and never judged.
"""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from calibration.runtime import Array

_HALF, _INT8 = 0x01306B47, 0x000D4B38  # ncnn's marks before weights in float16 and int8; 0 for float32
_OUTPUTS, _BIAS, _WEIGHTS, _INT8_TERM = "0", "5", "6", "8"  # of the parameters of a convolution
_ACTIVATION_SCALE = 127 / 8


def runs(published: Path, planes: Array, folder: Path, threads: int = 1) -> dict[str, Callable[[], object]]:
    """A run of each precision by its name, for input `planes` `[1, 3, H, W]`; empty unless ncnn and pnnx are there."""
    if not all(map(importlib.util.find_spec, ("ncnn", "pnnx"))):
        return {}
    import ncnn

    files = _converted(published, planes, folder)
    found = {
        "float32": _run(*files, planes, threads),
        "bfloat16": _run(*files, planes, threads, bfloat16=True),
        "int8 (timing only)": _run(*_integer(*files, folder), planes, threads),
    }
    return {f"ncnn {ncnn.__version__}, {name}": run for name, run in found.items()}


def _converted(published: Path, planes: Array, folder: Path) -> tuple[Path, Path]:
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        raise SystemExit("pnnx: installed without its program")
    shutil.copyfile(published, folder / "net.onnx")
    size = ",".join(map(str, planes.shape))
    command = [str(Path(spec.origin).with_name("pnnx")), "net.onnx", f"inputshape=[{size}]"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "net.ncnn.param", folder / "net.ncnn.bin"


def _integer(param: Path, model: Path, folder: Path) -> tuple[Path, Path]:
    """The files with every convolution but the first in int8."""
    raw, at, lines, out = model.read_bytes(), 0, [], bytearray()
    text = param.read_text("utf-8").splitlines()
    readers = _readers(text)
    first = True
    for line in text:
        kind, *words = line.split()
        if not kind.startswith("Convolution"):
            lines.append(line)
            continue
        settings = dict(word.split("=", 1) for word in words if "=" in word)
        count, outputs = int(settings[_WEIGHTS]), int(settings[_OUTPUTS])
        weights, start = _weights(raw, at, count)
        bias_bytes = 4 * outputs * int(settings.get(_BIAS, "0"))
        bias = raw[start : start + bias_bytes]
        if first:
            lines.append(line)
            out += raw[at : start + bias_bytes]
        else:
            by_row = weights.reshape(outputs, -1)
            scales = 127 / np.maximum(np.abs(by_row).max(1), 1e-9).astype(np.float32)
            integers = np.rint(by_row * scales[:, None]).astype(np.int8).tobytes()
            stays = all(
                reader.startswith("Convolution") for reader in readers[words[4]]
            )  # integers from layer to layer
            lines.append(f"{line} {_INT8_TERM}={101 if stays else 1}")
            out += _INT8.to_bytes(4, "little") + integers + bytes(-len(integers) % 4) + bias
            out += scales.tobytes() + np.float32(_ACTIVATION_SCALE).tobytes() * (2 if stays else 1)
        at, first = start + bias_bytes, False
    new_param, new_model = folder / "int8.param", folder / "int8.bin"
    new_param.write_text("\n".join(lines) + "\n", "utf-8")
    new_model.write_bytes(out + raw[at:])
    return new_param, new_model


def _readers(text: Sequence[str]) -> dict[str, list[str]]:
    """The kinds of the layers that read each blob; lines are kind, name, numbers of inputs and outputs, their names."""
    found: dict[str, list[str]] = {}
    for kind, _, inputs, _, *names in (line.split() for line in text[2:]):
        for blob in names[: int(inputs)]:
            found.setdefault(blob, []).append(kind)
    return found


def _weights(raw: bytes, at: int, count: int) -> tuple[Array, int]:
    """`count` weights with their mark at offset `at`, and the offset behind them."""
    half = int.from_bytes(raw[at : at + 4], "little") == _HALF
    size = count * (2 if half else 4)
    values = np.frombuffer(raw, np.float16 if half else np.float32, count, at + 4)
    return values.astype(np.float32), at + 4 + size + (-size % 4)


def _run(param: Path, model: Path, planes: Array, threads: int, *, bfloat16: bool = False) -> Callable[[], object]:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_bf16_storage = bfloat16
    if net.load_param(str(param)) or net.load_model(str(model)):
        raise SystemExit(f"ncnn cannot load {param.name}")
    image = ncnn.Mat(planes[0]).clone()

    def run() -> object:
        extractor = net.create_extractor()
        extractor.input("in0", image)
        return np.array(extractor.extract("out0")[1])

    return run

"""NVIDIA's ONNX importer without a GPU: TensorRT-RTX, whose builder compiles ahead of time.

It is the nearest to TensorRT's own importer that can run here. What it accepts makes no statement on TensorRT's speed,
fusion or accuracy.
"""

import json
import subprocess
import sys
from pathlib import Path

from tests.infer.wheels import RTX, environment, importable_as_tensorrt, unpacked

# Our own building code with TensorRT-RTX in TensorRT's place. An RTX engine must name its GPU, else it asks for one; a
# timing cache would ask as well, so there is none.
BUILD = """
import json, sys
from pathlib import Path
import tensorrt as trt
from edge.infer.tensorrt.builder import configure, parse, serialize
from edge.infer.tensorrt.cache import EngineKey
from edge.infer.reasons import RungError
from edge.infer.tensorrt.session import Log
from edge.infer.tensorrt.versions import STRONGLY_TYPED

path, shapes = sys.argv[1], {name: tuple(shape) for name, shape in json.loads(sys.argv[2]).items()}
key = EngineKey("", "fp16", shapes, trt.__version__, (), "", "", "", "8.6", 1, ())
log = Log()
builder = trt.Builder(log.sink)
try:
    network = parse(builder, log, Path(path), shapes, STRONGLY_TYPED)
    outputs = {network.get_output(i).name: tuple(network.get_output(i).shape) for i in range(network.num_outputs)}
    config = configure(builder, key)
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    plan = serialize(builder, network, config, log)
    print(json.dumps({"errors": [], "bytes": len(plan), "outputs": outputs}))
except RungError as error:
    print(json.dumps({"errors": [error.detail]}))
"""


class Importer:
    """TensorRT-RTX unpacked in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Fetch the wheels; skips the test where that cannot be."""
        self.folder = unpacked(folder, *RTX)
        importable_as_tensorrt(self.folder, "tensorrt_rtx_bindings")

    def environment(self) -> dict[str, str]:
        """The environment of a process in which `import tensorrt` gives TensorRT-RTX."""
        environ = environment(self.folder)
        environ["LD_LIBRARY_PATH"] = str(self.folder / "tensorrt_rtx_libs")
        environ["PYTHONPATH"] += f":{Path(__file__).parents[2]}"
        return environ

    def build(self, path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, object]:
        """What comes of parsing and building: "errors", and without any "bytes" and "outputs" with their shapes."""
        done = subprocess.run(
            [sys.executable, "-c", BUILD, path, json.dumps(shapes)],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return {"errors": [f"status {done.returncode}: {done.stderr.strip()[-500:]}"]}
        return json.loads(done.stdout.splitlines()[-1])

    def accepts(self, path: Path, batch: int = 1) -> list[str]:
        """The errors that an ONNX file gets, the batch of its inputs fixed to `batch`; none when it is built."""
        import onnx

        inputs = onnx.load(path, load_external_data=False).graph.input
        shapes = {i.name: tuple(d.dim_value or batch for d in i.type.tensor_type.shape.dim) for i in inputs}
        errors = self.build(path, shapes)["errors"]
        assert isinstance(errors, list)
        return errors

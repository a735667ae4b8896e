"""The part of the TensorRT bindings that the builder and the runner use; a "plan" is the ONNX file with its shapes.

Engines run on ONNX Runtime, at the addresses they were given. FAKE_TENSORRT is a comma-separated script of what goes
wrong: `no_builder`, `no_plan`, `no_engine`, `crash_builder`, `crash_engine`, `hang_builder`, `fail_run`, `wrong_int8`,
`wrong_fp16`, `nan_at_<batch>`, `slow_int8`, `waits` (the network waits for the GPU, which no graph can hold).
"""

import ctypes
import enum
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

__version__ = os.environ.get("FAKE_TENSORRT_VERSION", "10.3.0")


def _scripted(what: str) -> bool:
    return what in os.environ.get("FAKE_TENSORRT", "").split(",")


_WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_kept: list[Any] = []  # graphs call these again


def queue(work: Callable[[], None]) -> None:
    """Do `work` now, or have it recorded: the driver of host memory (host_cuda.c) decides where there is one."""
    try:
        give = ctypes.CDLL(os.environ.get("FAKE_CUDA_DRIVER", "libcuda.so.1")).host_cuda_queue
    except (OSError, AttributeError):
        work()
        return
    _kept.append(_WORK(lambda _: work()))
    give(_kept[-1], None)


def _crash() -> None:
    os.kill(os.getpid(), 11)


class DataType(enum.Enum):
    UINT8 = "uint8"
    FLOAT = "float32"


def nptype(kind: DataType) -> type[np.generic]:
    kinds: dict[DataType, type[np.generic]] = {DataType.UINT8: np.uint8, DataType.FLOAT: np.float32}
    return kinds[kind]


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class BuilderFlag(enum.Enum):
    FP16 = 0
    INT8 = 1


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class ProfilingVerbosity(enum.Enum):
    DETAILED = 2


class LayerInformationFormat(enum.Enum):
    JSON = 1


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def __init__(self) -> None:
        pass


class Logger(ILogger):
    ERROR = ILogger.Severity.ERROR

    def __init__(self, level: ILogger.Severity) -> None:
        super().__init__()

    def log(self, severity: ILogger.Severity, message: str) -> None:
        pass


class _Tensor:
    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape


class _Network:
    def __init__(self, flags: int) -> None:
        self.flags, self.content = flags, b""
        self.inputs: list[_Tensor] = []

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    def get_input(self, index: int) -> _Tensor:
        return self.inputs[index]


class _ParserError:
    def __init__(self, text: str) -> None:
        self.text = text

    def desc(self) -> str:
        return self.text


class OnnxParser:
    def __init__(self, network: _Network, logger: Logger) -> None:
        self.network = network
        self.errors: list[_ParserError] = []

    def parse_from_file(self, path: str) -> bool:
        import onnx

        if os.path.getsize(path) < 100:
            self.errors.append(_ParserError("cannot parse the model\nmore"))
            return False
        model = onnx.load(path)
        self.network.content = model.SerializeToString()
        for value in model.graph.input:
            self.network.inputs.append(
                _Tensor(value.name, tuple(d.dim_value or -1 for d in value.type.tensor_type.shape.dim))
            )
        return True

    @property
    def num_errors(self) -> int:
        return len(self.errors)

    def get_error(self, index: int) -> _ParserError:
        return self.errors[index]


class _TimingCache:
    def __init__(self, known: bytes) -> None:
        self.known = known

    def serialize(self) -> bytes:
        return self.known + b"."


class _Config:
    def __init__(self) -> None:
        self.flags: list[str] = []
        self.builder_optimization_level, self.profiling_verbosity = None, None

    def set_memory_pool_limit(self, pool: MemoryPoolType, size: int) -> None:
        self.workspace = size

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.append(flag.name)

    def create_timing_cache(self, known: bytes) -> _TimingCache:
        return _TimingCache(known)

    def set_timing_cache(self, cache: _TimingCache, ignore_mismatch: bool) -> None:
        self.cache = cache

    def get_timing_cache(self) -> _TimingCache:
        return self.cache


class Builder:
    def __init__(self, logger: Logger) -> None:
        if _scripted("crash_builder"):
            _crash()
        if _scripted("hang_builder"):
            time.sleep(60)
        if _scripted("no_builder"):
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self.logger = logger

    def create_network(self, flags: int) -> _Network:
        return _Network(flags)

    def create_builder_config(self) -> _Config:
        return _Config()

    def build_serialized_network(self, network: _Network, config: _Config) -> bytes | None:
        if _scripted("no_plan"):
            self.logger.log(ILogger.Severity.ERROR, "could not find any implementation for node conv\nmore")
            return None
        head = {
            "shapes": {t.name: list(t.shape) for t in network.inputs},
            "flags": config.flags,
            "network": network.flags,
            "level": config.builder_optimization_level,
        }
        return json.dumps(head).encode() + b"\n" + network.content


class Runtime:
    def __init__(self, logger: Logger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, plan: bytes) -> "_Engine | None":
        if _scripted("crash_engine"):
            _crash()
        if _scripted("no_engine") or b"\n" not in plan:
            self.logger.log(ILogger.Severity.ERROR, "Serialization assertion failed\nmore")
            return None
        return _Engine(plan)


class _Engine:
    device_memory_size = device_memory_size_v2 = 4096

    def __init__(self, plan: bytes) -> None:
        import onnxruntime

        head, _, content = plan.partition(b"\n")
        self.head = json.loads(head)
        self.is_int8 = b"qdq" in content[-64:]  # how the tiny packs of the tests mark their INT8 variants
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        batch = next(iter(self.head["shapes"].values()))[0]
        self.tensors = {
            a.name: (TensorIOMode.INPUT, tuple(self.head["shapes"][a.name]), a.type) for a in self.session.get_inputs()
        }
        for a in self.session.get_outputs():
            self.tensors[a.name] = (TensorIOMode.OUTPUT, (batch, *a.shape[1:]), a.type)

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return self.tensors[name][0]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name][1]

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"tensor(uint8)": DataType.UINT8, "tensor(float)": DataType.FLOAT}[self.tensors[name][2]]

    def create_execution_context(self) -> "_Context":
        return _Context(self)

    def create_engine_inspector(self) -> "_Inspector":
        return _Inspector(self)


class _Inspector:
    def __init__(self, engine: _Engine) -> None:
        self.engine = engine

    def get_engine_information(self, form: LayerInformationFormat) -> str:
        kind = "Int8 NC/32HW32" if self.engine.is_int8 else "Row major linear FP16 format"
        layers = [
            {"Name": "Reformatting CopyNode for Input Tensor 0", "LayerType": "Reformat", "Inputs": [], "Outputs": []},
            {
                "Name": "conv",
                "LayerType": "CaskConvolution",
                "Inputs": [{"Name": "x", "Format/Datatype": kind}],
                "Outputs": [],
            },
        ]
        return json.dumps({"Layers": layers, "Bindings": list(self.engine.tensors)})


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return name in self.engine.tensors

    def execute_async_v3(self, handle: int) -> bool:
        if _scripted("fail_run"):
            return False
        if _scripted("waits"):
            ctypes.CDLL(os.environ["FAKE_CUDA_DRIVER"]).cuCtxSynchronize()
        queue(self._run)
        return True

    def _run(self) -> None:
        feeds = {n: self._array(n) for n, (mode, *_) in self.engine.tensors.items() if mode is TensorIOMode.INPUT}
        names = [n for n, (mode, *_) in self.engine.tensors.items() if mode is TensorIOMode.OUTPUT]
        if self.engine.is_int8 and _scripted("slow_int8"):
            time.sleep(0.005)
        for name, value in zip(names, self.engine.session.run(names, feeds), strict=True):
            wrong = _scripted("wrong_int8" if self.engine.is_int8 else "wrong_fp16")
            self._array(name)[...] = value * (-3 if wrong else 1)
            if _scripted(f"nan_at_{len(value)}"):
                self._array(name)[...] = np.nan

    def _array(self, name: str) -> np.ndarray:
        _, shape, _ = self.engine.tensors[name]
        dtype = np.dtype(nptype(self.engine.get_tensor_dtype(name)))
        size = int(np.prod(shape)) * dtype.itemsize
        memory: Any = (ctypes.c_char * size).from_address(self.addresses[name])
        return np.frombuffer(memory, dtype).reshape(shape)

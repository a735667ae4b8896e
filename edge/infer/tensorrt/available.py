"""What of CUDA and TensorRT works here, found out in a child process that may crash.

The child goes through four stages (driver, tensorrt, builder, pycuda) and reports before and after each, so that the
parent can tell which one killed it. `verdict` turns reports and ending into facts or one reason.
"""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import board
from edge.infer import child
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.versions import generation

TIMEOUT_S = 60.0  # a cold Jetson reads hundreds of megabytes of libraries from an SD card

# Attributes of cuDeviceGetAttribute, from cuda.h (CUdevice_attribute).
_SM_COUNT, _INTEGRATED, _SM_MAJOR, _SM_MINOR = 16, 18, 75, 76


@dataclass(frozen=True)
class Gpu:
    """The CUDA device 0 and the software that drives it, as far as an engine depends on it.

    `sm` is the compute capability ("8.7"), `integrated` whether it shares the board's DRAM, `cuda` the newest CUDA that
    the driver speaks ("12.6"), `driver` the release of its kernel side ("L4T 36.4.3"), `tensorrt` the full version of
    the bindings, `libraries` the file names of the NVIDIA libraries in use, which carry their full versions.
    """

    name: str
    sm: str
    sm_count: int
    memory_bytes: int
    integrated: bool
    cuda: str
    driver: str
    tensorrt: str
    libraries: tuple[str, ...]

    @property
    def has_int8(self) -> bool:
        """Whether TensorRT has INT8 for it; TensorRT 11 can no longer be asked (`platform_has_fast_int8` is gone)."""
        return self.sm not in WITHOUT_INT8


# NVIDIA's support matrix: Maxwell (Jetson Nano, TX1) and the Pascal of TX2 have FP16 but no INT8.
WITHOUT_INT8 = ("5.3", "6.2")


def probe(timeout_s: float = TIMEOUT_S) -> Gpu:
    """The GPU that TensorRT can use here. Raises RungError with the reason when there is none."""
    _load_driver()  # to load what is not there is safe, and spares boards without a GPU the start of a process
    return verdict(child.call("edge.infer.tensorrt.available:examine", None, timeout_s=timeout_s))


def verdict(outcome: child.Outcome) -> Gpu:
    """The facts that a child of `examine` reported, or a RungError with the reason that its ending shows."""
    facts: dict[str, Any] = {}
    stage = "driver"
    for message in outcome.messages:
        stage = message.get("stage", stage)
        facts |= message.get("facts", {})
    outcome.require(f"the {stage} stage of the probe", _OF_STAGE[stage])
    return Gpu(**{**facts, "libraries": tuple(facts["libraries"])})


_OF_STAGE = {
    "driver": Reason.NO_DRIVER,
    "tensorrt": Reason.TENSORRT_BROKEN,
    "builder": Reason.TENSORRT_BROKEN,
    "pycuda": Reason.PYCUDA_BROKEN,
}


def examine(_: None, report: child.Report) -> None:
    """The child's side of `probe`: each stage as it begins, and its facts. Raises RungError where there are none."""
    for stage, facts in {"driver": _driver, "tensorrt": _tensorrt, "builder": _builder, "pycuda": _pycuda}.items():
        report({"stage": stage})
        report({"facts": facts()})


def _load_driver() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise RungError(Reason.NO_DRIVER, str(error)) from error


def _driver() -> dict[str, Any]:
    cuda = _load_driver()

    def ask(function: str, *arguments: Any) -> None:
        status = getattr(cuda, function)(*arguments)
        if status:
            raise RungError(Reason.NO_DRIVER, f"{function} failed with error {status}")

    def number(function: str, *arguments: Any) -> int:
        value = ctypes.c_int()
        ask(function, ctypes.byref(value), *arguments)
        return value.value

    def attribute(which: int) -> int:
        return number("cuDeviceGetAttribute", which, device)

    ask("cuInit", 0)
    if number("cuDeviceGetCount") == 0:
        raise RungError(Reason.NO_DRIVER, "the driver sees no device")
    device = number("cuDeviceGet", 0)
    name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
    ask("cuDeviceGetName", name, len(name), device)
    ask("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    version = number("cuDriverGetVersion")
    return {
        "name": name.value.decode("utf-8", "replace"),
        "sm": f"{attribute(_SM_MAJOR)}.{attribute(_SM_MINOR)}",
        "sm_count": attribute(_SM_COUNT),
        "memory_bytes": memory.value,
        "integrated": bool(attribute(_INTEGRATED)),
        "cuda": f"{version // 1000}.{version % 1000 // 10}",
        "driver": board.driver(),
    }


def _tensorrt() -> dict[str, Any]:
    try:
        import tensorrt as trt
    except (
        ImportError,
        OSError,
    ) as error:  # also a library that the bindings need: libnvinfer.so.N, libnvdla_compiler.so
        raise RungError(Reason.NO_TENSORRT, str(error)) from error
    generation(trt.__version__)
    return {"tensorrt": trt.__version__}


def _builder() -> dict[str, Any]:
    import tensorrt as trt

    try:
        trt.Builder(trt.Logger(trt.Logger.ERROR))
    except TypeError as error:  # "pybind11::init(): factory function returned nullptr"
        raise RungError(Reason.TENSORRT_BROKEN, f"Builder: {error}") from error
    return {"libraries": mapped_libraries(Path("/proc/self/maps").read_text("utf-8"))}


def _pycuda() -> dict[str, Any]:
    from edge.infer.tensorrt.cuda import Device

    device = Device()
    with device.current():
        pass
    device.close()
    return {}


def mapped_libraries(maps: str) -> list[str]:
    """The file names of NVIDIA's inference libraries in a process's memory map, sorted."""
    paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if len(line.split(maxsplit=5)) == 6}
    names = {path.rsplit("/", 1)[-1] for path in paths}
    return sorted(n for n in names if n.startswith(("libnvinfer", "libnvonnx", "libcudart", "libcudnn", "libcublas")))

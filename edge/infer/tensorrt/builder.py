"""One engine from one ONNX file, in the child process of a build; nothing here knows of packs."""

from pathlib import Path
from typing import Any

from edge.infer.child import Message, Report
from edge.infer.reasons import Reason, RungError
from edge.infer.storage import write
from edge.infer.tensorrt.cache import EngineKey
from edge.infer.tensorrt.session import Log
from edge.infer.tensorrt.versions import Generation, generation
from edge.schema import build


def make_engine(job: Message, report: Report) -> None:
    """Build `job["key"]` (an EngineKey) from the ONNX file `job["onnx"]` into the file `job["plan"]`.

    `job["timing_cache"]` is a file of kernel timings, read when it exists and written afterwards. Raises RungError with
    what TensorRT says against it.
    """
    import tensorrt as trt

    key, mistakes = build(EngineKey, job["key"])
    if key is None:
        raise ValueError("; ".join(mistakes))
    log = Log()
    builder = trt.Builder(log.sink)
    network = parse(builder, log, Path(job["onnx"]), key.input_shapes, generation(trt.__version__))
    config = configure(builder, key)
    use_timing_cache(config, Path(job["timing_cache"]))
    plan = serialize(builder, network, config, log)
    write(Path(job["plan"]), plan)
    write(Path(job["timing_cache"]), bytes(config.get_timing_cache().serialize()))
    report({"bytes": len(plan)})


def parse(builder: Any, log: Log, onnx: Path, shapes: dict[str, tuple[int, ...]], rules: Generation) -> Any:
    """The network of an ONNX file, a `trt.INetworkDefinition` with its dynamic inputs fixed to `shapes`.

    Raises RungError with the importer's complaints, all of them.
    """
    import tensorrt as trt

    flag = getattr(trt.NetworkDefinitionCreationFlag, rules.network_flag)
    network = builder.create_network(1 << int(flag))
    parser = trt.OnnxParser(network, log.sink)
    if not parser.parse_from_file(str(onnx)):
        complaints = [" ".join(parser.get_error(i).desc().split()) for i in range(parser.num_errors)]
        raise RungError(Reason.BACKEND_FAILED, f"{onnx.name}: TensorRT's importer refuses it: {'; '.join(complaints)}")
    for tensor in (network.get_input(i) for i in range(network.num_inputs)):
        if tensor.name in shapes:
            tensor.shape = shapes[tensor.name]
        elif any(size < 0 for size in tensor.shape):
            raise RungError(Reason.BACKEND_FAILED, f"{onnx.name}: input {tensor.name} has no fixed shape")
    return network


def configure(builder: Any, key: EngineKey) -> Any:
    """A `trt.IBuilderConfig` as the key says, with everything recorded that the inspector can tell of a layer."""
    import tensorrt as trt

    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, key.workspace_bytes)
    config.builder_optimization_level = key.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    for flag in key.builder_flags:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    return config


def use_timing_cache(config: Any, path: Path) -> None:
    """Let the builder reuse the kernel timings in `path`, which it checks, and collect new ones."""
    known = path.read_bytes() if path.exists() else b""
    config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)


def serialize(builder: Any, network: Any, config: Any, log: Log) -> bytes:
    """The engine. Raises RungError with what TensorRT logged when it cannot be built."""
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RungError(Reason.BACKEND_FAILED, log.last_error("TensorRT built nothing and said nothing"))
    return bytes(plan)

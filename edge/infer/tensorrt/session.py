"""Networks on TensorRT: engines that `nanotrack build` made on this board, run on a stream of their own.

One code path serves TensorRT 8.6 to 11: named tensors and `execute_async_v3`. An engine has fixed shapes; a network
with a dynamic batch comes as one engine for each bucket of batch sizes, all of them reading and writing the same
buffers. After a run to warm up, what a bucket does (copies, network, copies back) is recorded as one CUDA graph.
"""

import logging
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.infer.backend import Port, Running
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.cuda import Buffer, Device, Stream
from edge.infer.tensorrt.cuda_graph import Graph
from edge.infer.tensorrt.libcuda import DriverError
from edge.infer.tensorrt.stopwatch import MarkError, Stopwatch

logger = logging.getLogger(__name__)

# What a run consists of; memory that both sides share is not copied.
_STAGES = ("gpu copy in", "gpu infer", "gpu copy out")
_DRIVER_TOO_OLD = "cudaError 35"  # cudaErrorInsufficientDriver, as TensorRT's log writes it


class TensorRT:
    """A `Backend` on TensorRT.

    `plans` are serialized engines by batch size; one alone is a network of that fixed batch. `unrecorded` says by batch
    size why it is no CUDA graph and launched kernel by kernel; empty where all are. Opening, running and
    closing happen on one thread. The calling thread sleeps while the GPU works and holds no lock, so that decoding,
    drawing and writing go on. `rung` and `variant` are what it says of itself, see `Running`.
    """

    def __init__(self, plans: Mapping[int, bytes], rung: str = "tensorrt", variant: str = "") -> None:
        """Load the engines, allocate all memory, run and record each once. Raises RungError with the reason."""
        import tensorrt as trt

        self.running = Running(rung, variant, "tensorrt", trt.__version__, on_gpu=True)
        self._device = Device()
        self._streams: list[Stream] = []
        self._watches: list[Stopwatch] = []  # one, which recorded graphs may hold, or none
        self._is_timed = True
        self.engines: dict[int, Any] = {}  # by batch size, as are the contexts
        self._contexts: dict[int, Any] = {}
        self._graphs: dict[int, Graph] = {}
        self._buffers: dict[str, Buffer] = {}
        self.unrecorded: dict[int, str] = {}
        self._stages_ms: Mapping[str, float] = {}
        self.inputs: Mapping[str, npt.NDArray[Any]] = {}
        self.outputs: Mapping[str, npt.NDArray[Any]] = {}
        # Also without a call of `close`: pycuda must not find live objects at the end of the process.
        self._release = weakref.finalize(
            self, _release, self._device, self._graphs, self._contexts, self.engines, self._buffers, self._watches,
            self._streams,
        )  # fmt: skip
        try:
            with self._device.current() as cuda:
                self._streams.append(Stream(cuda))
                self._start_watch()
                for batch, plan in sorted(plans.items()):
                    self.engines[batch] = load_engine(plan)
                self._make_buffers(cuda, self.engines[max(self.engines)])
                for batch, engine in self.engines.items():
                    self._contexts[batch] = self._bound_context(engine)
            for batch in self.engines:
                self.run(batch)  # TensorRT allocates and chooses in the first run, which no graph can hold
                self._record(batch)
        except RungError:
            self.close()
            raise

    def run(self, batch: int | None = None) -> None:
        """See `Backend.run`. Raises RungError when the GPU fails."""
        rows = max(self._contexts) if batch is None else batch
        bucket = next((b for b in self._contexts if b >= rows), None)
        if bucket is None or rows < 1:
            raise ValueError(f"batch {rows}: expected 1 to {max(self._contexts)}")
        (stream,) = self._streams
        with self._device.current():
            try:
                if bucket in self._graphs:
                    self._graphs[bucket].launch()
                else:
                    self._enqueue(bucket, stream)
            except DriverError as error:
                raise RungError(Reason.BACKEND_FAILED, str(error)) from error
            stream.mark()
            stream.wait()
            self._stages_ms = self._read_watch()

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """See `Backend.stages_ms`."""
        return self._stages_ms

    def close(self) -> None:
        """See `Backend.close`."""
        self._release()

    def _enqueue(self, bucket: int, stream: Stream, *, recording: bool = False) -> None:
        def mark(number: int) -> None:
            for watch in self._watches if self._is_timed else ():
                watch.mark(number, stream.handle, recording=recording)

        mark(0)
        for name in self.inputs:
            self._buffers[name].upload(stream.queue)
        mark(1)
        context = self._contexts[bucket]
        if not context.execute_async_v3(stream.handle):
            raise RungError(Reason.BACKEND_FAILED, "TensorRT could not enqueue the network")
        mark(2)
        for name in self.outputs:
            self._buffers[name].download(stream.queue)
        mark(3)

    def _start_watch(self) -> None:
        try:
            self._watches.append(Stopwatch(len(_STAGES) + 1))
        except DriverError as error:
            self._stop_watch(error)

    def _stop_watch(self, error: DriverError) -> None:
        """Go on without the GPU's own times, which tracking does not need."""
        logger.info("the GPU's own times are not available: %s", error)
        self._is_timed = False

    def _read_watch(self) -> Mapping[str, float]:
        if not self._is_timed:
            return {}
        try:
            stages_ms = {n: ms for watch in self._watches for n, ms in zip(_STAGES, watch.between_ms(), strict=True)}
        except DriverError as error:
            self._stop_watch(error)
            return {}
        return {n: stages_ms[n] for n in stages_ms if n == "gpu infer" or not self._device.is_integrated}

    def _record(self, bucket: int) -> None:
        """Make the graph of `bucket`; an engine that waits or allocates while it runs, or a driver without graphs,
        refuses, and then it stays as it was."""
        (stream,) = self._streams
        work = partial(self._enqueue, bucket, stream, recording=True)
        try:
            with self._device.current():
                try:
                    self._graphs[bucket] = Graph(stream.handle, work)
                except MarkError as error:
                    self._stop_watch(error)
                    self._graphs[bucket] = Graph(stream.handle, work)
        except (DriverError, RungError) as error:
            self.unrecorded[bucket] = str(error)
            logger.info("batch %d: no CUDA graph, its kernels are launched one by one: %s", bucket, error)

    def _make_buffers(self, cuda: Any, engine: Any) -> None:
        """Buffers for the engine of the largest batch; smaller ones use their first rows."""
        import tensorrt as trt

        inputs: list[Port] = []
        outputs: list[Port] = []
        for name in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors)):
            shape = tuple(engine.get_tensor_shape(name))
            dtype = trt.nptype(engine.get_tensor_dtype(name))
            self._buffers[name] = Buffer(cuda, shape, dtype, mapped=self._device.is_integrated)
            side = inputs if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else outputs
            batch = None if len(self.engines) > 1 else shape[0]
            side.append(Port(name, (batch, *shape[1:]), np.dtype(dtype).name))
        self.input_ports, self.output_ports = tuple(inputs), tuple(outputs)
        self.inputs = {p.name: self._buffers[p.name].host for p in self.input_ports}
        self.outputs = {p.name: self._buffers[p.name].host for p in self.output_ports}

    def _bound_context(self, engine: Any) -> Any:
        context = engine.create_execution_context()
        if context is None:
            raise RungError(Reason.OUT_OF_MEMORY, "TensorRT made no execution context")
        for name, buffer in self._buffers.items():
            if not context.set_tensor_address(name, buffer.address):
                raise RungError(Reason.ENGINE_STALE, f"the engine refuses the address of {name}")
        return context


def _release(
    device: Device,
    graphs: dict[int, Graph],
    contexts: dict[int, Any],
    engines: dict[int, Any],
    buffers: dict[str, Buffer],
    watches: list[Stopwatch],
    streams: list[Stream],
) -> None:
    """Free everything in the order in which it depends on each other, the device last; a dead GPU has freed it all."""
    try:
        with device.current():
            for graph in graphs.values():
                graph.close()
            graphs.clear()
            contexts.clear()
            engines.clear()
            for buffer in buffers.values():
                buffer.free()
            buffers.clear()
            for watch in watches:
                watch.close()
            watches.clear()
            streams.clear()
    except RungError as error:
        logger.debug("nothing to free: %s", error)
    device.close()


def load_engine(plan: bytes) -> Any:
    """The engine in `plan`, a `tensorrt.ICudaEngine`. Raises RungError with what TensorRT logged."""
    import tensorrt as trt

    log = Log()
    try:
        runtime = trt.Runtime(log.sink)
    except TypeError as error:  # "factory function returned nullptr"
        raise RungError(Reason.TENSORRT_BROKEN, f"Runtime: {error}") from error
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        text = log.last_error("TensorRT did not accept the engine")
        raise RungError(Reason.NO_DRIVER if _DRIVER_TOO_OLD in text else Reason.ENGINE_STALE, text)
    return engine


class Log:
    """Keeps the errors that TensorRT logs, for the message of the failure that follows; `sink` is the trt.ILogger."""

    def __init__(self) -> None:
        """Make an ILogger that remembers errors and prints nothing."""
        import tensorrt as trt

        self.errors: list[str] = []
        errors = self.errors

        class Sink(trt.ILogger):
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                    errors.append(message)

        self.sink = Sink()

    def last_error(self, otherwise: str) -> str:
        """The first line of the last error, `otherwise` where none was logged."""
        return self.errors[-1].splitlines()[0] if self.errors else otherwise

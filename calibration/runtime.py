"""Runs ONNX models on the workstation's CPU."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edge.errors import DataError

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Feed = Array | Mapping[str, Array]  # what one run reads: the network's only input, or several by name
T = TypeVar("T")

MOST_WORKERS = 8
_NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}
_INPUT_SEED = 1_000_000  # between the seeds of a feed's inputs, which are otherwise small


class Runner:
    """`content` on ONNX Runtime, one thread: the order of sums, and with it the last bits, does not depend on cores.

    `exact` switches every optimisation off, so that Q/DQ pairs are computed as they stand. Raises DataError for a model
    that ONNX Runtime cannot open.
    """

    def __init__(self, content: bytes, *, exact: bool = False):
        import onnxruntime

        from edge.infer.onnxrt.available import CPU
        from edge.infer.onnxrt.session import DISABLED, ERRORS, first_line, keep_products_exact

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        keep_products_exact(options)
        options.log_severity_level = 3
        if exact:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=[CPU], disabled_optimizers=DISABLED, enable_fallback=0
            )
        except ERRORS as error:
            raise DataError(f"ONNX Runtime cannot open it: {first_line(error)}") from error
        self._inputs: Sequence[str] = [i.name for i in self._session.get_inputs()]
        self._outputs: Sequence[str] = [o.name for o in self._session.get_outputs()]

    def __call__(self, feed: Feed) -> Arrays:
        """All outputs by name for what it reads. Raises DataError where ONNX Runtime fails."""
        from edge.infer.onnxrt.session import ERRORS, first_line

        named = feed if isinstance(feed, Mapping) else dict(zip(self._inputs, [feed], strict=True))
        try:
            found = self._session.run(self._outputs, named)
        except ERRORS as error:
            raise DataError(f"ONNX Runtime cannot run it: {first_line(error)}") from error
        return dict(zip(self._outputs, found, strict=True))

    def feed(self, name: str, tensor: Array, constants: Mapping[str, Sequence[float]]) -> Feed:
        """What a run reads: `tensor` as input `name`, alone or beside `constants`, each in the type of its input."""
        if not constants:
            return tensor
        types = {port.name: port.type for port in self._session.get_inputs()}
        beside = {key: np.asarray([values], _NUMBERS[types[key]]) for key, values in constants.items() if key in types}
        return {name: tensor, **beside}

    def each(self, feeds: Iterable[Feed]) -> Iterator[Arrays]:
        """The outputs for one feed after the other, mapped in parallel; each run is one thread's work."""
        return parallel_map(self, feeds)


def parallel_map(function: Callable[..., T], *arguments: Iterable[Any]) -> Iterator[T]:
    """What `function` returns for each row of `arguments`, in their order, computed ahead by as many threads as there
    are cores: networks are built and run outside of Python's lock. No more than two results a thread are in memory."""
    workers = _workers()
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for row in zip(*arguments, strict=False):
            waiting.append(pool.submit(function, *row))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _workers() -> int:
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def perturbed(feed: Feed, seed: int) -> Feed:
    """A copy of what a network reads with a change far below what a camera's noise does, another in each input.

    Pixels: one value in a hundred moves by one grey level. Normalised planes: a relative change of a millionth.
    """
    if isinstance(feed, Mapping):
        return {name: _perturbed(tensor, seed + _INPUT_SEED * i) for i, (name, tensor) in enumerate(feed.items())}
    return _perturbed(feed, seed)


def _perturbed(tensor: Array, seed: int) -> Array:
    random = np.random.default_rng(seed)
    if tensor.dtype.kind == "i":  # sizes, which are no measurement
        return tensor
    if tensor.dtype == np.uint8:
        moved = tensor.reshape(-1).copy()
        places = random.integers(0, moved.size, moved.size // 100)
        steps = np.where(moved[places] == 255, -1, np.where(moved[places] == 0, 1, random.choice([-1, 1], len(places))))
        moved[places] = (moved[places] + steps).astype(np.uint8)
        return moved.reshape(tensor.shape)
    return tensor * (1 + 1e-6 * random.standard_normal(tensor.shape)).astype(tensor.dtype)

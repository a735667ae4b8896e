"""A backend that recovers from failures in mid-stream: it is opened again once, then the next rung takes over.

Detector and tracker do not notice: the buffers stay the same arrays, only what fills them changes, and tracks go on.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from edge.errors import DataError, NotFoundError, UnavailableError
from edge.infer.backend import Backend, Port, Running
from edge.infer.reasons import Reason, RungError, Skip, summary

logger = logging.getLogger(__name__)

# After so many good runs a failure counts as a new one: the rung is opened again before it is given up.
FORGIVEN_AFTER_RUNS = 1000

_FAILURES = (RungError, DataError, NotFoundError)


class NoRungError(UnavailableError):
    """No rung is left; `skips` say why for each."""

    def __init__(self, skips: Sequence[Skip]) -> None:
        super().__init__(summary(skips))
        self.skips = list(skips)


class Resilient:
    """A `Backend` on the first of `rungs` (name and how to open it, best first) that opens.

    `failures` counts the runs that failed.
    """

    def __init__(self, rungs: Sequence[tuple[str, Callable[[], Backend]]]) -> None:
        """Open the first rung that can be opened. Raises NoRungError when none can."""
        self._rungs = list(rungs)
        self._retired: list[Backend] = []
        self._good_runs = FORGIVEN_AFTER_RUNS
        self._skips: list[Skip] = []
        self.failures = 0
        self._active = self._open_next()
        self.input_ports: tuple[Port, ...] = self._active.input_ports
        self.output_ports: tuple[Port, ...] = self._active.output_ports
        self.inputs: Mapping[str, npt.NDArray[Any]] = self._active.inputs
        self.outputs: Mapping[str, npt.NDArray[Any]] = self._active.outputs

    @property
    def running(self) -> Running:
        """The rung in use, and why those above it are not."""
        return dataclasses.replace(self._active.running, rung=self._rung, passed_over=tuple(self._skips))

    @property
    def _rung(self) -> str:
        return self._rungs[0][0]

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """See `Backend.stages_ms`."""
        return self._active.stages_ms

    def run(self, batch: int | None = None) -> None:
        """See `Backend.run`. Raises NoRungError when the last rung fails for good."""
        while True:
            try:
                self._run_active(batch)
            except _FAILURES as error:
                self._recover(error)
            else:
                self._good_runs += 1
                return

    def close(self) -> None:
        """See `Backend.close`."""
        for backend in (self._active, *self._retired):
            backend.close()
        self._retired.clear()

    def _run_active(self, batch: int | None) -> None:
        """Run, through copies once the buffers are no longer those of the backend in use."""
        active = self._active
        if active.inputs is self.inputs:
            active.run(batch)
            return
        rows = slice(batch)
        for name, buffer in self.inputs.items():
            active.inputs[name][rows] = buffer[rows]
        active.run(batch)
        for name, buffer in self.outputs.items():
            buffer[rows] = active.outputs[name][rows]

    def _recover(self, error: Exception) -> None:
        """Replace the backend that failed: by the same rung if it is due a second try, else by the next."""
        self.failures += 1
        # Kept, not closed: its memory may be the buffers that detector and embedder hold.
        self._retired.append(self._active)
        what = error.detail if isinstance(error, RungError) else str(error)
        second_try = self._good_runs >= FORGIVEN_AFTER_RUNS
        self._good_runs = 0
        if second_try:
            logger.warning("%s failed (%s); opening it again", self._rung, what)
        else:
            self._skip(Reason.BACKEND_FAILED, what)
        self._active = self._open_next()
        logger.warning("going on with %s", self._rung)

    def _open_next(self) -> Backend:
        while self._rungs:
            try:
                return self._opened(self._rungs[0][1])
            except RungError as error:
                self._skip(error.reason, error.detail)
            except (DataError, NotFoundError) as error:
                self._skip(Reason.BACKEND_FAILED, str(error))
        raise NoRungError(self._skips)

    def _opened(self, opener: Callable[[], Backend]) -> Backend:
        """A backend with the buffers that the first one had. Raises as the opener, RungError for other buffers."""
        backend = opener()
        if hasattr(self, "inputs"):
            for mine, its in ((self.inputs, backend.inputs), (self.outputs, backend.outputs)):
                if {n: (a.shape, a.dtype) for n, a in mine.items()} != {n: (a.shape, a.dtype) for n, a in its.items()}:
                    backend.close()
                    raise RungError(Reason.BACKEND_FAILED, "its inputs and outputs are not those of the rung before")
        return backend

    def _skip(self, reason: Reason, detail: str) -> None:
        self._skips.append(Skip(self._rungs.pop(0)[0], reason, detail))
        logger.debug("%s", self._skips[-1])

"""Failures in mid-stream on a scripted backend: every transition of the ladder, with buffers that stay the same."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from edge.errors import DataError
from edge.infer.backend import Backend, Port, Running
from edge.infer.reasons import Reason, RungError
from edge.infer.resilient import FORGIVEN_AFTER_RUNS, NoRungError, Resilient


class Scripted:
    """Doubles its input plus `offset`; each run takes the next word of `script`: "ok" or what to fail with."""

    def __init__(self, script: list[str], offset: int = 0, columns: int = 2) -> None:
        self.running = Running("a rung of its own", "fp32", "script", "1")
        self.input_ports: tuple[Port, ...] = (Port("x", (None, columns), "float32"),)
        self.output_ports: tuple[Port, ...] = (Port("y", (None, columns), "float32"),)
        self.inputs: Mapping[str, np.ndarray] = {"x": np.zeros((4, columns), np.float32)}
        self.outputs: Mapping[str, np.ndarray] = {"y": np.zeros((4, columns), np.float32)}
        self.closed = 0
        self.stages_ms: Mapping[str, float] = {}
        self._script, self._offset = script, offset

    def run(self, batch: int | None = None) -> None:
        assert not self.closed
        word = self._script.pop(0) if self._script else "ok"
        if word == "gpu":
            raise RungError(Reason.BACKEND_FAILED, "an illegal memory access")
        if word == "data":
            raise DataError("ONNX Runtime cannot run it")
        if word == "bug":
            raise ValueError("a mistake of ours")
        self.outputs["y"][:batch] = self.inputs["x"][:batch] * 2 + self._offset

    def close(self) -> None:
        self.closed += 1


class Openers:
    """Openers of rungs, each with a script for every time it is opened; "!" is an opening that fails."""

    def __init__(self, **scripts: list[str]) -> None:
        self.opened: list[tuple[str, Scripted]] = []
        self.rungs = [(name, self._opener(name, list(s), i)) for i, (name, s) in enumerate(scripts.items())]

    def _opener(self, name: str, scripts: list[str], offset: int) -> Callable[[], Backend]:
        def open_() -> Backend:
            script = scripts.pop(0) if scripts else ""
            if script == "!":
                raise RungError(Reason.ENGINE_MISSING, "no plan")
            backend = Scripted(script.split(), offset, columns=3 if "wide" in script else 2)
            self.opened.append((name, backend))
            return backend

        return open_

    def names(self) -> list[str]:
        return [name for name, _ in self.opened]


def answer(backend: Resilient, value: float) -> float:
    """Put `value` in, run, and see what comes out, through the arrays that were there at the beginning."""
    backend.inputs["x"][...] = value
    backend.run()
    return float(backend.outputs["y"][0, 0])


def test_the_first_rung_that_opens_is_taken_and_the_others_leave_their_reason() -> None:
    openers = Openers(int8=["!"], fp16=["!"], cpu=["ok"])
    backend = Resilient(openers.rungs)
    assert backend.running.rung == "cpu"
    assert [(s.rung, s.reason, s.detail) for s in backend.running.passed_over] == [
        ("int8", Reason.ENGINE_MISSING, "no plan"),
        ("fp16", Reason.ENGINE_MISSING, "no plan"),
    ]
    assert answer(backend, 1) == 4


def test_no_rung_at_all_is_an_error_with_every_reason() -> None:
    with pytest.raises(NoRungError, match="int8 and fp16: engine_missing") as caught:
        Resilient(Openers(int8=["!"], fp16=["!"]).rungs)
    assert caught.value.exit_code == 69
    assert len(caught.value.skips) == 2


def test_a_failure_opens_the_same_rung_again_and_the_frame_is_not_lost() -> None:
    openers = Openers(int8=["ok gpu", "ok ok"], cpu=[])
    backend = Resilient(openers.rungs)
    assert [answer(backend, v) for v in (1, 2, 3)] == [2, 4, 6]
    assert openers.names() == ["int8", "int8"]
    assert (backend.running.rung, backend.failures, backend.running.passed_over) == ("int8", 1, ())


def test_a_second_failure_goes_one_rung_down_and_says_why() -> None:
    openers = Openers(int8=["ok gpu", "ok gpu"], fp16=[], cpu=[])
    backend = Resilient(openers.rungs)
    assert [answer(backend, v) for v in (1, 2, 3, 4)] == [2, 4, 7, 9]
    assert openers.names() == ["int8", "int8", "fp16"]
    assert (backend.running.rung, backend.failures) == ("fp16", 2)
    assert [(s.rung, s.reason, s.detail) for s in backend.running.passed_over] == [
        ("int8", Reason.BACKEND_FAILED, "an illegal memory access")
    ]


def test_a_rung_that_cannot_be_opened_again_is_left_at_once() -> None:
    openers = Openers(int8=["gpu", "!"], cpu=[])
    backend = Resilient(openers.rungs)
    assert answer(backend, 1) == 3
    assert backend.running.rung == "cpu"
    assert [s.reason for s in backend.running.passed_over] == [Reason.ENGINE_MISSING]


def test_rungs_below_that_do_not_open_are_passed_over_in_mid_stream_too() -> None:
    openers = Openers(int8=["gpu", "gpu"], fp16=["!"], cpu=[])
    backend = Resilient(openers.rungs)
    assert answer(backend, 1) == 4
    assert [(s.rung, s.reason) for s in backend.running.passed_over] == [
        ("int8", Reason.BACKEND_FAILED),
        ("fp16", Reason.ENGINE_MISSING),
    ]


def test_a_rung_with_other_buffers_is_refused() -> None:
    openers = Openers(int8=["gpu", "gpu"], fp16=["wide"], cpu=[])
    backend = Resilient(openers.rungs)
    assert answer(backend, 1) == 4
    assert backend.running.passed_over[-1].detail == "its inputs and outputs are not those of the rung before"
    assert dict(openers.opened)["fp16"].closed == 1


@pytest.mark.parametrize("failure", ["gpu", "data"])
def test_the_last_rung_gets_its_second_try_and_then_it_is_over(failure: str) -> None:
    backend = Resilient(Openers(cpu=[failure, f"ok {failure}"]).rungs)
    assert answer(backend, 1) == 2
    with pytest.raises(NoRungError, match="cpu: backend_failed"):
        answer(backend, 2)


def test_a_failure_long_after_the_last_is_forgiven() -> None:
    openers = Openers(int8=["gpu", " ".join(["ok"] * FORGIVEN_AFTER_RUNS) + " gpu", "gpu"], cpu=[])
    backend = Resilient(openers.rungs)
    for _ in range(FORGIVEN_AFTER_RUNS):
        backend.run()
    assert backend.running.rung == "int8"
    assert answer(backend, 1) == 3  # the new failure reopens int8, which fails again, and the CPU takes over
    assert openers.names() == ["int8", "int8", "int8", "cpu"]


def test_buffers_stay_the_same_arrays_and_only_the_rows_in_use_are_copied() -> None:
    openers = Openers(int8=["gpu", "gpu"], cpu=[])
    backend = Resilient(openers.rungs)
    inputs, outputs = backend.inputs["x"], backend.outputs["y"]
    inputs[...], outputs[...] = 5, -1
    backend.run(2)
    assert backend.inputs["x"] is inputs
    assert backend.outputs["y"] is outputs
    np.testing.assert_array_equal(outputs[:, 0], [11, 11, -1, -1])


def test_mistakes_of_ours_are_not_swallowed() -> None:
    backend = Resilient(Openers(int8=["bug"], cpu=[]).rungs)
    with pytest.raises(ValueError, match="a mistake of ours"):
        backend.run()


def test_closing_closes_every_backend_once() -> None:
    openers = Openers(int8=["gpu", "gpu"], cpu=[])
    backend = Resilient(openers.rungs)
    backend.run()
    assert [scripted.closed for _, scripted in openers.opened] == [0, 0, 0]  # their buffers are still in use
    backend.close()
    assert [scripted.closed for _, scripted in openers.opened] == [1, 1, 1]

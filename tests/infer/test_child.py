"""A child process may crash, hang or grow; its parent always learns how, and never with it."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edge.infer import child
from edge.infer.reasons import Reason, RungError
from tests.field import PATIENCE_S

MEBI = 1 << 20


def talk(argument: Any, report: child.Report) -> None:
    report({"echo": argument})
    sys.stderr.write("something went by\n")


def refuse(_: None, report: child.Report) -> None:
    report({"stage": "half-way"})
    raise RungError(Reason.NO_PYCUDA, "no module")


def crash(_: None, report: child.Report) -> None:
    report({"stage": "half-way"})
    os.kill(os.getpid(), signal.SIGSEGV)


def fail(_: None, report: child.Report) -> None:
    raise KeyError("a mistake of ours")


def hang(pid_file: str, report: child.Report) -> None:
    if os.fork() == 0:  # a grandchild, as a compiler's worker would be
        Path(pid_file).write_text(str(os.getpid()))
    time.sleep(60)


def grow(_: None, report: child.Report) -> None:
    blocks = []
    while True:
        blocks.append(bytearray(os.urandom(MEBI)) * 16)
        time.sleep(0.01)


def call(function: Any, argument: Any = None, timeout_s: float = 30.0, **limits: Any) -> child.Outcome:
    return child.call(f"tests.infer.test_child:{function.__name__}", argument, timeout_s=timeout_s, **limits)


def test_messages_arrive_in_order_and_as_they_come() -> None:
    heard: list[child.Message] = []
    outcome = call(talk, {"numbers": [1, 2]}, on_message=heard.append)
    assert outcome.messages == heard == [{"echo": {"numbers": [1, 2]}}]
    assert outcome.status == 0
    assert outcome.output == "something went by\n"
    outcome.require("talking", Reason.TENSORRT_BROKEN)


def test_a_reason_given_in_the_child_is_raised_in_the_parent() -> None:
    outcome = call(refuse)
    assert outcome.messages[0] == {"stage": "half-way"}
    with pytest.raises(RungError) as caught:
        outcome.require("refusing", Reason.TENSORRT_BROKEN)
    assert (caught.value.reason, caught.value.detail) == (Reason.NO_PYCUDA, "no module")


def test_a_segmentation_fault_is_a_reason_and_what_was_said_before_is_kept() -> None:
    outcome = call(crash)
    assert outcome.status == -signal.SIGSEGV
    assert outcome.messages == [{"stage": "half-way"}]
    with pytest.raises(RungError, match="loading was killed by SIGSEGV") as caught:
        outcome.require("loading", Reason.TENSORRT_BROKEN)
    assert caught.value.reason is Reason.TENSORRT_BROKEN


def test_an_exception_shows_its_last_line() -> None:
    with pytest.raises(RungError, match="status 1: KeyError: 'a mistake of ours'"):
        call(fail).require("failing", Reason.BACKEND_FAILED)


def test_a_child_that_hangs_is_killed_with_its_own_children(tmp_path: Path) -> None:
    begun_s = time.monotonic()
    call(fail)
    start_s = time.monotonic() - begun_s  # of a process, which takes seconds on an emulated board
    outcome = call(hang, str(tmp_path / "pid"), timeout_s=1 + 4 * start_s)
    assert outcome.timed_out
    with pytest.raises(RungError) as caught:
        outcome.require("hanging", Reason.BACKEND_FAILED)
    assert caught.value.reason is Reason.TIMEOUT
    grandchild = int((tmp_path / "pid").read_text())
    deadline_s = time.monotonic() + PATIENCE_S
    while _runs(grandchild) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not _runs(grandchild)


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_child_that_grows_is_killed_before_the_board_dies() -> None:
    outcome = call(grow, memory_bytes=300 * MEBI)
    assert outcome.out_of_memory
    with pytest.raises(RungError) as caught:
        outcome.require("growing", Reason.BACKEND_FAILED)
    assert caught.value.reason is Reason.OUT_OF_MEMORY


def test_a_board_without_memory_ends_the_child_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "available_bytes", lambda: 1)
    assert call(grow).out_of_memory

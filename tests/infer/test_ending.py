"""A process ends well while a daemon thread computes: Python would stop it inside the library, which aborts."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.infer.ending import Runs
from tests.infer.packs import write_pack

PROGRAM = """
import sys, threading
from pathlib import Path
from edge import modelpack
from edge.infer.ladder import Ladder, Wish

rung, pack, cache = sys.argv[1:]
network = Ladder(Wish(require=rung), Path(cache)).open(modelpack.read(pack), "detector")
is_running = threading.Event()

def forever():
    while True:
        network.run()
        is_running.set()

threading.Thread(target=forever, daemon=True).start()
assert is_running.wait(120)
print("done")
"""


@pytest.mark.parametrize("rung", ["onnxruntime-fp32", "openvino-fp32"])
def test_at_exit_a_running_network_is_waited_for(tmp_path: Path, rung: str) -> None:
    pytest.importorskip(rung.partition("-")[0])
    pack = write_pack(tmp_path / "tiny.pack", ("fp32",), reid=False)
    command = [sys.executable, "-c", PROGRAM, rung, str(pack.folder), str(tmp_path / "cache")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr


def test_the_end_waits_for_runs_in_progress_and_none_begins_later() -> None:
    runs = Runs()
    entered, leave, over, late = (threading.Event() for _ in range(4))

    def run() -> None:
        with runs:
            entered.set()
            leave.wait()

    def begin_late() -> None:
        with runs:
            late.set()

    def end() -> None:
        runs.end()
        over.set()

    threading.Thread(target=run, daemon=True).start()
    assert entered.wait(60)
    threading.Thread(target=end).start()
    assert not over.wait(0.2)
    leave.set()
    assert over.wait(60)
    threading.Thread(target=begin_late, daemon=True).start()
    assert not late.wait(0.2)
    with runs:  # the main thread still may: it is nothing that the end stops
        pass

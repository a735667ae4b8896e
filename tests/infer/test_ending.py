"""A process ends well while a daemon thread computes: Python would stop it inside the library, which aborts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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

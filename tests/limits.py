"""Runs a function in a child process whose memory and time are limited: for files that are made to eat both."""

import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1 << 20

_CHILD = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import {imports}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {call}
except {error} as error:
    print("refused:", error)
else:
    print("accepted")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def outcome(imports: str, call: str, *, most_megabytes: float = 200, timeout_s: float = 60) -> str:
    """What came of statement `call` after `import imports`: "accepted", or "refused: " with the sentence of its
    NanoTrackError.

    Fails where it takes more memory or time, or ends in any other error.
    """
    code = _CHILD.format(imports=f"edge.errors, {imports}", call=call, error="edge.errors.NanoTrackError")
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        # A child that gets past the limit anyway is stopped well before this machine swaps.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told, grown_kb = done.stdout.rstrip().rsplit("\n", 1)
    grown_megabytes = int(grown_kb) / 1024
    assert grown_megabytes <= most_megabytes, f"{grown_megabytes:.0f} MB for: {told}"
    return told

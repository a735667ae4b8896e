"""Fuzz the readers of files for minutes or hours: `make fuzz`, or

    python -m tests.fuzz --minutes 30 --target checkpoint --seed 7 --corpus DIR

Each target runs in a process of its own under a limit of memory. An input that is answered by anything but a result or
a NanoTrackError, or that takes longer than 20 seconds, is kept in the corpus folder as `<target>-crash-...`, and the
exit code is 1. Inputs that led to a new answer are kept there too, and are where the next run starts.
"""

import argparse
import hashlib
import multiprocessing
import os
import re
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from edge.errors import NanoTrackError
from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, Target

HANG_S = 20
MEMORY_BYTES = 6 << 30  # of address space, of which libraries reserve more than they use
MOST_KEPT = 500


class Hang(BaseException):  # no reader catches it by accident
    """A reader that did not come back."""


def answer(target: Target, path: Path) -> str:
    """What the reader makes of the file, numbers and names left out; raises what is no answer."""
    try:
        target.read(path)
    except NanoTrackError as error:
        text = str(error)
        assert text.strip(), "an error without a sentence"
        assert len(text) < 20_000, f"an error of {len(text)} characters"
        return re.sub(r"'[^']*'|\d+", "", text.removeprefix(str(path)))[:120]
    return "read"


def fuzz(name: str, seconds: float, seed: int, corpus: Path | None, folder: Path) -> tuple[int, list[str]]:
    """Run one target; how many inputs there were, and the failures in a line each."""
    target = TARGETS[name]
    inputs = target.seeds(folder)
    if corpus is not None:
        corpus.mkdir(parents=True, exist_ok=True)
        inputs += [path.read_bytes() for path in sorted(corpus.glob(f"{name}-*")) if "-crash-" not in path.name]
    random, seen, failures = np.random.default_rng(seed), set(), []
    path = folder / f"input{target.suffix}"
    end_s, count = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        content = mutated(inputs, random)
        path.write_bytes(content)
        count += 1
        signal.alarm(HANG_S)
        try:
            found = answer(target, path)
        except (Exception, Hang) as error:  # noqa: BLE001 - whatever it is, it is a find
            failures.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
            _keep(corpus, f"{name}-crash", content)
            traceback.print_exc()
            continue
        finally:
            signal.alarm(0)
        if found not in seen:
            seen.add(found)
            if len(inputs) < MOST_KEPT:
                inputs.append(content)
                _keep(corpus, name, content)
    return count, failures


def _keep(corpus: Path | None, name: str, content: bytes) -> None:
    if corpus is not None:
        (corpus / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}").write_bytes(content)


def _ring(number: int, frame: object) -> None:
    raise Hang(f"no answer after {HANG_S} s")


def _child(name: str, seconds: float, seed: int, corpus: Path | None, folder: Path) -> None:
    signal.signal(signal.SIGALRM, _ring)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    count, failures = fuzz(name, seconds, seed, corpus, folder)
    sys.stdout.write(f"{name}: {count} inputs, {len(failures)} failures, peak {_peak_megabytes():.0f} MB\n")
    sys.stdout.flush()
    os._exit(bool(failures))


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run the targets one after the other."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, metavar="F", help="for each target; default: 1")
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--corpus", type=Path, default=Path.home() / ".cache/nanotrack-fuzz", metavar="DIR",
        help="where inputs are kept between runs; default: ~/.cache/nanotrack-fuzz",
    )  # fmt: skip
    args = parser.parse_args()
    code = 0
    for name in args.target or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            arguments = name, 60 * args.minutes, args.seed, args.corpus, Path(folder)
            process = multiprocessing.get_context("spawn").Process(target=_child, args=arguments)
            process.start()
            process.join()
        if process.exitcode != 0:
            sys.stdout.write(f"{name}: FAILED with exit code {process.exitcode}; see {args.corpus}\n")
            code = 1
    return code

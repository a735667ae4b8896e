"""One time limit for several things that are waited for one after another."""

import time
from collections.abc import Iterator


def countdown(timeout_s: float) -> Iterator[float]:
    """What is left of `timeout_s` whenever it is asked for, in seconds, in the end 0 for ever."""
    until_s = time.monotonic() + timeout_s
    while True:
        yield max(0.0, until_s - time.monotonic())

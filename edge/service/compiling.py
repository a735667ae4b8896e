"""The first start compiles all kernels for this processor, which takes minutes: what the log says about it."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.kernels import cache
from edge.service.notify import notify

logger = logging.getLogger(__name__)

# An entry that every chain needs, and that is compiled after the trackers' own.
_ROOM, _ENTRY = Path(__file__).parents[1] / "detect", "edge.detect.preprocess."


@contextmanager
def announced() -> Iterator[None]:
    """A context in which the kernels are imported: where none are in the cache it says so, and then how long it took.

    Raises OutputError where there can be no cache.
    """
    if cache.is_stored(_ROOM, _ENTRY):
        yield
        return
    began_s = time.monotonic()
    logger.info(
        "first start: compiling for this processor; that takes about a minute on a PC, and several on a small board."
        " Later starts read the compiled code from %s",
        cache.cache_folder(_ROOM).parent,
    )
    notify("STATUS=first start: compiling, which takes minutes")
    yield
    logger.info("compiled in %.0f s", time.monotonic() - began_s)

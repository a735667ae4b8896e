"""Log lines for the journal: each with its priority in front, none with a password in it."""

import logging
import os
import sys
import threading

from edge.console.outgoing import PublicFormatter

logger = logging.getLogger(__name__)

# sd-daemon(3): err, warning, info, debug.
_PRIORITIES = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class JournalFormatter(PublicFormatter):
    """`<4>message`, with the priority only where the journal reads it; the journal adds the time itself."""

    def __init__(self, *, priorities: bool):
        super().__init__("%(message)s" if priorities else "%(asctime)s %(levelname)s %(message)s")
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        """The line, or for a traceback the lines, each with the priority."""
        text = super().format(record)
        if not self._priorities:
            return text
        level = max((level for level in _PRIORITIES if level <= record.levelno), default=logging.DEBUG)
        return "\n".join(f"<{_PRIORITIES[level]}>{line}" for line in text.splitlines())


def log_to_journal(*, verbose: bool) -> None:
    """Send all logging to standard output, as the service manager wants it."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JournalFormatter(priorities="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("edge").setLevel(logging.DEBUG if verbose else logging.INFO)
    threading.excepthook = _log_exception


def _log_exception(args: threading.ExceptHookArgs) -> None:
    """A thread of a library that died: in the log, and not on standard error with whatever its error holds."""
    if args.exc_value is not None:
        name = args.thread.name if args.thread else "a thread"
        logger.error("%s ended with an error", name, exc_info=args.exc_value)

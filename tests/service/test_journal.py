"""Log lines: one priority each, no passwords, a traceback in full."""

import logging

import pytest

from edge.service.journal import JournalFormatter


def record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord("edge", level, "", 0, text, (), None)


@pytest.mark.parametrize(
    ("level", "prefix"),
    [(logging.DEBUG, "<7>"), (logging.INFO, "<6>"), (logging.WARNING, "<4>"), (logging.CRITICAL, "<3>"), (5, "<7>")],
)
def test_the_journal_reads_the_priority(level: int, prefix: str) -> None:
    text = "camera door: rtsp://me:secret@host/x\nand more"
    shown = JournalFormatter(priorities=True).format(record(level, text))
    assert shown == f"{prefix}camera door: rtsp://***@host/x\n{prefix}and more"


def test_a_terminal_gets_the_time_instead() -> None:
    shown = JournalFormatter(priorities=False).format(record(logging.INFO, "hello"))
    assert shown.endswith(" INFO hello")
    assert shown[:2] == "20"

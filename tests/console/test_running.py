import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.console.running import Progress, StopRequest, Summary
from edge.spans import Spans
from tests.field import PATIENCE_S
from tests.sinks.tracks import tracks


def test_the_first_signal_is_noted_the_second_stops() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert stop.exit_code == 0
        signal.raise_signal(signal.SIGINT)
        assert stop.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_summary_counts() -> None:
    summary, spans = Summary(), Spans()
    summary.start()
    for shown in (tracks(1, 2), tracks(), tracks(2, 3, 5), tracks(5)):
        with spans["track"]:
            summary.add(shown)
    lines = summary.text(spans).splitlines()
    assert lines[0].startswith("4 frames: 3 tracks at most, 1.5 on average, 4 identities, ")
    assert lines[1].split() == ["stage", "mean", "ms", "p50", "p99", "calls"]
    assert lines[2].split()[0] == "track"
    assert lines[2].split()[-1] == "4"
    p50, p99 = np.percentile(spans["track"].recent_ms(), (50, 99))
    assert [float(word) for word in lines[2].split()[2:4]] == pytest.approx([p50, p99], abs=1e-3)


def test_no_bar_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(3) as progress:
        progress.advance("x")
    assert capfd.readouterr() == ("", "")


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from edge.console.running import Progress\n"
        "with Progress(3) as progress:\n"
        "    for _ in range(3):\n"
        "        progress.advance('17 FPS')\n"
        "        time.sleep(.15)\n"
    )
    terminal, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", code], stderr=slave, stdout=subprocess.PIPE, env=env) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # Linux: the other end was closed
                break
            if not part:
                break
            shown += part
        assert process.wait(PATIENCE_S) == 0
    os.close(terminal)
    text = shown.decode()
    assert "17 FPS" in text
    assert "/3" in text

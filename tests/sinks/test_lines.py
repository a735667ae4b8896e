import resource
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import OutputError
from edge.sinks.lines import LineFile


def test_appended_text_is_there_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old\n")
    file = LineFile(path)
    assert path.read_text() == ""
    file.append("one\n")
    file.append("zwölf\n")
    assert path.read_text("utf-8") == "one\nzwölf\n"
    file.close()
    file.close()


@pytest.mark.parametrize("name", ["missing/out.txt", "."])
def test_a_file_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot write it"):
        LineFile(tmp_path / name)


def test_a_full_device() -> None:
    file = LineFile(Path("/dev/full"))
    with pytest.raises(OutputError, match="/dev/full: cannot write on: No space left on device"):
        file.append("x\n")
    file.close()


_FILL = """
import sys
from pathlib import Path
from edge.errors import OutputError
from edge.sinks.lines import LineFile

file = LineFile(Path(sys.argv[1]))
try:
    while True:
        file.append("0123456789 a line of text\\n" * 7)
except OutputError as error:
    print(error)
file.close()
"""


def test_a_full_disk_leaves_whole_appends(tmp_path: Path) -> None:
    path, limit = tmp_path / "out.txt", 10_000  # no multiple of what is appended: the last write is cut
    done = subprocess.run(
        [sys.executable, "-c", _FILL, path],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=True,
    )
    assert "cannot write on: File too large" in done.stdout
    text = path.read_text()
    assert limit - 7 * 26 < len(text) <= limit
    assert text == "0123456789 a line of text\n" * (len(text) // 26)
    assert len(text) // 26 % 7 == 0

"""What commands write to standard output passes the one place that makes it safe."""

import ast
from pathlib import Path

import pytest

import edge
from edge.console.outgoing import say

ROOT = Path(edge.__file__).parents[1]
COMMANDS = sorted(path for package in ("edge", "export") for path in (ROOT / package / "commands").glob("*.py"))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_commands_write_json_or_say(path: Path) -> None:
    """JSON escapes by itself; everything else goes through `say` or a `Terminal`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "sys.stdout.write":
            assert ast.unparse(node.args[0]).startswith("json.dumps("), f"{path}:{node.lineno}: take say"
        if isinstance(node, ast.keyword) and node.arg == "ensure_ascii":
            raise AssertionError(f"{path}:{node.lineno}: JSON for a terminal escapes everything that is no ASCII")


def test_what_is_said_steers_no_terminal_and_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    say("pack \x1b[2J\u202e\udcff of rtsp://me:secret@host/x")
    assert capsys.readouterr().out == "pack \\x1b[2J\\u202e\\udcff of rtsp://***@host/x\n"

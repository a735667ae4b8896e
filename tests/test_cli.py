import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import __version__, errors
from edge.cli import VERBS, dispatch, main


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of commands that do what their flag says."""
    folder = tmp_path / "some_commands"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "act.py").write_text(
        '"""Acts, with a text of its own."""\n'
        "from edge import errors\n"
        "def add_arguments(parser):\n"
        "    parser.add_argument('how')\n"
        "def run(args):\n"
        "    if args.how == 'ctrl-c':\n"
        "        raise KeyboardInterrupt\n"
        "    if args.how == 'bug':\n"
        "        raise RuntimeError('ours')\n"
        "    if args.how == 'full':\n"
        "        raise OSError(28, 'No space left on device', 'out.mp4')\n"
        "    if args.how == 'gone':\n"
        "        raise FileNotFoundError(2, 'No such file or directory', 'in.mp4')\n"
        "    if args.how == 'memory':\n"
        "        raise MemoryError\n"
        "    if args.how == 'steers':\n"
        "        raise errors.DataError('a\\x1b[2J[/x].pack: rtsp://me:secret@h/x is none')\n"
        "    if args.how == 'pipe':\n"
        "        raise BrokenPipeError\n"
        "    if args.how == 'terminated':\n"
        "        import os, signal\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    if args.how.isdigit():\n"
        "        return int(args.how)\n"
        "    if args.how != 'fine':\n"
        "        raise getattr(errors, args.how)('one sentence')\n"
    )
    (folder / "broken.py").write_text("raise ImportError('must not be imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "some_commands"
    for name in [name for name in sys.modules if name.startswith("some_commands")]:
        del sys.modules[name]


def act(package: str, *arguments: str) -> int:
    return dispatch("prog", "A program.", package, {"act": "act somehow", "broken": "never imported"}, arguments)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("fine", 0),
        ("7", 7),
        ("UsageError", 64),
        ("DataError", 65),
        ("InputError", 65),
        ("NotFoundError", 66),
        ("UnavailableError", 69),
        ("OutputError", 73),
        ("ConfigError", 78),
        ("ctrl-c", 130),
        ("terminated", 143),
    ],
)
def test_exit_codes(package: str, how: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert act(package, "act", how) == code
    error = capsys.readouterr().err
    assert error == ("prog act: one sentence\n" if how.endswith("Error") else "")


@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("bug", 70, "a bug of nanotrack-edge, not a mistake of yours: RuntimeError: ours; run it again with --verbose"),
        ("full", 73, "out.mp4: cannot write it: No space left on device; choose another place"),
        ("gone", 66, "in.mp4: No such file or directory; was it moved or removed meanwhile?"),
        ("memory", 69, "not enough memory; stop other programs, or use smaller inputs"),
        ("steers", 65, r"a\x1b[2J[/x].pack: rtsp://***@h/x is none"),
    ],
)
def test_every_error_ends_as_a_sentence(
    package: str, how: str, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert act(package, "act", how) == code
    error = capsys.readouterr().err
    assert error.startswith(f"prog act: {text}")
    assert error.count("\n") == 1


def test_a_bug_is_shown_in_full_when_asked_for(package: str, caplog: pytest.LogCaptureFixture) -> None:
    assert act(package, "act", "bug", "--verbose") == 70
    assert "raise RuntimeError('ours')" in caplog.text


def test_every_error_has_a_documented_exit_code() -> None:
    raised = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert all(issubclass(kind, errors.NanoTrackError) for kind in raised)
    kinds = [k for k in raised if issubclass(k, errors.NanoTrackError) and k is not errors.NanoTrackError]
    assert {kind.exit_code for kind in kinds} == {64, 65, 66, 69, 73, 78}


def test_verbose_shows_the_traceback(package: str, caplog: pytest.LogCaptureFixture) -> None:
    assert act(package, "act", "DataError", "--verbose") == 65
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("arguments", [[], ["act"], ["act", "fine", "--nonsense"], ["nonsense"]])
def test_wrong_usage(package: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert act(package, *arguments) == 64
    assert "usage: prog" in capsys.readouterr().err


def test_help_of_the_program_and_of_a_verb(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert act(package, "--help") == 0
    assert "act somehow" in capsys.readouterr().out
    assert act(package, "act", "--help") == 0
    assert "with a text of its own" in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"usage: nanotrack {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    ["batch x --model m", "demo", "fetch", "val --benchmark MOT17 --data d", "pack --detector d", "train detector"],
)
def test_where_to_write_has_one_name(command: str) -> None:
    verb = command.split()[0]
    module = importlib.import_module(f"{'edge' if verb in VERBS else 'export'}.commands.{verb}")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    for name in ("-o", "--out", "--output"):
        assert parser.parse_args([*command.split()[1:], name, "there"]).out == Path("there")
    shown = parser.format_help()
    assert "-o " in shown
    assert "--out " in shown
    assert "--output" not in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nanotrack {__version__}\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, unbuffered: str) -> None:
    det = tmp_path / "det.txt"
    det.write_text("".join(f"{n},-1,10,20,30,80,0.9\n" for n in range(1, 50)))
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "edge.cli", "track", "--detections", str(det)]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")

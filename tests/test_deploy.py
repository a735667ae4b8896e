"""The shipped unit, as systemd itself sees it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import edge

UNIT = Path(edge.__file__).with_name("deploy") / "nanotrack.service"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def settings() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))


def analyze(*arguments: str) -> str:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@needs_systemd
def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "nanotrack.service"
    # `verify` wants the program to exist, and other units of this machine are not our business.
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text()))
    assert analyze("verify", "--recursive-errors=no", "--man=no", str(copy)) == ""


@needs_systemd
def test_the_unit_is_exposed_as_little_as_a_camera_and_a_compiler_allow() -> None:
    if "--offline" not in analyze("--help"):
        pytest.skip("systemd-analyze security --offline needs systemd 250")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", analyze("security", "--offline=yes", str(UNIT)))
    assert found is not None
    assert float(found[1]) <= 2.0


def test_a_restart_is_not_tried_where_it_cannot_help() -> None:
    unit = settings()
    assert set(unit["RestartPreventExitStatus"].split()) == {"64", "65", "66", "78"}
    # Nothing fails for ever at once: every 5 s and a start's own time, which is longer than a minute for 60 of them.
    assert (unit["StartLimitIntervalSec"], unit["StartLimitBurst"]) == ("1h", "60")
    assert 60 * int(unit["RestartSec"]) < 3600


def test_the_user_exists_before_the_first_start() -> None:
    unit = settings()
    assert "DynamicUser" not in unit
    made = (UNIT.with_name("sysusers.conf")).read_text()
    assert re.search(rf"^u {unit['User']} -", made, re.MULTILINE)
    folders = (UNIT.with_name("tmpfiles.conf")).read_text()
    for name in ("lib", "cache"):
        assert f"d /var/{name}/{unit['StateDirectory']} 0700 {unit['User']} {unit['Group']} -" in folders


def test_the_unit_leaves_room_for_the_compiler() -> None:
    assert "MemoryDenyWriteExecute" not in settings()
    assert "NUMBA_CACHE_DIR=/var/cache/nanotrack/numba" in settings()["Environment"]
    assert settings()["CacheDirectory"] == "nanotrack"


def test_the_unit_has_no_credentials_that_may_be_missing() -> None:
    assert "LoadCredential" not in settings()

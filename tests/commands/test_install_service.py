"""`nanotrack install-service` and `uninstall-service`: into a folder with systemd's own tools, and what they print."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.errors import OutputError
from edge.service.installation import plan
from edge.service.installation.plan import DEPLOY, Target, environment_of, installation, removal
from edge.service.installation.step import Copy, Run

has_tools = all(map(shutil.which, ("systemd-sysusers", "systemd-tmpfiles", "systemctl")))
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not has_tools, reason="needs root and systemd's tools, to make users and folders"
)


def command(verb: str, *flags: str) -> int:
    return main([verb, *flags])


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o7777)


@pytest.mark.parametrize("verb", ["install-service", "uninstall-service"])
def test_a_dry_run_prints_the_steps_and_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_pack: Path, verb: str
) -> None:
    flags = ["--pack", str(tiny_pack)] if verb == "install-service" else ["--purge"]
    assert command(verb, "--dry-run", "--root", str(tmp_path), *flags) == 0
    out = capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    for wanted in (
        [f"systemd-sysusers --root={tmp_path} nanotrack.conf", f"cp -r {tiny_pack} {tmp_path}/etc/nanotrack/tiny.pack"]
        if verb == "install-service"
        else ["# configuration, packs and credentials: there already\n"]
    ):
        assert wanted in out


@pytest.mark.parametrize("path", [".", "inner/.."])
def test_a_pack_has_its_own_name_whatever_the_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_pack: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """What has that name in the target is replaced: it must not be /etc/nanotrack, or /etc."""
    pack = tmp_path / "person.pack"
    shutil.copytree(tiny_pack, pack)
    (pack / "inner").mkdir()
    monkeypatch.chdir(pack)
    flags = ["--dry-run", "--root", str(tmp_path)]
    assert command("install-service", *flags, "--pack", path) == 0
    assert f"cp -r {pack} {tmp_path}/etc/nanotrack/person.pack &&" in capsys.readouterr().out
    assert command("install-service", *flags, "--pack", "..") == 65
    assert f"{tmp_path}: expected a model pack or an ONNX file" in capsys.readouterr().err


def test_a_pack_that_cannot_be_copied_does_not_cost_the_one_that_is_there(tmp_path: Path) -> None:
    old, new = tmp_path / "etc" / "person.pack", tmp_path / "person.pack"
    for folder, text in ((old, "old"), (new, "new")):
        folder.mkdir(parents=True)
        (folder / "pack.json").write_text(text)
    (new / "gone").symlink_to("nowhere")
    with pytest.raises(OutputError, match="cannot be written"):
        Copy("the pack", new, old).do()
    assert (old / "pack.json").read_text() == "old"
    (new / "gone").unlink()
    Copy("the pack", new, old).do()
    assert (old / "pack.json").read_text() == "new"
    assert [path.name for path in old.parent.iterdir()] == ["person.pack"]


def test_on_this_machine_it_would_compile_and_check_as_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("install-service", "--dry-run") == 0
    out = capsys.readouterr().out
    as_user = r"runuser -u nanotrack -- env .*NUMBA_CACHE_DIR=/var/cache/nanotrack/numba .*"
    assert re.search(rf"^{as_user} doctor --warm$", out, re.MULTILINE)
    assert re.search(rf"^{as_user} check --config /etc/nanotrack/nanotrack.toml$", out, re.MULTILINE)
    assert out.splitlines()[-1] == "systemctl restart nanotrack.service"


@needs_root
def test_it_installs_twice_keeps_a_configuration_and_is_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_pack: Path
) -> None:
    (tmp_path / "etc").mkdir()
    assert command("install-service", "--root", str(tmp_path), "--pack", str(tiny_pack)) == 0
    users = (tmp_path / "etc/passwd").read_text()
    (uid, gid) = re.findall(r"^nanotrack:x:(\d+):(\d+):.*:/var/lib/nanotrack:/usr/sbin/nologin$", users, re.MULTILINE)[
        0
    ]
    groups = (tmp_path / "etc/group").read_text()
    assert re.search(r"^video:.*nanotrack$", groups, re.MULTILINE)
    assert re.search(r"^render:.*nanotrack$", groups, re.MULTILINE)
    for name in ("var/lib/nanotrack", "var/cache/nanotrack"):
        folder = tmp_path / name
        assert (mode(folder), folder.stat().st_uid, folder.stat().st_gid) == ("0o700", int(uid), int(gid))
    folder = tmp_path / "etc/nanotrack/credentials"
    assert (mode(folder), folder.stat().st_uid, folder.stat().st_gid) == ("0o2750", 0, int(gid))
    secret = folder / "camera"
    secret.write_text("me:secret")
    assert secret.stat().st_gid == int(gid)
    config = tmp_path / "etc/nanotrack/nanotrack.toml"
    assert 'pack = "/etc/nanotrack/tiny.pack"' in config.read_text()
    assert mode(config) == "0o644"
    assert (tmp_path / "etc/nanotrack/tiny.pack/pack.json").read_bytes() == (tiny_pack / "pack.json").read_bytes()
    unit = (tmp_path / "etc/systemd/system/nanotrack.service").read_text()
    assert re.search(r"^ExecStart=/\S+.* serve --config /etc/nanotrack/nanotrack.toml$", unit, re.MULTILINE)
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants/nanotrack.service"
    assert wants.is_symlink()

    config.write_text("# mine\n")
    capsys.readouterr()
    assert command("install-service", "--root", str(tmp_path)) == 0
    assert config.read_text() == "# mine\n"
    assert capsys.readouterr().out.count(": there already") == 4
    assert (tmp_path / "etc/passwd").read_text() == users

    assert command("uninstall-service", "--root", str(tmp_path)) == 0
    assert not os.path.lexists(wants)
    assert sorted(path.name for path in (tmp_path / "etc/systemd/system").rglob("nanotrack*")) == []
    assert config.exists()
    assert secret.exists()
    assert not (tmp_path / "var/cache/nanotrack").exists()
    (tmp_path / "var/log/nanotrack").mkdir(parents=True)  # as systemd does for the unit
    assert command("uninstall-service", "--purge", "--root", str(tmp_path)) == 0
    assert not (tmp_path / "etc/nanotrack").exists()
    assert not (tmp_path / "var/lib/nanotrack").exists()
    assert not (tmp_path / "var/log/nanotrack").exists()
    assert command("uninstall-service", "--purge", "--root", str(tmp_path)) == 0


@needs_root
def test_the_unit_that_it_writes_is_one_for_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.setattr(plan, "program", lambda: ["/bin/true"])
    monkeypatch.setattr("edge.commands.install_service.program", lambda: ["/bin/true"])
    assert command("install-service", "--root", str(tmp_path)) == 0
    unit = tmp_path / "etc/systemd/system/nanotrack.service"
    verify = ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    assert done.stdout + done.stderr == ""


def test_what_it_cannot_do_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as somebody:
        somebody.setattr(os, "geteuid", lambda: 1000)
        assert command("install-service", "--root", str(tmp_path)) == 73
        assert re.search(r"needs root.*: sudo .*install-service", capsys.readouterr().err)
        assert command("uninstall-service", "--root", str(tmp_path)) == 73
    assert command("install-service", "--dry-run", "--pack", str(tmp_path / "none.pack")) == 66
    assert "none.pack: expected a file or folder to install" in capsys.readouterr().err
    with monkeypatch.context() as at_home:
        at_home.setattr(sys, "base_prefix", "/home/me/python")
        assert command("install-service") == 69
        assert "the service cannot see" in capsys.readouterr().err
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "geteuid", lambda: 0)
        elsewhere.setattr("edge.commands.install_service.require_visible", lambda: None)
        elsewhere.setattr("edge.commands.install_service.has_systemd", lambda: False)
        assert command("install-service") == 69
        assert "systemd does not run here" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "wanted"), [(78, 78), (69, 69), (3, 69)])
def test_a_step_that_fails_ends_it_with_what_to_do(code: int, wanted: int) -> None:
    from edge.errors import NanoTrackError

    step = Run("is the configuration right?", ("sh", "-c", f"exit {code}"), "correct it, then run it again")
    with pytest.raises(NanoTrackError, match=f"exit code {code}; correct it") as caught:
        step.do()
    assert caught.value.exit_code == wanted


def test_credentials_of_a_drop_in_reach_the_check(tmp_path: Path) -> None:
    folder = tmp_path / "etc/systemd/system/nanotrack.service.d"
    folder.mkdir(parents=True)
    (folder / "override.conf").write_text("[Service]\nLoadCredential=camera:/root/camera\n# LoadCredential=no:/no\n")
    target = Target(tmp_path)
    steps = list(plan._running(target, ["nanotrack"], {"A": "1"}))
    (check,) = [step.shown for step in steps if "check" in step.shown]
    assert "-pUser=nanotrack -pLoadCredential=camera:/root/camera -EA=1 nanotrack check" in check


def test_the_environment_is_that_of_the_unit() -> None:
    found = environment_of((DEPLOY / "nanotrack.service").read_text())
    assert found["NUMBA_CACHE_DIR"] == "/var/cache/nanotrack/numba"
    assert found["NANOTRACK_CACHE_DIR"] == "/var/cache/nanotrack"


def test_removing_begins_with_stopping() -> None:
    first, *_ = removal(Target(), purge=False)
    assert first.shown == "systemctl disable --now nanotrack.service"
    assert [step.shown for step in installation(Target(), ["n"], None, None)][-1].startswith("systemctl restart")

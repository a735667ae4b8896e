"""An engine is loaded when every field of its key agrees and nobody else could have written it, else never."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.errors import OutputError, UnavailableError
from edge.infer import storage
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt import cache
from edge.infer.tensorrt.cache import EngineKey
from edge.kernels import private

KEY = EngineKey(
    onnx_sha256="a" * 64,
    precision="int8",
    input_shapes={"image": (1, 416, 416, 3)},
    tensorrt="10.3.0",
    libraries=("libnvinfer.so.10.3.0",),
    cuda="12.6",
    driver="L4T 36.4.3",
    device="Orin",
    sm="8.7",
    sm_count=8,
    builder_flags=(),
)

OTHERWISE: dict[str, Any] = {
    "tensorrt": "10.16.1",
    "libraries": ("libnvinfer.so.10.16.1",),
    "cuda": "13.2",
    "driver": "L4T 39.2",
    "device": "Thor",
    "sm": "11.0",
    "sm_count": 20,
    "builder_flags": ("FP16",),
    "workspace_bytes": 1 << 20,
    "optimization_level": 5,
    "schema": 2,
}
# Fields by which an engine is looked up: with another value there is no engine rather than a stale one.
NAMED = {"onnx_sha256", "precision", "input_shapes"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "engines"
    made.mkdir(mode=0o700)
    return made


def reason_of(folder: Path, key: EngineKey = KEY) -> tuple[Reason, str]:
    with pytest.raises(RungError) as caught:
        cache.load(folder, key)
    return caught.value.reason, caught.value.detail


def test_what_was_stored_is_loaded(folder: Path) -> None:
    path = cache.store(folder, KEY, b"plan")
    assert cache.load(folder, KEY) == b"plan"
    assert path.stat().st_mode & 0o777 == 0o644  # for a service that is not who built it
    assert sorted(p.name for p in folder.iterdir()) == [f"{KEY.stem}.json", f"{KEY.stem}.plan"]


def test_every_field_of_the_key_is_either_looked_up_or_compared() -> None:
    assert NAMED | OTHERWISE.keys() == {field.name for field in dataclasses.fields(EngineKey)}


@pytest.mark.parametrize("field", OTHERWISE)
def test_a_stale_engine_is_named_with_its_field_and_both_values(folder: Path, field: str) -> None:
    cache.store(folder, KEY, b"plan")
    now = dataclasses.replace(KEY, **{field: OTHERWISE[field]})
    reason, detail = reason_of(folder, now)
    assert reason is Reason.ENGINE_STALE
    assert detail == f"{field}: built for {getattr(KEY, field)}, now {OTHERWISE[field]}"
    assert now.digest() != KEY.digest()


def test_another_network_precision_or_shape_has_no_engine(folder: Path) -> None:
    cache.store(folder, KEY, b"plan")
    for change in ({"onnx_sha256": "b" * 64}, {"precision": "fp16"}, {"input_shapes": {"image": (1, 320, 320, 3)}}):
        other = dataclasses.replace(KEY, **change)
        assert reason_of(folder, other)[0] is Reason.ENGINE_MISSING


def test_no_folder_is_a_missing_engine(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "none")[0] is Reason.ENGINE_MISSING


@pytest.mark.parametrize(
    ("verdict", "reason"), [("slower", Reason.SLOWER), ("golden_mismatch", Reason.GOLDEN_MISMATCH)]
)
def test_a_rejected_engine_leaves_its_reason_and_no_plan(folder: Path, verdict: Any, reason: Reason) -> None:
    cache.store(folder, KEY, b"old")
    path = cache.store(folder, KEY, b"plan", verdict, "int8 2.1 ms, fp16 1.9 ms")
    assert reason_of(folder) == (reason, "int8 2.1 ms, fp16 1.9 ms")
    assert not path.exists()


def test_a_changed_plan_is_not_loaded(folder: Path) -> None:
    path = cache.store(folder, KEY, b"plan")
    path.write_bytes(b"evil")
    assert reason_of(folder)[0] is Reason.ENGINE_STALE


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": {}}'])
def test_a_broken_header_is_stale_and_no_traceback(folder: Path, text: str) -> None:
    cache.store(folder, KEY, b"plan")
    (folder / f"{KEY.stem}.json").write_text(text)
    assert reason_of(folder)[0] is Reason.ENGINE_STALE


def test_a_header_whose_digest_is_not_of_its_key_is_stale(folder: Path) -> None:
    cache.store(folder, KEY, b"plan")
    path = folder / f"{KEY.stem}.json"
    header = json.loads(path.read_text())
    path.write_text(json.dumps({**header, "digest": "0"}))
    assert reason_of(folder)[0] is Reason.ENGINE_STALE


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_not_trusted(
    folder: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "is_private_group", lambda uid, gid: False)
    cache.store(folder, KEY, b"plan")
    folder.chmod(mode)
    reason, detail = reason_of(folder)
    assert reason is Reason.ENGINE_UNTRUSTED
    assert f"mode {mode:o}" in detail


def test_a_group_of_one_user_alone_may_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "is_private_group", lambda uid, gid: True)
    cache.store(folder, KEY, b"plan")
    folder.chmod(0o775)  # what Ubuntu's umask of 0002 makes
    assert cache.load(folder, KEY) == b"plan"
    folder.chmod(0o777)
    assert reason_of(folder)[0] is Reason.ENGINE_UNTRUSTED


@pytest.mark.parametrize(
    ("primary", "members", "others", "is_private"),
    [
        (1000, [], [], True),
        (1000, ["ann"], [], True),
        (1000, ["ann", "bob"], [], False),
        (1000, [], [("bob", 1001, 1000)], False),  # whose primary group it is as well
        (100, [], [], False),
    ],
)
def test_whose_group_it_is(
    monkeypatch: pytest.MonkeyPatch, primary: int, members: list[str], others: list[Any], is_private: bool
) -> None:
    users = [SimpleNamespace(pw_name=n, pw_uid=u, pw_gid=g) for n, u, g in [("ann", 1000, primary), *others]]
    monkeypatch.setattr("pwd.getpwall", lambda: users)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: users[0])
    monkeypatch.setattr("grp.getgrgid", lambda gid: SimpleNamespace(gr_mem=members))
    assert private.is_private_group(1000, 1000) is is_private


def test_a_group_or_user_without_a_name_is_not_private() -> None:
    assert private.is_private_group(4_000_000, 4_000_000) is False


def test_a_parent_that_others_can_write_is_not_trusted(folder: Path) -> None:
    cache.store(folder, KEY, b"plan")
    folder.parent.chmod(0o777)
    assert reason_of(folder)[0] is Reason.ENGINE_UNTRUSTED
    folder.parent.chmod(0o1777)  # sticky, as /tmp: others cannot put another folder in its place
    assert cache.load(folder, KEY) == b"plan"


def test_a_plan_that_others_can_write_is_not_trusted(folder: Path) -> None:
    cache.store(folder, KEY, b"plan").chmod(0o666)
    assert reason_of(folder)[0] is Reason.ENGINE_UNTRUSTED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_not_trusted(folder: Path) -> None:
    path = cache.store(folder, KEY, b"plan")
    os.chown(path, 4242, 4242)
    assert reason_of(folder) == (Reason.ENGINE_UNTRUSTED, f"{path} belongs to user 4242")
    os.chown(path, 0, 0)
    os.chown(folder, 4242, 4242)
    assert reason_of(folder)[0] is Reason.ENGINE_UNTRUSTED


def test_a_link_in_place_of_the_plan_is_not_followed(folder: Path, tmp_path: Path) -> None:
    path = cache.store(folder, KEY, b"plan")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert reason_of(folder)[0] is Reason.ENGINE_UNTRUSTED


def test_writing_is_all_or_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "file"
    storage.write(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        storage.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(folder.iterdir()) == [path]


def test_two_builders_do_not_meet(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with (
        storage.locked(folder),
        pytest.raises(UnavailableError, match="another nanotrack build"),
        storage.locked(folder),
    ):
        pass
    with storage.locked(folder):  # given back
        pass


def test_nothing_is_built_where_others_can_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UnavailableError, match="engine_untrusted"), storage.locked(tmp_path / "engines"):
        pass


def test_the_lock_of_a_dead_builder_is_free(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from edge.infer import storage\n"
        "with storage.locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "e")], check=False).returncode == -9
    with storage.locked(tmp_path / "e"):
        pass


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="NANOTRACK_CACHE_DIR"), storage.locked(tmp_path / "file" / "engines"):
        pass


def test_the_folder_is_the_users_or_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NANOTRACK_CACHE_DIR", "CACHE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    assert storage.default_folder() == Path("/home/ann/.cache/nanotrack/engines")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/ann")
    assert storage.default_folder() == Path("/var/ann/nanotrack/engines")
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/nanotrack")  # systemd
    assert storage.default_folder() == Path("/var/cache/nanotrack/engines")
    monkeypatch.setenv("NANOTRACK_CACHE_DIR", "/srv/cache")
    assert storage.default_folder() == Path("/srv/cache/engines")

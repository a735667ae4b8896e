"""Results are whole or absent, wherever a run is cut off."""

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.batch.folder import Folder
from edge.batch.manifest import SCHEMA, Figures, Input, Manifest, Result
from edge.batch.recording import Recording, Settings
from edge.batch.summary import write_summary
from edge.errors import OutputError

SETTINGS = Settings("1.0", "/model", "ab", ("onnxruntime-fp32",))
FIGURES = Figures(3, 0.3, 10.0, 64, 48, 2, 1)


def made(folder: Folder, name: str, *contents: str) -> tuple[Manifest, dict[str, Path]]:
    """A manifest with results of these contents, and their temporary files."""
    files, results = {}, []
    for number, content in enumerate(contents):
        file = f"{name}.{number}"
        files[file] = folder.temporary(".txt")
        files[file].write_text(content)
        results.append(Result(file, len(content), ""))
    recording = Recording(name, f"/{name}.mp4")
    about = recording, Input(1, "x"), SETTINGS, "h", "t"
    return Manifest(SCHEMA, "", *about, "done", tuple(results), figures=FIGURES), files


def test_what_is_committed_is_read_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    manifest, files = made(folder, "cam/a", "one", "two")
    folder.commit(manifest, files)
    assert folder.manifest("cam/a") == manifest
    assert list(folder.manifests()) == [manifest]
    assert folder.is_complete(manifest)
    (tmp_path / "out" / "cam" / "a.1").write_text("cut")
    assert folder.is_complete(manifest)
    (tmp_path / "out" / "cam" / "a.1").write_text("shorter"[:2])
    assert not folder.is_complete(manifest)


class Cut(BaseException):
    """The end of a process, at the call that raises it."""


@pytest.mark.parametrize("last", range(1, 9))
def test_cut_off_at_any_step_the_old_manifest_never_stands_beside_new_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """The call of that number that changes the folder is never made, nor any after it."""
    folder = Folder(tmp_path)
    old, files = made(folder, "a", "old", "older")
    folder.commit(old, files)
    new, files = made(folder, "a", "newest", "newer")
    new = replace(new, settings_sha256="other")
    calls = 0

    def counted(real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= last:
                raise Cut
            return real(*arguments, **more)

        return call

    with monkeypatch.context() as patch, contextlib.suppress(Cut):
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        folder.commit(new, files)
    contents = [(tmp_path / f"a.{i}").read_text() for i in range(2)]
    assert contents[0] in ("old", "newest")
    assert contents[1] in ("older", "newer")
    found = folder.manifest("a")
    assert found in (None, old, new)
    if found is not None:
        assert contents == (["old", "older"] if found == old else ["newest", "newer"])
    if calls < last:  # nothing was cut off
        assert found == new


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path / "out")
    manifest, files = made(folder, "a", "one")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write it: No space left"):
        folder.commit(manifest, files)
    assert folder.manifest("a") is None


def test_a_manifest_of_another_version_or_none_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for text in ("", "{", "[]", "{}", '{"schema": 99}'):
        (tmp_path / "a.manifest.json").write_text(text)
        assert folder.manifest("a") is None
    assert list(folder.manifests()) == []


def test_the_hash_is_of_what_decides_the_results(tmp_path: Path) -> None:
    recording = Recording("a", "/a.mp4")
    known = SETTINGS.sha256_for(recording)
    assert SETTINGS.sha256_for(replace(recording, name="b", address="s3://b")) == known
    assert replace(SETTINGS, model="/elsewhere").sha256_for(recording) == known
    for changed in ({"model_sha256": "cd"}, {"version": "1.1"}, {"format": "jsonl"}, {"offline": True}, {"floor": 0.2}):
        assert replace(SETTINGS, **changed).sha256_for(recording) != known
    assert SETTINGS.sha256_for(replace(recording, frame_rate=5.0)) != known
    assert SETTINGS.sha256_for(replace(recording, starts="2026-11-30T08:00:00Z")) != known


def test_the_summary_of_the_same_manifests_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = Folder(tmp_path / "1"), Folder(tmp_path / "2")
    for folder, names in ((first, ("a", "b")), (second, ("b", "a"))):
        for name in names:
            manifest, files = made(folder, name, "x")
            folder.commit(manifest, files)
    totals = write_summary(first)
    assert (totals.done, totals.failed, totals.identities) == (2, 0, 4)
    write_summary(second)
    assert (tmp_path / "1" / "summary.sqlite").read_bytes() == (tmp_path / "2" / "summary.sqlite").read_bytes()

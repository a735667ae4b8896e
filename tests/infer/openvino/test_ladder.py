"""OpenVINO's rungs with the real library: tried in a child process, checked, timed once, and refused where wrong."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from edge import modelpack
from edge.cli import main
from edge.errors import UnavailableError
from edge.infer.ladder import LADDER, Ladder, Wish
from edge.infer.openvino import available, build, cache
from edge.infer.openvino.cache import Contest, Trial
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.available import Gpu
from edge.modelpack import ModelPack
from tests.infer.packs import network, write_pack

pytest.importorskip("openvino")

RUNGS = tuple(rung for rung in LADDER if rung.backend == "openvino")


def no_gpu() -> Gpu:
    raise RungError(Reason.NO_DRIVER, "none here")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    return write_pack(tmp_path_factory.mktemp("packs") / "tiny.pack")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cache") / "engines"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture(scope="module")
def tried(pack: ModelPack, folder: Path) -> build.Tried:
    return build.tried(pack, "detector", pack.detector, 1, 1, folder)


def has_bf16() -> bool:
    return "BF16" in available.look().capabilities


def test_all_rungs_of_the_cpu_are_tried_and_timed_together(tried: build.Tried) -> None:
    by_name = {trial.rung: trial for trial in tried.contest.trials}
    assert set(by_name) == {*available.RUNGS, "onnxruntime-int8", "onnxruntime-fp32"}
    for name, trial in by_name.items():
        if name == "openvino-bf16" and not has_bf16():
            assert trial.reason == "no_bf16_hardware"
            continue
        assert (trial.reason, bool(trial.ms)) == ("", True), name
        assert bool(trial.compiled_sha256) == name.startswith("openvino")
    assert "OpenVINO" in tried.contest.machine


def test_the_answer_is_kept(pack: ModelPack, folder: Path, tried: build.Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr("edge.infer.child.call", refuse)
    assert build.tried(pack, "detector", pack.detector, 1, 1, folder).contest == tried.contest


@pytest.mark.parametrize("change", ["threads", "version", "processor"])
def test_what_the_answer_depends_on_makes_another_question(
    pack: ModelPack, folder: Path, tried: build.Tried, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    answer = Contest("another", ())
    monkeypatch.setattr(build, "_held", lambda job: list(answer.trials))
    if change == "version":
        monkeypatch.setattr(build, "version", lambda: "2099.1")
    if change == "processor":
        monkeypatch.setattr("edge.infer.turns.machine", lambda *_: "another board")
    found = build.tried(pack, "detector", pack.detector, 2 if change == "threads" else 1, 1, folder)
    assert found.path != tried.path
    assert found.contest.trials == ()


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_each_computes_the_network(pack: ModelPack, folder: Path, tried: build.Tried, rung: object) -> None:
    if rung.name == "openvino-bf16" and not has_bf16():  # type: ignore[attr-defined]
        pytest.skip("no bfloat16 here")
    pictures = np.random.default_rng(3).integers(0, 256, (1, 16, 16, 3))
    found = []
    for name in (rung.name, "onnxruntime-fp32"):  # type: ignore[attr-defined]
        backend = Ladder(Wish(require=name), folder, no_gpu).open(pack, "detector")
        assert backend.running.rung == name
        backend.inputs["image"][...] = pictures
        backend.run()
        found.append(np.array(backend.outputs["distances"]))
        backend.close()
    assert np.linalg.norm(found[0] - found[1]) < 0.1 * np.linalg.norm(found[1])


def test_a_dynamic_batch_is_computed_row_by_row(pack: ModelPack, folder: Path) -> None:
    backend = Ladder(Wish(require="openvino-fp32"), folder, no_gpu).open(pack, "reid", 8)
    crops = np.random.default_rng(4).integers(0, 256, (8, 16, 16, 3), np.uint8)
    backend.inputs["crops"][...] = crops
    backend.run()
    whole = np.array(backend.outputs["embedding"])
    for rows in (3, 1, 8):
        backend.outputs["embedding"][...] = 0
        backend.run(rows)
        np.testing.assert_allclose(backend.outputs["embedding"][:rows], whole[:rows], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="expected 1 to 8"):
        backend.run(9)
    backend.close()


def times(**ms: float) -> Contest:
    return Contest("this board", tuple(Trial(name.replace("_", "-"), "", "", value) for name, value in ms.items()))


@pytest.mark.parametrize(
    ("ms", "wish", "taken"),
    [
        ({"openvino_bf16": 5, "openvino_fp32": 9, "onnxruntime_fp32": 9}, Wish(), "openvino-bf16"),
        ({"openvino_bf16": 9, "openvino_fp32": 5, "onnxruntime_fp32": 9}, Wish(), "openvino-fp32"),
        ({"openvino_bf16": 5, "openvino_fp32": 9, "onnxruntime_fp32": 4}, Wish(), "onnxruntime-fp32"),
        ({"openvino_bf16": 5, "openvino_fp32": 9, "onnxruntime_fp32": 5.09}, Wish(), "onnxruntime-fp32"),  # within 2 %
        ({"openvino_bf16": 5, "openvino_fp32": 9, "onnxruntime_fp32": 4}, Wish(backend="openvino"), "openvino-bf16"),
        ({"openvino_bf16": 5, "openvino_fp32": 9}, Wish(require="openvino-fp32"), "openvino-fp32"),
    ],
)  # fmt: skip
def test_the_fastest_of_what_was_asked_for_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ms: dict[str, float], wish: Wish, taken: str
) -> None:
    pack = write_pack(tmp_path / "float.pack", variants=("fp32",))
    monkeypatch.setattr(build, "_held", lambda job: list(times(**ms).trials))
    backend = Ladder(wish, tmp_path / "engines", no_gpu).open(pack, "detector")
    assert backend.running.rung == taken
    slower = [skip for skip in backend.running.passed_over if skip.reason is Reason.SLOWER]
    assert all(f"{taken} {ms[taken.replace('-', '_')]:.1f} ms on" in skip.detail for skip in slower)
    backend.close()


def another(pack: ModelPack, folder: Path, kind: str) -> ModelPack:
    """`pack` in `folder` with a `kind` that computes something else, as OpenVINO does of a form that it misreads."""
    folder.mkdir()
    for file in pack.folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    content = network("image", {"class_logits": 2, "distances": 32}, 1, kind, noise=3.0)
    manifest = json.loads((folder / modelpack.MANIFEST).read_text())
    variant = manifest["detector"]["variants"][kind]
    (folder / variant["file"]).write_bytes(content)
    variant["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / modelpack.MANIFEST).write_text(json.dumps(manifest))
    return modelpack.read(folder)


def test_a_wrong_rung_is_refused_by_the_golden_output_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NANOTRACK_CACHE_DIR", str(tmp_path / "cache"))
    wrong = another(write_pack(tmp_path / "right.pack", ("fp32", "qdq"), reid=False), tmp_path / "wrong.pack", "qdq")
    backend = Ladder(Wish(), look=no_gpu).open(wrong, "detector")
    (skip,) = [s for s in backend.running.passed_over if s.rung == "openvino-int8"]
    assert skip.reason is Reason.GOLDEN_MISMATCH
    assert "of at most" in skip.detail
    backend.close()
    with pytest.raises(UnavailableError, match="openvino-int8: golden_mismatch"):
        Ladder(Wish(require="openvino-int8"), look=no_gpu).open(wrong, "detector")
    assert main(["selftest", str(wrong.folder), "--seconds", "0.01", "--json"]) == 65
    told = capsys.readouterr()
    result = next(r for r in json.loads(told.out)["results"] if r["rung"] == "openvino-int8")
    assert (result["reason"], result["p50_ms"]) == ("golden_mismatch", None)
    assert "detector on openvino-int8 (error" in told.err
    assert main(["doctor", str(wrong.folder), "--json"]) == 0
    rung = next(r for r in json.loads(capsys.readouterr().out)["rungs"] if r["rung"] == "openvino-int8")
    assert (rung["usable"], rung["reason"]) == (False, "golden_mismatch")


def broken_library(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """An `openvino` in front of the real one that fails as `body` does, in this process's children."""
    (folder / "openvino").mkdir(parents=True)
    (folder / "openvino/__init__.py").write_text(body)
    monkeypatch.syspath_prepend(folder)


def test_a_library_that_crashes_takes_only_its_own_rungs_with_it(
    pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_library(tmp_path / "fake", monkeypatch, "import os\nos.abort()\n")
    kept = tmp_path / "engines"
    backend = Ladder(Wish(), kept, no_gpu).open(pack, "detector")
    assert backend.running.rung.startswith("onnxruntime")
    reasons = {s.rung: (s.reason, s.detail) for s in backend.running.passed_over if s.rung.startswith("openvino")}
    assert set(reasons) == set(available.RUNGS)
    for rung, (reason, detail) in reasons.items():
        assert reason is Reason.OPENVINO_BROKEN
        assert detail == f"trying {rung} was killed by SIGABRT"
    assert not list(kept.glob("openvino-*.json"))  # it may work at the next start
    backend.close()


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken_library(tmp_path, monkeypatch, "raise ImportError('libtbb.so.12: cannot open shared object file')")
    with pytest.raises(RungError, match=r"openvino_broken \(libtbb") as caught:
        available.probe()
    assert caught.value.reason is Reason.OPENVINO_BROKEN


def test_without_the_extra_it_is_one_sentence_and_69(
    tiny_pack: Path, tiny_video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(available, "installed", lambda package: "")
    command = ["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--mot", "-", "--backend", "openvino"]
    assert main(command) == 69
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert "no_openvino" in told[0]
    assert "pip install 'nanotrack-edge[openvino]'" in told[0]


def test_compiled_networks_that_others_could_write_are_not_loaded(
    pack: ModelPack, tried: build.Tried, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tried.compiled("openvino-fp32")
    assert (
        cache.load_compiled(tried.path, dataclasses.replace(tried.contest["openvino-fp32"], compiled_sha256="0"))
        is None
    )
    folder.chmod(0o777)
    try:
        assert tried.compiled("openvino-fp32") is None
        assert cache.load(tried.path) is None
    finally:
        folder.chmod(0o700)


def test_a_pack_without_golden_output_is_not_believed(tmp_path: Path) -> None:
    bare = write_pack(tmp_path / "bare.pack", ("fp32",), reid=False)
    manifest = json.loads((bare.folder / modelpack.MANIFEST).read_text())
    del manifest["golden"]
    (bare.folder / modelpack.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UnavailableError, match="openvino-fp32: golden_mismatch"):
        Ladder(Wish(backend="openvino", require="openvino-fp32"), tmp_path / "engines", no_gpu).open(
            modelpack.read(bare.folder), "detector"
        )

"""`nanotrack profile` as a user meets it."""

import json
from pathlib import Path

import pytest

from edge import cli
from edge.profile import report as reports


def test_a_profile_holds_every_stage(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, trace = tmp_path / "a.json", tmp_path / "t.json"
    flags = ["--frames", "60", "--live", "0.3", "--threads", "1", "--json", str(out), "--trace", str(trace)]
    assert cli.main(["profile", str(tiny_pack), str(tiny_video), *flags]) == 0
    found = reports.read(out)
    names = [stage.name for stage in found.stages]
    assert names == ["decode", "wait", "preprocess", "infer", "decode+nms", "track", "mot", "jsonl", "frame"]
    whole = found.stages[-1]
    assert whole.calls == found.rate.frames == 60
    assert found.rate.people >= 2
    assert sum(count for _, count in whole.histogram) == 60
    assert whole.p50_ms <= whole.p90_ms <= whole.p99_ms <= whole.p999_ms <= whole.max_ms
    inner = [s for s in found.stages if s.name in ("preprocess", "infer", "decode+nms", "track", "mot", "jsonl")]
    assert sum(stage.total_ms for stage in inner) <= whole.total_ms
    assert whole.total_ms <= 1000 * found.rate.seconds
    assert len(found.rate.block_fps) == len(whole.block_medians_ms) == 20
    assert found.live is not None
    assert found.live.offered - found.live.dropped - found.live.tracked in (0, 1)
    assert any("p99 depends on the slowest 0.6" in warning for warning in found.warnings)
    assert {"main", "decode"} <= {thread.name for thread in found.threads}

    events = json.loads(trace.read_text())["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert min(event["ts"] for event in spans) == 0
    frames = [event for event in spans if event["name"] == "frame"]
    inside = [event for event in spans if event["name"] == "infer"]
    assert len(frames) == len(inside) >= 60
    for outer, inner_ in zip(frames, inside, strict=True):
        assert outer["ts"] <= inner_["ts"]
        assert inner_["ts"] + inner_["dur"] <= outer["ts"] + outer["dur"] + 1e-3

    printed = capsys.readouterr().out
    assert "FPS as fast as possible: 60 frames" in printed
    assert "not available" in printed
    assert cli.main(["profile", "--diff", str(out), str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("not distinguishable") == len(names)  # all stages but wait, and 1/FPS
    assert "faster" not in printed


def test_the_built_in_scene_is_drawn_beforehand(tiny_pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    scene = "demo://?people=3&size=128x128&fps=25"
    assert cli.main(["profile", str(tiny_pack), scene, "--frames", "20", "--live", "0", "--json", str(out)]) == 0
    found = reports.read(out)
    assert (found.setup.source, found.setup.frame_rate, found.live) == (scene, 25.0, None)


def test_compare_runs_every_way(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, html = tmp_path / "a.json", tmp_path / "a.html"
    flags = ["--compare", "--seconds", "0.1", "--threads", "2", "--json", str(out), "--report", str(html)]
    assert cli.main(["profile", str(tiny_pack), str(tiny_video), *flags]) == 0
    found = json.loads(out.read_text())
    ways = [(c["rung"], c["threads"], c["at_once"], c["method"], c["reid"]) for c in found["choices"]]
    assert ways == [
        ("onnxruntime-fp32", 1, 1, "nanotrack", "none"),
        ("onnxruntime-fp32", 2, 1, "nanotrack", "none"),
        ("onnxruntime-fp32", 2, 2, "nanotrack", "none"),
        ("onnxruntime-fp32", 1, 1, "bytetrack", "none"),
        ("onnxruntime-fp32", 1, 1, "sparsetrack", "none"),
    ]
    for choice in found["choices"]:
        assert choice["agreement"] == 1.0  # all of them are float32
        assert len(choice["round_fps"]) == 3
        assert choice["frames"] >= 30
        assert 0 < choice["p50_ms"] <= choice["p99_ms"]
        assert choice["energy_mj"] is None or choice["energy_mj"] > 0
    assert {"tensorrt-int8", "onnxruntime-int8"} <= {text.partition(":")[0] for text in found["passed_over"]}
    assert "for recordings" in found["recommendation"]
    printed = capsys.readouterr().out
    assert "onnxruntime-fp32" in printed
    assert "sparsetrack" in printed
    assert "<svg" in html.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a PACK"),
        (["x.pack", "--frames", "5"], "--frames 5: expected a number from 20"),
        (["x.pack", "--seconds", "0"], "--seconds 0.0: expected a number"),
        (["x.pack", "--diff", "a", "b"], "leave out the PACK"),
        (["x.pack", "--compare", "--frames", "50"], "leave out --frames"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profile", *arguments]) == 64
    assert said in capsys.readouterr().err

"""Which ways are compared."""

from pathlib import Path
from typing import Any

import edge
from edge.profile import compare
from edge.profile.profiler import Wishes
from export.cli import main as export
from tests import joint_net, tiny


def ways(model: Path, rungs: list[str], **values: Any) -> list[tuple[str, int, bool, str, str | None]]:
    found = compare._candidates(Wishes(model, "demo://", **values), rungs)
    return [(e.rung, e.wishes.threads, e.wishes.side_by_side, e.wishes.method, e.wishes.reid) for e in found]


def test_a_gpu_has_one_queue_and_a_cpu_its_cores(tiny_pack: Path) -> None:
    by_threads = [way[:3] for way in ways(tiny_pack, ["tensorrt-int8", "onnxruntime-fp32"], threads=3)]
    assert [way for way in by_threads if way[0] == "tensorrt-int8"][:2] == [
        ("tensorrt-int8", 1, False),
        ("tensorrt-int8", 1, True),
    ]
    on_cpu = [way[1:] for way in by_threads if way[0] == "onnxruntime-fp32"]
    assert on_cpu[:5] == [(1, False), (2, False), (2, True), (3, False), (3, True)]


def test_every_method_on_every_rung(tiny_pack: Path) -> None:
    found = ways(tiny_pack, ["onnxruntime-int8", "onnxruntime-fp32"])
    assert {(way[0], way[3]) for way in found} == {
        (rung, method)
        for rung in ("onnxruntime-int8", "onnxruntime-fp32")
        for method in ("nanotrack", "bytetrack", "sparsetrack")
    }
    assert {way[4] for way in found} == {None}  # the pack has no appearance network


def test_appearance_where_the_pack_has_a_network_for_it(tmp_path: Path) -> None:
    found = ways(tiny.write_pack(tmp_path / "reid.pack", reid=True), ["onnxruntime-fp32"])
    assert [way[4] for way in found if way[4]] == ["auto", "always"]


def test_a_joint_network_never_detects_ahead(tmp_path: Path) -> None:
    network, pack = joint_net.write(tmp_path / "joint.onnx", tracks=True), tmp_path / "joint.pack"
    assert export(["pack", "--detector", str(network), "--class-names", "person,car", "-o", str(pack)]) == 0
    found = ways(pack, ["onnxruntime-fp32"], threads=3)
    assert [way[1] for way in found if way[3] == "nanotrack"] == [1, 2, 3]
    assert not any(way[2] for way in found)
    assert "jointtrack" in {way[3] for way in found}
    assert edge.Pipeline(pack, threads=3, side_by_side=True).workers == 0

"""What a run says of its networks."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edge import modelpack
from edge.infer.backend import Running
from edge.infer.reasons import Reason, Skip
from edge.infer.summary import network_text

RUNNING = Running("onnxruntime-fp32", "fp32", "onnxruntime", "1.23.2")


def test_only_rungs_that_are_here_and_were_not_taken_are_named(tiny_pack: Path) -> None:
    described = modelpack.read(tiny_pack).detector
    absent = (
        Skip("tensorrt-int8", Reason.NO_DRIVER, "libcuda.so.1: cannot open"),
        Skip("openvino-int8", Reason.NO_OPENVINO, "No module named 'openvino'"),
        Skip("openvino-bf16", Reason.NO_BF16_HARDWARE, ""),
    )

    def text(*skips: Skip) -> str:
        backend: Any = SimpleNamespace(running=replace(RUNNING, passed_over=skips))
        return network_text("detector", described, backend)

    assert text(*absent) == text()
    slower = Skip("onnxruntime-int8", Reason.SLOWER, "4.1 ms against 3.2")
    unbuilt = Skip("tensorrt-fp16", Reason.ENGINE_MISSING, "no plan")
    said = " ".join(text(*absent, slower, unbuilt).split())
    assert said.endswith(
        "passed over: onnxruntime-int8 (slower: 4.1 ms against 3.2), tensorrt-fp16 (engine_missing);"
        " nanotrack doctor PACK says more"
    )
    assert max(map(len, text(*absent, slower, unbuilt).splitlines())) <= 80

"""What differs between the TensorRT versions that JetPack ships: one frozen record for each generation.

Running an engine is the same code for all of them (named tensors, `execute_async_v3`). Building differs: 8.6 is told
the precision by flags and quantizes where float32 Q/DQ pairs allow, from 10 on the network is strongly typed and its
precision lives in the ONNX file. TensorRT 11 dropped the flags, the calibrators and the version-1 sizes altogether.
Source: NVIDIA's migration guide from 10.x to 11.x, and the Python bindings of 8.6.1, 10.3.0, 10.16.1 and 11.4.0.
"""

import re
from dataclasses import dataclass
from typing import Literal

from edge.infer.reasons import Reason, RungError
from edge.modelpack import VariantKind

Precision = Literal["int8", "fp16"]

OLDEST = (8, 6)  # named tensors and explicit Q/DQ together; JetPack 5 has 8.5


@dataclass(frozen=True)
class Generation:
    """How one generation of TensorRT is told what to build.

    `network_flag` is a member of NetworkDefinitionCreationFlag, `variants` the pack's variant for each precision,
    `builder_flags` members of BuilderFlag for each precision, `memory_attribute` the engine's attribute with the bytes
    that its activations need.
    """

    network_flag: str
    variants: dict[Precision, VariantKind]
    builder_flags: dict[Precision, tuple[str, ...]]
    memory_attribute: str


WEAKLY_TYPED = Generation(
    network_flag="EXPLICIT_BATCH",
    variants={"int8": "qdq", "fp16": "fp32"},
    builder_flags={"int8": ("FP16", "INT8"), "fp16": ("FP16",)},
    memory_attribute="device_memory_size",
)
STRONGLY_TYPED = Generation(
    network_flag="STRONGLY_TYPED",
    variants={"int8": "qdq_fp16", "fp16": "fp16"},
    builder_flags={"int8": (), "fp16": ()},
    memory_attribute="device_memory_size_v2",
)
GENERATIONS = {8: WEAKLY_TYPED, 10: STRONGLY_TYPED, 11: STRONGLY_TYPED}  # 9 never came with a JetPack
NEWEST = max(GENERATIONS)


def generation(version: str) -> Generation:
    """The record for TensorRT `version` ("10.3.0.30"); a major above the known ones gets the newest record.

    Raises RungError(TENSORRT_UNSUPPORTED) below 8.6 and for majors that have no record.
    """
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    record = GENERATIONS.get(min(numbers[0], NEWEST)) if numbers >= OLDEST else None
    if record is None:
        raise RungError(Reason.TENSORRT_UNSUPPORTED, f"TensorRT {version}: expected 8.6, or 10 and newer")
    return record


def is_untried(version: str) -> bool:
    """Whether `version` is of a newer major than any that this release was checked against."""
    return int(version.split(".")[0]) > NEWEST

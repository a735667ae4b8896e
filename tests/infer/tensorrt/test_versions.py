"""One record for each generation of TensorRT, and a refusal for what no JetPack of ours has."""

import pytest

from edge.infer.reasons import Reason, RungError, Skip, summary
from edge.infer.tensorrt.versions import STRONGLY_TYPED, WEAKLY_TYPED, generation, is_untried


@pytest.mark.parametrize(
    ("version", "record"),
    [
        ("8.6.1", WEAKLY_TYPED),
        ("8.6.2.3", WEAKLY_TYPED),
        ("10.3.0", STRONGLY_TYPED),
        ("10.16.1.11", STRONGLY_TYPED),
        ("11.4.0.106", STRONGLY_TYPED),
        ("12.0.0", STRONGLY_TYPED),  # not out yet: the newest record, and doctor says so
    ],
)
def test_each_version_has_its_record(version: str, record: object) -> None:
    assert generation(version) is record


@pytest.mark.parametrize("version", ["8.5.2", "8.2.1.9", "7.1.3", "9.3.0"])
def test_versions_without_a_record_are_refused_with_their_number(version: str) -> None:
    with pytest.raises(RungError) as caught:
        generation(version)
    assert caught.value.reason is Reason.TENSORRT_UNSUPPORTED
    assert version in caught.value.detail


def test_only_a_newer_major_is_untried() -> None:
    assert is_untried("12.0.0")
    assert not is_untried("11.9.0")


def test_weakly_typed_networks_get_flags_and_strongly_typed_ones_get_float16_graphs() -> None:
    assert WEAKLY_TYPED.variants == {"int8": "qdq", "fp16": "fp32"}
    assert WEAKLY_TYPED.builder_flags["int8"] == ("FP16", "INT8")
    assert STRONGLY_TYPED.variants == {"int8": "qdq_fp16", "fp16": "fp16"}
    assert not any(STRONGLY_TYPED.builder_flags.values())


def test_every_reason_has_a_remedy() -> None:
    assert all(reason.remedy for reason in Reason)


def test_a_skip_is_readable_by_people_and_by_programs() -> None:
    skip = Skip("tensorrt-int8", Reason.ENGINE_STALE, "sm: built for 8.7, now 7.2")
    assert str(skip) == (
        "tensorrt-int8: engine_stale (sm: built for 8.7, now 7.2); run nanotrack build PACK on this board"
    )
    assert skip.as_dict() == {
        "rung": "tensorrt-int8",
        "reason": "engine_stale",
        "detail": "sm: built for 8.7, now 7.2",
        "remedy": "run nanotrack build PACK on this board",
    }


def test_rungs_with_the_same_reason_are_named_together() -> None:
    why = Reason.NO_DRIVER, "libcuda.so.1"
    skips = [Skip("tensorrt-int8", *why), Skip("tensorrt-fp16", *why), Skip("x", Reason.SLOWER, "9 ms")]
    text = summary(skips)
    assert text.startswith("tensorrt-int8 and tensorrt-fp16: no_driver (libcuda.so.1); ")
    assert text.count(Reason.NO_DRIVER.remedy) == 1
    assert "x: slower (9 ms)" in text

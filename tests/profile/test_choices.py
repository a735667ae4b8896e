"""What is worth choosing, and what is recommended, on made-up figures."""

import json
from pathlib import Path

from edge import schema
from edge.profile import choices
from edge.profile.choices import Choice, Comparison, judged, passed_by, recommendation
from tests.profile.jsonschema import schema_of
from tests.profile.samples import choice, comparison


def worth(*found: Choice) -> list[bool]:
    return [one.is_worth_it for one in judged(found)]


def test_what_is_worse_in_everything_is_not_worth_it() -> None:
    assert worth(choice(fps=20.0, p99_ms=50.0), choice(fps=10.0, p99_ms=100.0)) == [True, False]


def test_rate_against_latency_agreement_or_energy_is_a_choice() -> None:
    assert worth(choice(fps=20.0, p99_ms=50.0), choice(fps=40.0, p99_ms=90.0)) == [True, True]
    assert worth(choice(agreement=1.0), choice(fps=40.0, p99_ms=30.0, agreement=0.95)) == [True, True]
    assert worth(choice(energy_mj=100.0), choice(fps=40.0, p99_ms=30.0, energy_mj=200.0)) == [True, True]


def test_within_the_noise_both_are() -> None:
    assert worth(choice(fps=20.0), choice(fps=20.4)) == [True, True]


def test_other_methods_do_not_compete() -> None:
    assert worth(choice(), choice(method="bytetrack", fps=60.0, p99_ms=10.0)) == [True, True]
    assert worth(choice(), choice(reid="auto", fps=5.0, p99_ms=200.0)) == [True, True]


def test_the_sentence_names_what_to_take() -> None:
    found = (
        choice(rung="onnxruntime-int8", fps=30.0, p99_ms=36.0, agreement=0.95),
        choice(rung="onnxruntime-int8", threads=2, at_once=2, fps=56.0, p99_ms=70.0, agreement=0.95),
        choice(fps=20.0, p99_ms=55.0),
        choice(method="bytetrack", fps=99.0, p99_ms=9.0),
    )
    assert recommendation(found, "nanotrack") == (
        "for recordings onnxruntime-int8 with 2 threads, 2 frames at once: 56.0 FPS, 2.8 times onnxruntime-fp32 with"
        " 1 thread, 0.950 of boxes with float32's identity; for a camera onnxruntime-int8 with 1 thread: 30.0 FPS,"
        " p99 36.0 ms"
    )


def test_what_does_not_agree_is_not_recommended() -> None:
    found = (choice(rung="onnxruntime-int8", fps=90.0, p99_ms=12.0, agreement=0.5), choice(fps=20.0, p99_ms=55.0))
    assert "int8" not in recommendation(found, "nanotrack")
    (why,) = passed_by(found, "nanotrack")
    assert why.startswith(
        "nanotrack track takes onnxruntime-int8 by itself, since it passed the pack's gate and is faster"
    )
    assert "only 0.500 of its boxes have the identities of float32" in why
    assert "--variant fp32" in why
    assert passed_by(found[1:], "nanotrack") == ()


def test_it_survives_the_file(tmp_path: Path) -> None:
    found = comparison(choice(), choice(agreement=None, energy_mj=3.0))
    choices.write(found, tmp_path / "a.json")
    read, mistakes = schema.build(Comparison, json.loads((tmp_path / "a.json").read_text()))
    assert mistakes == []
    assert read == found


def test_the_shipped_schema_is_that_of_the_dataclasses() -> None:
    assert json.loads(choices.SCHEMA.read_text("utf-8")) == schema_of(Comparison)

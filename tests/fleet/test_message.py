"""Messages of boards as a daemon writes them, and everything else that may lie on a topic."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataError
from edge.events import Embedded, Moment, Origin
from edge.fleet.message import MOST_BYTES, read_appearance
from edge.sinks.wire import line_of

TOPIC = "site/till/door/appearance"
NETWORK = "0f" * 32


def embedded(**changed: Any) -> Embedded:
    vector = np.arange(1, 17, dtype=np.float32)
    fields: dict[str, Any] = {
        "origin": Origin("r1", "door", ["person"]),
        "at": Moment(12.0, 1_790_000_012.0),
        "id": 4,
        "stay": 1,
        "stage": "known",
        "class_number": 0,
        "first": Moment(9.0, 1_790_000_009.0),
        "last": Moment(11.5, 1_790_000_011.5),
        "box_xyxy": (1.0, 2.0, 30.0, 90.0),
        "size": (640, 360),
        "entry": "left",
        "exit": "inside",
        "quality": 0.8,
        "samples": 4,
        "network": NETWORK,
        "embedding": vector / np.linalg.norm(vector),
    }
    return Embedded(**{**fields, **changed})


def fields_of(event: Embedded) -> dict[str, Any]:
    return dict(json.loads(line_of(event)))


def refusal(data: object, topic: str = TOPIC) -> str:
    payload = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(DataError) as caught:
        read_appearance(topic, payload, "site")
    return str(caught.value)


def test_what_a_board_writes_is_what_the_fleet_reads() -> None:
    event = embedded()
    found = read_appearance(TOPIC, line_of(event).encode(), "site")
    assert (found.camera, found.board, found.run, found.id, found.stay) == ("till/door", "till", "r1", 4, 1)
    assert (found.first_s, found.last_s, found.said_s) == (1_790_000_009.0, 1_790_000_011.5, 1_790_000_012.0)
    assert (found.is_end, found.class_name, found.entry, found.exit) == (False, "person", "left", "inside")
    assert found.embedding is not None
    assert event.embedding is not None
    np.testing.assert_allclose(found.embedding, event.embedding, atol=1e-3)
    assert np.linalg.norm(found.embedding) == pytest.approx(1.0, abs=1e-6)
    assert found.network == NETWORK


def test_an_end_that_brings_nothing_new_has_no_embedding() -> None:
    found = read_appearance(TOPIC, line_of(embedded(stage="end", embedding=None)).encode(), "site")
    assert found.is_end
    assert found.embedding is None
    assert refusal(fields_of(embedded(embedding=None))) == "malformed embedding"


def test_a_recording_has_no_times_to_compare() -> None:
    moments = {name: Moment(1.0, None) for name in ("at", "first", "last")}
    assert refusal(fields_of(embedded(**moments))) == "no wall-clock times"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("event", "end", "not an appearance"),
        ("v", 2, "unknown version"),
        ("camera", "yard", "foreign camera"),
        ("run", "", "malformed run"),
        ("run", "x" * 200, "malformed run"),
        ("run", "\ud800", "malformed run"),
        ("stage", "middle", "malformed stage"),
        ("id", -1, "malformed id"),
        ("id", True, "malformed id"),
        ("id", 1e300, "malformed id"),
        ("stay", "0", "malformed stay"),
        ("first_utc", "yesterday", "malformed first_utc"),
        ("first_utc", "2026-11-30T10:00:00", "malformed first_utc"),
        ("first_utc", "0001-01-01T00:00:00Z", "malformed first_utc"),
        ("t_utc", "9999-12-31T23:59:59Z", "malformed t_utc"),
        ("last_utc", "2027-11-30T10:00:00Z", "times out of order"),
        ("entry", "above", "malformed side"),
        ("network", "NETWORK", "malformed network"),
        ("cls", 3, "malformed cls"),
        ("cls", "\udfff", "malformed cls"),
        ("embedding", "%%%", "malformed embedding"),
        ("embedding", base64.b64encode(bytes(32)).decode(), "malformed embedding"),
        ("embedding", base64.b64encode(np.full(16, np.nan, "<f2").tobytes()).decode(), "malformed embedding"),
        ("embedding", base64.b64encode(np.full(16, 9, "<f2").tobytes()).decode(), "malformed embedding"),
        ("embedding", base64.b64encode(np.ones(1, "<f2").tobytes()).decode(), "malformed embedding"),
    ],
)
def test_each_wrong_has_its_reason(field: str, value: object, reason: str) -> None:
    assert refusal({**fields_of(embedded()), field: value}) == reason


@pytest.mark.parametrize(
    "topic",
    ["other/till/door/appearance", "site/door/appearance", "site/a/b/c/appearance", "site/till/door/events", "site"],
)
def test_foreign_topics(topic: str) -> None:
    assert refusal(fields_of(embedded()), topic) == "foreign topic"


def test_what_is_huge_is_not_read() -> None:
    assert refusal(b"[" * (MOST_BYTES + 1)) == "too large"
    assert refusal(b"[" * MOST_BYTES) == "not JSON"
    assert refusal(b'{"v": NaN}') == "not JSON"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_a_few_words(payload: bytes) -> None:
    assert len(refusal(payload)) < 40


@given(st.dictionaries(st.sampled_from(sorted(fields_of(embedded()))), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3), max_leaves=5), min_size=1, max_size=4))  # fmt: skip
def test_any_fields_are_read_or_refused(changed: dict[str, object]) -> None:
    try:
        found = read_appearance(TOPIC, json.dumps({**fields_of(embedded()), **changed}).encode(), "site")
    except DataError as error:
        assert len(str(error)) < 40  # noqa: PT017
    else:
        assert found.camera == "till/door"

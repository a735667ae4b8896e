"""The search looks at one half only, keeps what gains and leaves what does not."""

from typing import Any

import pytest

from benchmarks import halves
from edge.judge import COMBINED
from edge.track.nanotrack import Parameters


def test_only_what_gains_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []

    def scores(tried: list[dict[str, float]], half: Any) -> list[Any]:
        """A longer memory of the lost gains a lot, a higher floor of similarity less than the noise."""
        looked.append(half)
        gains = [3.0 * (t.get("lost_s", 2.0) - 2.0) + 1.5 * (t.get("similarity_floor", 0.1) - 0.1) for t in tried]
        return [{"set": {COMBINED: {"HOTA": 50 + gain}}} for gain in gains]

    monkeypatch.setattr(halves, "_scores", scores)
    half: halves.Half = {"set": []}
    assert halves.tune(half) == {"lost_s": Parameters().lost_s * halves.STEP}
    assert all(seen is half for seen in looked)
    assert len(looked) == 1 + len(halves.SEARCHED)


def test_every_searched_parameter_exists_and_stays_in_range() -> None:
    fields = Parameters.__dataclass_fields__
    for name in halves.SEARCHED:
        values = list(halves._beside(name, getattr(Parameters(), name)))
        assert all(fields[name].metadata["low"] <= value <= fields[name].metadata["high"] for value in values)
        assert len(set(values)) == 2

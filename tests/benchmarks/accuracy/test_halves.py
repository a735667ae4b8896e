"""The search looks at one half only, keeps what gains and leaves what does not."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from benchmarks.accuracy import halves
from edge.track.methods.nanotrack import Parameters


def test_only_what_gains_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []

    def scores(tried: list[dict[str, float]], half: Any, pool: Any) -> list[Any]:
        """A longer memory of the lost gains a lot, a higher floor of similarity less than the noise."""
        looked.append(half)
        gains = [3.0 * (t["lost_s"] - 2.0) + 1.5 * (t["similarity_floor"] - 0.1) for t in tried]
        return [{"set": {"HOTA": 50 + gain}} for gain in gains]

    monkeypatch.setattr(halves, "_scores", scores)
    half: halves.Half = {"set": []}
    start = {name: getattr(Parameters(), name) for name in halves.SEARCHED}
    with ThreadPoolExecutor(1) as pool:
        found = halves.tune(start, half, pool)
    longest = 2.0
    for step in halves.STEPS:
        longest *= step
    assert found == start | {"lost_s": pytest.approx(longest)}
    assert all(seen is half for seen in looked)
    assert len(looked) == 1 + len(halves.STEPS) * len(halves.SEARCHED)


def test_every_searched_parameter_exists_and_stays_in_range() -> None:
    fields = Parameters.__dataclass_fields__
    for name in halves.SEARCHED:
        values = [v for step in halves.STEPS for v in halves.beside(name, getattr(Parameters(), name), step)]
        assert all(fields[name].metadata["low"] <= value <= fields[name].metadata["high"] for value in values)
        assert len(set(values)) == len(values)


def test_what_is_spoilt_is_off_everywhere_and_by_no_more_than_said() -> None:
    values = halves.spoilt(halves.SEED)
    assert tuple(values) == halves.SEARCHED
    factors = [value / getattr(Parameters(), name) for name, value in values.items()]
    assert all(1 / halves.SPOILT <= factor <= halves.SPOILT for factor in factors)
    assert min(factors) < 1 / 1.2
    assert max(factors) > 1.2
    assert len({round(factor, 6) for factor in factors}) == len(factors)
    Parameters(**values)


def test_the_conclusion_adds_up() -> None:
    """Twice: spoilt, found, default, on the half not seen and then on its own."""
    text = " ".join(halves.conclusion([50, 51, 53, 40, 43, 44, 60, 61, 63, 30, 33, 34]).split())
    assert "cost 3.00" in text
    assert "The search helped: +1.00 on the half it never saw, +3.00 on its own, so that 2.00 was fitted" in text
    assert "2.00 above what was found where that was not looked at, and 1.00 above it where it was" in text
    text = " ".join(halves.conclusion([50, 49, 53, 40, 43, 44, 60, 59, 63, 30, 33, 34]).split())
    assert "gave nothing: -1.00" in text

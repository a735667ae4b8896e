"""The verdict of --diff, on rows whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from edge.profile.difference import difference, differences, student_quantile
from tests.profile.samples import rate, report, stage


def row(mean_ms: float, seed: int, spread: float = 0.02) -> list[float]:
    return (mean_ms * np.exp(np.random.default_rng(seed).normal(0, spread, 20))).tolist()


@pytest.mark.parametrize(("second_ms", "verdict"), [(9.0, "faster"), (10.0, "not distinguishable"), (11.0, "slower")])
def test_a_tenth_shows_through_two_percent_of_noise(second_ms: float, verdict: str) -> None:
    found = difference("x", row(10.0, 0), row(second_ms, 1))
    assert found.verdict == verdict
    assert found.low < second_ms / 10 < found.high


@pytest.mark.parametrize("drift", [0.0, 0.8])
def test_equal_runs_are_told_apart_no_oftener_than_promised(drift: float) -> None:
    """At 95 % confidence one in twenty; drifting ones a little oftener, far from the half that plain Welch gives."""
    random = np.random.default_rng(0)

    def noise() -> list[float]:
        steps = random.normal(0, 0.02, 40)
        values = [0.0]
        for step in steps:
            values.append(drift * values[-1] + step)
        return (10 * np.exp(values[-20:])).tolist()

    wrong = sum(difference("x", noise(), noise()).verdict != "not distinguishable" for _ in range(400))
    assert wrong / 400 < (0.09 if drift == 0 else 0.25)


def test_too_few_parts_tell_nothing() -> None:
    assert difference("x", [10.0] * 4, [1.0] * 20).verdict == "not distinguishable"


def test_without_noise_the_ratio_is_certain() -> None:
    found = difference("x", [10.0] * 20, [5.0] * 20)
    assert (found.verdict, found.low, found.high) == ("faster", pytest.approx(0.5), pytest.approx(0.5))


def test_common_stages_and_the_whole_are_compared() -> None:
    first = report(stages=(stage("infer", 10.0), stage("mot", 1.0), stage("wait", 1.0)))
    second = report(stages=(stage("infer", 20.0), stage("wait", 1.0)), rate=rate(fps=10.0))
    found = {d.name: d.verdict for d in differences(first, second)}
    assert found == {"1/FPS": "slower", "infer": "slower"}


@pytest.mark.parametrize("freedom", [2, 3, 5, 10, 19, 40])
def test_the_quantile_is_that_of_student(freedom: int) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.02)

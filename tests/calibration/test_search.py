"""What is counted once on the float network is what flows through it after any equalisation."""

import numpy as np
import pytest

from calibration import activations, search
from calibration.equalise import Strength
from calibration.gate import Judge, Verdict
from calibration.matrix_outputs import with_matrix_outputs
from calibration.ranges import BINS
from calibration.runtime import Runner
from calibration.search import Subject
from tests.calibration import toy


class Nobody(Judge):
    """Compares nothing."""

    def error(self, variant: Runner) -> float:
        raise NotImplementedError

    def verdict(self, variant: Runner, copies: int) -> Verdict:
        raise NotImplementedError


@pytest.mark.parametrize("strength", [None, Strength(1 / 3, 0.4), Strength(0.0, 1.0)])
def test_the_histograms_of_an_equalised_network_need_no_second_look(strength: Strength | None) -> None:
    network = with_matrix_outputs(toy.network(unlike=300))
    images = toy.images(6)
    subject = Subject(network, images, [], Nobody())
    seen = search.observed(subject, search.CPU)
    sections = search._sections(network)
    started = search.started(subject, search.CPU, seen, sections, (strength,) * len(sections))
    assert any(name.endswith(".matrix") for name in started.grid_ranges.histograms)
    again = activations.extremes(started.network, list(started.grid_ranges.histograms), images)
    counted = activations.histograms(started.network, again, images)
    for name, found in started.grid_ranges.histograms.items():
        expected = counted[name].together()
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-4, abs=1e-6), name
        assert found.counts.sum() == expected.counts.sum()
        moved = np.abs(np.cumsum(found.counts) - np.cumsum(expected.counts))
        assert moved.max() <= 2 * expected.counts.max() + 1e-3 * expected.counts.sum(), name
        assert len(found.counts) == BINS

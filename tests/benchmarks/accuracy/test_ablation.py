"""What the ablation tells from noise, and that it leaves out what there is."""

import numpy as np
import pytest

from benchmarks.accuracy.ablation import OFF, effect
from edge.track.methods.nanotrack import Parameters


@pytest.mark.parametrize(
    ("differences", "text"),
    [
        ([1.0, 1.0, 1.0, 1.0], "**+1.0 ± 0.0**"),
        ([-2.0, -2.4, -2.2, -2.2], "**-2.2 ± 0.1**"),
        ([0.4, -0.6, 0.3, 0.2], "+0.1 ± 0.2"),
        ([0.01, 0.01, 0.01, 0.01], "+0.0 ± 0.0"),  # certain, and too little to matter
        ([0.0, 0.0, 0.0, 0.0], "+0.0 ± 0.0"),
    ],
)
def test_only_what_is_beyond_noise_is_marked(differences: list[float], text: str) -> None:
    assert effect(np.array(differences)) == text


def test_every_component_can_be_left_out() -> None:
    defaults = vars(Parameters())
    for name, parameters in OFF.items():
        assert bool(parameters) == (name != "nothing")
        Parameters(**parameters)
        assert all(defaults[parameter] != value for parameter, value in parameters.items())

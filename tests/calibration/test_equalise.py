import numpy as np
import pytest

from calibration import activations, equalise
from calibration.equalise import Channels, Strength
from calibration.matrix_outputs import with_matrix_outputs
from calibration.runtime import Runner
from tests.calibration import toy


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize("strength", [Strength(1 / 3, 0.4), Strength(0.0, 1.0), Strength(1.0, 0.0)])
def test_the_function_is_the_same_and_ranges_are_more_alike(strength: Strength, products: bool) -> None:
    network = toy.network(unlike=300)
    network = with_matrix_outputs(network) if products else network
    images = toy.images(6)
    seen = activations.extremes(network, activations.float_tensors(network, images[0]), images)
    channels = Channels(network)
    by_group = dict.fromkeys(map(int, np.unique(channels.groups())), strength)
    divisors = equalise.factors(network, channels, seen, by_group)
    new = equalise.equalised(network, channels, divisors)
    before, after = (Runner(n.content)(images[0])["rows"] for n in (network, new))
    assert toy.off(after, before) < 1e-5
    if strength.share:
        names = ["body.0.in", "body.0.deep", "head.0.deep"]
        was, now = (activations.extremes(n, names, images) for n in (network, new))
        for name in names:
            spread = [np.ptp(np.log(np.maximum(e[name].highs.max(0), -0.1 * e[name].lows.min(0)))) for e in (was, now)]
            assert spread[1] < spread[0]


def test_channels_follow_split_and_concat_and_are_tied_by_add() -> None:
    channels = Channels(toy.network())
    of = channels.of
    assert np.array_equal(of["joined"], np.roll(of["body.0.out"], 8))
    assert np.array_equal(of["body.1.in"], of["body.1.skip.act"])
    assert not set(of["body.0.in"]) & set(of["body.0.deep"])
    assert channels.pinned[of["head.0.last"]].all()  # results keep their scale
    assert not channels.pinned[of["body.0.in"]].any()


def test_channels_that_are_always_zero_keep_their_scale() -> None:
    network = toy.network()
    weight = network.weights["body.0.in.weight"].copy()
    bias = network.weights["body.0.in.bias"].copy()
    weight[3], bias[3] = 0, 0
    network = network.replaced({"body.0.in.weight": weight, "body.0.in.bias": bias})
    seen = activations.extremes(network, ["body.0.in"], toy.images(2))
    channels = Channels(network)
    by_group = dict.fromkeys(map(int, np.unique(channels.groups())), Strength(0.5, 0.5))
    assert equalise.factors(network, channels, seen, by_group)[channels.of["body.0.in"][3]] == 1

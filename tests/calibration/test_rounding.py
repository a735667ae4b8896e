import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calibration import quantize, rounding
from calibration.matrix_outputs import with_matrix_outputs
from calibration.runtime import Runner
from tests.calibration import toy

NOWHERE = np.empty((0, 2))


@given(seed=st.integers(0, 10**6), size=st.integers(2, 24), one_each=st.booleans())
@example(seed=526, size=15, one_each=True)  # here compensation is worse than nearest
@settings(max_examples=25)
def test_outputs_change_no_more_than_with_nearest_rounding(seed: int, size: int, one_each: bool) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(0, 40, (12, size))
    mixed = random.normal(0, 1, (12 if one_each else 1, 400, size)) @ random.normal(0, 1, (size, size))
    moments = rounding._damped(mixed.transpose(0, 2, 1) @ mixed)
    chosen = rounding._best(rows, moments)
    assert np.array_equal(chosen, np.rint(chosen))
    assert np.abs(chosen).max() <= 127

    def energy(rounded: np.ndarray) -> np.ndarray:
        error = np.clip(rounded, -127, 127) - rows
        return np.array([e @ moments[min(row, len(moments) - 1)] @ e for row, e in enumerate(error)])

    assert (energy(chosen) <= energy(np.rint(rows)) * (1 + 1e-9)).all()


def test_moments_are_those_of_what_the_kernel_sees() -> None:
    network = toy.network()
    image = toy.images(1)[0]
    deep = next(n for n in network.nodes if n.output[0] == "body.0.deep")
    values = Runner(network.showing(["body.0.in.act", "body.0.deep"]))(image)
    points = np.random.default_rng(0).random((200, 2))
    patches = rounding._patches(deep, (3, 3), values["body.0.in.act"], points)
    weight, bias = network.weights["body.0.deep.weight"], network.weights["body.0.deep.bias"]
    y, x = (points[:, 1] * toy.SIZE).astype(int), (points[:, 0] * toy.SIZE).astype(int)
    expected = values["body.0.deep"][0][:, y, x].T
    found = np.einsum("pck,ck->pc", patches, weight.reshape(16, 9)) + bias
    assert np.allclose(found, expected, atol=1e-4)


def test_the_same_seed_gives_the_same_integers_and_every_layer_has_some() -> None:
    network = with_matrix_outputs(toy.network())
    layers = [node.output[0] for node in network.weighted()]
    images, objects = toy.images(4), [NOWHERE, np.array([[0.5, 0.5]])] * 2
    found = [
        rounding.rounded(network, rounding.moments(network, layers, images, objects), quantize.CPU) for _ in range(2)
    ]
    assert set(found[0]) == set(layers)
    for name in layers:
        assert np.array_equal(found[0][name].integers, found[1][name].integers)
        assert found[0][name].integers.dtype == np.int8

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from sesemi_search.search.samplers.encoding import Encoding

SPACE: dict[str, BaseDistribution] = {
    "model.vit.depth": IntDistribution(1, 3),
    "model": CategoricalDistribution(("lenet", "vit", "res.net")),
    "model.res.net.width": IntDistribution(4, 12, log=True),
    "model.vit.head": CategoricalDistribution(("a", "b")),
    "model.vit.head.b.scale": FloatDistribution(1.0, 32.0, log=True),
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "momentum": FloatDistribution(0.8, 0.99, step=0.01),
    "batch": CategoricalDistribution((64, 128, None, True)),
}
OWN = {
    "lenet": set(),
    "vit": {"model.vit.depth", "model.vit.head"},
    "res.net": {"model.res.net.width"},
}
ALWAYS = {"model", "lr", "momentum", "batch"}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_every_draw_is_a_config_of_the_space_and_comes_back(seed: int) -> None:
    encoding, rng = Encoding(SPACE), np.random.default_rng(seed)
    drawn = encoding.draw(20, rng)
    for point in np.vstack([drawn, encoding.mutate(drawn, 0.2, rng)]):
        params = encoding.decode(point)
        expected = ALWAYS | OWN[params["model"]]
        if params.get("model.vit.head") == "b":
            expected = expected | {"model.vit.head.b.scale"}
        assert set(params) == expected
        for name, value in params.items():
            assert SPACE[name]._contains(SPACE[name].to_internal_repr(value)), (name, value)
        assert encoding.decode(encoding.encode([params])[0]) == pytest.approx(params)


def test_what_does_not_exist_is_the_same_in_all() -> None:
    encoding = Encoding(SPACE)
    params = {"model": "lenet", "lr": 0.01, "momentum": 0.9, "batch": 64}
    one, other = encoding.encode([params, params | {"lr": 0.1}])
    assert [encoding.names[j] for j in np.flatnonzero(one != other)] == ["lr"]


def test_each_whole_number_has_an_equal_share_and_a_log_range_an_equal_share_a_decade() -> None:
    encoding = Encoding({"depth": IntDistribution(1, 3), "lr": FloatDistribution(1e-4, 1.0, log=True)})
    drawn = [encoding.decode(point) for point in encoding.draw(3000, np.random.default_rng(0))]
    counts = [sum(params["depth"] == depth for params in drawn) for depth in (1, 2, 3)]
    assert min(counts) > 900
    assert 650 < sum(params["lr"] < 1e-3 for params in drawn) < 850


def test_a_neighbour_is_near() -> None:
    encoding = Encoding({f"x{i}": FloatDistribution(0, 1) for i in range(6)})
    rng = np.random.default_rng(0)
    points = encoding.draw(200, rng)
    near = np.abs(encoding.mutate(points, 0.05, rng) - points)
    assert near.max() < 0.3
    assert 0.3 < (near > 0).mean() < 0.7


def test_a_parameter_is_known_to_be_an_options_own_by_its_name() -> None:
    encoding = Encoding(SPACE)
    assert 4 < encoding.num_active < 6.5  # of eight: a third of the points have the vit's, a third the resnet's

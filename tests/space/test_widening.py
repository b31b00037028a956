"""How far a range goes when it is widened, and where it cannot go."""

import pytest

from sesemi_search.space.domains import Float, Int
from sesemi_search.space.widening import widen


@pytest.mark.parametrize(
    ("domain", "lower", "upper"),
    [
        (Float(0.01, 1, log=True), Float(1e-3, 1, log=True), Float(0.01, 10, log=True)),
        (Float(1e-6, 1e-2, log=True), Float(1e-7, 1e-2, log=True), Float(1e-6, 0.1, log=True)),
        (Float(0.8, 0.9), Float(0.75, 0.9), Float(0.8, 0.95)),  # a share
        (Float(0, 1), None, None),
        (Float(0, 4), None, Float(0, 6)),
        (Float(-1, 1), Float(-2, 1), Float(-1, 2)),
        (Float(0.8, 0.99, step=0.01), Float(0.71, 0.99, step=0.01), None),  # the next step is 1
        (Float(0.5, 3, step=0.5), None, Float(0.5, 4, step=0.5)),  # above 0, and the next step is 0
        (Float(0.5, 2), Float(0.25, 2), Float(0.5, 2.75)),
        (Float(0, 0.5), None, Float(0, 0.75)),
        (Float(0, 0.25), None, Float(0, 0.375)),  # a share, but far from 1
        (Int(1, 8), None, Int(1, 12)),
        (Int(0, 2), None, Int(0, 3)),
        (Int(2, 3), Int(1, 3), Int(2, 4)),
        (Int(32, 256, log=True), Int(11, 256, log=True), Int(32, 720, log=True)),
        (Int(64, 128, step=32), Int(32, 128, step=32), Int(64, 160, step=32)),
    ],
)
def test_an_end_moves_by_half_the_width_where_there_is_room(
    domain: Float | Int, lower: Float | Int | None, upper: Float | Int | None
) -> None:
    assert widen(domain, upper=False) == lower
    assert widen(domain, upper=True) == upper

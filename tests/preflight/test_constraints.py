"""`search.constraints`: a search is refused where no model within them was found, and only there."""

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.errors import ConfigError
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import check_space
from sesemi_search.preflight.constraints import check_any_within
from sesemi_search.search.preparation import prepare
from tests.preflight.conftest import PROJECT

BACKBONE = "space.learner.hparams.model.backbone"
STRIDED = f"{BACKBONE}={{_target_: faulty.sizes.Strided, width: {{int: [16, 64]}}, stride: {{int: [1, 8]}}}}"
VALLEY = f"{BACKBONE}={{_target_: faulty.sizes.Valley, at: {{int: [0, 64]}}}}"


def hold_against(*overrides: str) -> Architectures:
    """Holds the space `tiny`, with overrides, against its limits; returns all that was built for it."""
    prepared = prepare(compose_config(Request(search=True, overrides=["space=tiny", *overrides], project=PROJECT)))
    architectures = Architectures()
    checked = check_space(prepared.space, prepared.experiment, architectures)
    check_any_within(checked, prepared.experiment, architectures, prepared.settings.search.constraints)
    return architectures


@pytest.mark.parametrize(("space", "limit"), [(STRIDED, "max_flops=50000"), (VALLEY, "max_params=50000")])
def test_a_model_within_the_limits_that_is_at_no_end_is_found(space: str, limit: str) -> None:
    most = float(limit.partition("=")[2])
    architectures = hold_against(space, f"search.constraints.{limit}")
    has = [each.flops if "flops" in limit else each.num_params for each in architectures.measured]
    num_ends = 4  # of two heads, low and high
    assert min(has[:num_ends]) > most
    assert has[-1] <= most < min(has[:-1]), "went on after it had found one"


def test_limits_that_an_end_is_within_build_nothing_more() -> None:
    assert len(hold_against(STRIDED, "search.constraints.max_flops=1e9").measured) == 4
    assert len(hold_against(STRIDED).measured) == 4


def test_a_refusal_says_what_was_tried_and_how_small_it_gets() -> None:
    with pytest.raises(ConfigError) as error:
        hold_against(STRIDED, "search.constraints.max_flops=100", "search.constraints.max_params=4000")
    text = str(error.value)
    assert text.startswith("search.constraints.max_flops: got 100, and no model within the limits was found")
    assert "at the ends of 2 branches or in 6" in text  # and some other configs, of 60 built
    # 3 x 16 x 3 x 3 convolved to 4 x 4 places, 256 x 16, 16 x 10; two operations each.
    assert "the smallest found has 4,730 parameters and takes 22,336 FLOPs" in text


def test_points_of_branches_that_are_left_out_are_not_counted_as_tried() -> None:
    bad = [f"bad{i}: {{_target_: faulty.bad_modules.NaNBackbone, out_features: {i + 4}}}" for i in range(24)]
    good = "good: {_target_: faulty.sizes.Valley, at: {int: [0, 64]}}"  # below 8,000 at 32 only, or next to it
    architectures = hold_against(
        f"{BACKBONE}={{choice: {{{', '.join([good, *bad])}}}}}", "search.constraints.max_params=8000"
    )
    assert architectures.measured[-1].num_params <= 8000


def test_a_model_of_a_branch_that_is_left_out_is_none_of_the_space() -> None:
    wide, small = "{_target_: faulty.Flat, out_features: 192}", "{_target_: faulty.bad_modules.NaNBackbone}"
    with pytest.raises(ConfigError, match=r"max_params: got 5,000, .* at the ends of 2 branches or in \d+ other"):
        hold_against(f"{BACKBONE}={{choice: {{wide: {wide}, small: {small}}}}}", "search.constraints.max_params=5000")

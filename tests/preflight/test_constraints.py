"""`search.constraints`: whether the ends of a space's branches are within them."""

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import check_space
from sesemi_search.preflight.constraints import describe_limits
from sesemi_search.search.preparation import prepare
from tests.preflight.conftest import PROJECT

BACKBONE = "space.learner.hparams.model.backbone"
STRIDED = f"{BACKBONE}={{_target_: faulty.sizes.Strided, width: {{int: [16, 64]}}, stride: {{int: [1, 8]}}}}"


def hold_against(*overrides: str) -> list[str]:
    """Holds the space `tiny`, with overrides, against its limits."""
    prepared = prepare(compose_config(Request(search=True, overrides=["space=tiny", *overrides], project=PROJECT)))
    checked = check_space(prepared.space, prepared.experiment, Architectures())
    return list(map(str, describe_limits(checked, prepared.settings.search.constraints)))


def test_limits_that_an_end_is_within_are_no_matter() -> None:
    assert hold_against(STRIDED, "search.constraints.max_flops=1e9") == []
    assert hold_against(STRIDED) == []


def test_limits_that_no_end_is_within_are_said_with_the_nearest_end() -> None:
    (line,) = hold_against(STRIDED, "search.constraints.max_flops=100", "search.constraints.max_params=4000")
    assert line.startswith("search.constraints.max_flops: got 100, which no model at the ends of 2 branches is within")
    # Wide and with a stride of 8: 3 x 64 x 3 x 3 convolved to 4 x 4 places, 1024 x 64, 64 x 10; two operations each.
    assert line.endswith("; the nearest has 68,042 parameters and takes 187,648 FLOPs.")


def test_an_end_of_a_branch_that_is_left_out_is_none_of_the_space() -> None:
    wide, small = "{_target_: faulty.Flat, out_features: 192}", "{_target_: faulty.bad_modules.NaNBackbone}"
    (line,) = hold_against(
        f"{BACKBONE}={{choice: {{wide: {wide}, small: {small}}}}}", "search.constraints.max_params=5000"
    )
    assert "max_params: got 5,000, which no model at the ends of 2 branches is within" in line

"""Spaces over the test project, checked in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import Checked, check_space
from sesemi_search.search.preparation import prepare

PROJECT = Path(__file__).parents[1] / "project"

Check = Callable[..., Checked]


@pytest.fixture(scope="session")
def check() -> Check:
    """Checks the space `tiny` with overrides."""

    def check(*overrides: str, **limits: int) -> Checked:
        request = Request(search=True, overrides=["space=tiny", *overrides], project=PROJECT)
        prepared = prepare(compose_config(request))
        return check_space(prepared.space, prepared.experiment, Architectures(), **limits)

    return check

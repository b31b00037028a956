"""A data set that ends the program, or does not know its length, is told as one that raises."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.errors import ConfigError
from sesemi_search.project.sesemi_modules import install

KEY = "data.source"
COLORS = "faulty.exits.Colors"
SOURCES = Path(__file__).parents[1] / "project" / "src"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("length", f"{COLORS} does not give its labels: RuntimeError: not connected"),
        ("exit", f"{COLORS} does not give its labels: SystemExit: 0"),
        ("item", f"{COLORS}[7] raised SystemExit: 0"),
    ],
)
def test_a_data_set_that_exits_is_a_mistake(
    fault: str, text: str, load: Callable[..., dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SOURCES))
    install()
    with pytest.raises(ConfigError) as raised:
        load("train", source={"_target_": COLORS, "fault": fault}, val_size=4, test_size=4)
    assert (raised.value.problems[0].key, raised.value.problems[0].text) == (KEY, text)

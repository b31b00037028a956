"""The page about the language: its examples are spaces, what it says of them holds."""

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

PAGE = (Path(__file__).parents[2] / "docs" / "search_spaces.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FORMS = re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)


def read(text: str) -> Any:
    return OmegaConf.to_container(OmegaConf.create(text))


def test_every_example_is_a_space() -> None:
    spaces = [read(block)["space"] for block in BLOCKS if "\nspace:" in f"\n{block}"]
    assert len(spaces) == len(BLOCKS) - 1 == 4
    names = [d.name for raw in spaces for d in Space(parse_space(raw)).dimensions]
    hparams = "learner.hparams"
    for name in (f"{hparams}.model.head.linear.dropout", f"{hparams}.model.head.mlp.norm.batch.eps", "data.std.0"):
        assert name in names
        assert name in PAGE


def test_every_form_of_a_domain_is_one() -> None:
    assert len(FORMS) == 6
    for form in FORMS:
        raw = read(f"x: {form}".replace("name: ..., name: ...", "a: 1, b: 2"))
        assert len(Space(parse_space(raw)).dimensions) == 1

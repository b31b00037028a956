"""What people read of the keys is what the schema says."""

import re
import shlex
from pathlib import Path

from sesemi_search.config.key_reference import describe_keys, reference_page
from sesemi_search.config.overrides import parse_overrides
from sesemi_search.config.schema import SearchExperimentConfig

ROOT = Path(__file__).parents[2]


def test_the_page_of_the_keys_is_that_of_the_schema() -> None:
    page = (ROOT / "docs" / "keys.md").read_text()
    assert page == reference_page(), "python -m sesemi_search.config.key_reference > docs/keys.md"


def test_every_key_has_a_meaning_and_its_default() -> None:
    rows = {row.key: row for row in describe_keys(SearchExperimentConfig)}
    assert all(row.meaning.endswith(".") for row in rows.values())
    assert rows["run.num_epochs"].default == "80"
    assert rows["run.precision"].default == "auto"
    assert rows["learner.hparams.optimizer"].default == ""
    assert rows["search.time_budget"].is_changeable
    assert rows["tracking.mode"].is_changeable
    assert not rows["search.seed"].is_changeable
    assert rows["search.sampler"].is_open


def test_the_lines_of_the_readme_can_be_pasted_into_a_shell() -> None:
    for page in ("README.md", "docs/search_spaces.md"):
        lines = re.findall(r"`(\'?search\.(?:enqueue|warm_start)=.*?)`", (ROOT / page).read_text())
        assert lines
        for line in lines:
            assert line.startswith("'"), line  # zsh looks for files of what has [ ]
            (word,) = shlex.split(line)
            assert len(parse_overrides([word])) == 1

"""A sampler or a pruner of a user's that raises ends its search in order, with its name; mended, the search goes on."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sesemi_search.errors import SesemiSearchError
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.result import SearchResult
from tests.processes import read_trials

MODULE = "faulty.samplers"
SETTINGS = ["search.max_concurrent=1", "search.num_trials=4", "search.baseline=false", "run.num_epochs=2"]
RunSearch = Callable[..., SearchResult]
Faults = Mapping[str, tuple[list[str], str]]


def sampler(place: str) -> list[str]:
    return [f"++search.sampler={{_target_: {MODULE}.ExitingSampler, place: {place}}}", "search/pruner=none"]


FAULTS: Faults = {
    "before": (sampler("before"), f"search.sampler: {MODULE}.ExitingSampler raised SystemExit: 0"),
    "value": (sampler("value"), f"search.sampler: {MODULE}.ExitingSampler raised SystemExit: 0"),
    "after": (sampler("after"), f"search.sampler: {MODULE}.ExitingSampler raised SystemExit: 0"),
    "raise": (sampler("raise"), f"search.sampler: {MODULE}.ExitingSampler raised ValueError: no idea"),
    "prune": (
        ["search/sampler=tpe", f"++search.pruner={{_target_: {MODULE}.ExitingPruner}}"],
        f"search.pruner: {MODULE}.ExitingPruner raised SystemExit: 0",
    ),
}


@pytest.mark.parametrize(
    "fault", [fault if fault in ("value", "prune") else pytest.param(fault, marks=pytest.mark.slow) for fault in FAULTS]
)
def test_a_sampler_or_a_pruner_that_raises_ends_its_search_in_order_and_mended_it_goes_on(
    fault: str, run_search: RunSearch, resume_search: RunSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides, says = FAULTS[fault]
    directory = tmp_path / "search"
    with pytest.raises(SesemiSearchError) as raised:
        run_search(*SETTINGS, *overrides, directory=directory)
    assert str(raised.value) == (
        f"{directory}: {says}. The search stopped; what was recorded before is kept. "
        f"Once that is mended: sesemi-search resume {directory}"
    )
    before = read_trials(directory)
    assert [trial.state.name for trial in before] == [
        "COMPLETE",
        "COMPLETE",
        "COMPLETE" if fault == "after" else "WAITING",
    ]
    assert says in (directory / "search.log").read_text()

    monkeypatch.setattr(f"{MODULE}.is_broken", False)
    end = resume_search(directory)
    assert [record.outcome for record in end.records] == [Outcome.complete] * 4
    after = read_trials(directory)
    assert [trial.intermediate_values for trial in after[:2]] == [trial.intermediate_values for trial in before[:2]]
    assert all(old.params.items() <= new.params.items() for old, new in zip(before, after, strict=False))

"""A search does not end without a trial that ran in full, as long as one could have."""

from pathlib import Path

import pytest

from sesemi_search.search.ledger.records import Outcome, TrialReport
from tests.search.told_search import metrics, open_session

# One architecture: at the first of 3 epochs, its one rung, the first two trials have no place.
ALONE = [
    "search.num_trials=2",
    "search.max_concurrent=2",
    "search/pruner=late_halving",
    "space.learner.hparams.model.head={_target_: sesemi_search.models.heads.LinearHead}",
]


@pytest.mark.parametrize("reopened", [False, True])
def test_the_last_of_a_search_goes_on_where_none_is_complete(reopened: bool, project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search", *ALONE)
    first, second = session.next_trial(), session.next_trial()
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert not session.epoch_ended(TrialReport(first, 1, metrics(0.9))), "the other one may yet go on"
    if reopened:  # as after a kill before the verdict: the worker reports its checkpoint's epoch again
        ledger.report(second, 1, 0.5, metrics(0.5))
        session, ledger = open_session(project, tmp_path / "search", *ALONE)
        assert session.next_trial() == second
    assert session.epoch_ended(TrialReport(second, 1, metrics(0.5)))
    session.trial_ended(TrialReport(second, 3, metrics(0.6), Outcome.complete))
    assert [record.outcome for record in ledger.records()] == [Outcome.stopped, Outcome.complete]


def test_one_that_is_stopped_with_others_to_come_is_stopped(project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search", *ALONE, "search.num_trials=3")
    for _ in range(2):
        number = session.next_trial()
        assert isinstance(number, int)
        assert not session.epoch_ended(TrialReport(number, 1, metrics(0.5)))
    assert [record.outcome for record in ledger.records()] == [Outcome.stopped] * 2

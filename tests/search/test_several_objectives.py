"""A search with more than one objective: its study, its pruner, its end."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState

from sesemi_search.search.directory import JOURNAL
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.records import Outcome, TrialReport
from sesemi_search.search.session import Next, Session
from tests.search.told_search import metrics, open_session

TWO = ("search.metric=[val/top1,num_params]", "search.mode=[max,min]", "search.num_trials=8", "search.max_concurrent=1")


def plain_study(directory: Path) -> optuna.Study:
    """Opens a ledger as anybody would, with nothing of ours."""
    storage = JournalStorage(JournalFileBackend(str(directory / JOURNAL)))
    return optuna.load_study(study_name=None, storage=storage)


def top1(session: Session, ledger: Ledger, number: int, epoch: int) -> float:
    """A trial's accuracy, made from its parameters."""
    params = ledger.record(number).params
    return float(0.5 + 0.1 * epoch + 0.002 * params["learner.hparams.model.backbone.out_features"])


def go_on(session: Session, ledger: Ledger, epochs: int = 1_000) -> None:
    """Tells a session of up to so many epochs of three-epoch trials."""
    while isinstance(number := session.next_trial(), int):
        for epoch in range(ledger.record(number).epochs + 1, 4):
            if epochs == 0:
                return
            epochs -= 1
            value = metrics(top1(session, ledger, number, epoch))
            if epoch == 3:
                session.trial_ended(TrialReport(number, epoch, value, Outcome.complete))
            elif not session.epoch_ended(TrialReport(number, epoch, value)):
                break
    assert number is Next.over


@pytest.fixture
def run(project: Path, tmp_path: Path) -> Callable[..., Ledger]:
    def run(name: str = "search", epochs: int = 1_000, overrides: tuple[str, ...] = TWO) -> Ledger:
        session, ledger = open_session(project, tmp_path / name, *overrides)
        go_on(session, ledger, epochs)
        return ledger

    return run


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii"])
def test_plain_optuna_has_both_values_and_the_same_front(
    run: Callable[..., Ledger], tmp_path: Path, sampler: str
) -> None:
    ledger = run(overrides=(*TWO, "search/pruner=none", f"search/sampler={sampler}"))
    study = plain_study(tmp_path / "search")
    assert study.directions == [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 8
    front = {record.number for record in ledger.objectives.front(ledger.records())}
    assert {t.number for t in study.best_trials} == front
    record = ledger.record(0)
    assert study.trials[0].values == [record.value, record.num_params]


def test_the_pruner_judges_by_the_first_objective(run: Callable[..., Ledger]) -> None:
    sampler = "search/sampler=tpe"  # which begins alike with one objective and with two
    several = [(r.outcome, r.epochs, dict(r.params)) for r in run(overrides=(*TWO, sampler)).records()]
    assert {outcome for outcome, _, _ in several} == {Outcome.complete, Outcome.stopped}
    first = several[0][2]
    one = run("one", overrides=("search.num_trials=8", "search.max_concurrent=1", sampler)).records()
    assert first == one[0].params
    assert (several[0][0], several[0][1]) == (one[0].outcome, one[0].epochs)


def test_a_killed_search_goes_on_to_the_same_end(run: Callable[..., Ledger], tmp_path: Path) -> None:
    whole = [(r.params, r.values, r.outcome) for r in run("whole").records()]
    for killed_after in (1, 2, 4, 7):
        name = f"killed after {killed_after} epochs"
        run(name, epochs=killed_after)
        assert [(r.params, r.values, r.outcome) for r in run(name).records()] == whole, name
        assert plain_study(tmp_path / name).get_trials(states=(TrialState.RUNNING,)) == []


def test_a_diverged_trial_has_no_values_and_stays_off_the_front(project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search", *TWO)
    number = session.next_trial()
    assert isinstance(number, int)
    session.trial_ended(TrialReport(number, 1, metrics(float("nan")), Outcome.diverged))
    go_on(session, ledger)
    trial = plain_study(tmp_path / "search").trials[number]
    assert (trial.state, trial.values) == (TrialState.PRUNED, None)
    assert number not in {record.number for record in ledger.objectives.front(ledger.records())}

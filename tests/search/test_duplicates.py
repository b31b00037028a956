"""What is asked for and not trained: the same config again, and models above the limits."""

from collections import Counter
from pathlib import Path

import pytest

from sesemi_search.commands.track import track_command
from sesemi_search.config.compose import Request
from sesemi_search.errors import ConfigError
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.records import Given, LossKind, Origin, Outcome, TrialReport, WorkerLoss
from sesemi_search.search.resume import describe_resume
from sesemi_search.search.session import Next, Session
from sesemi_search.search.stopping import StopKind
from tests.search.told_search import metrics, open_session

LR = "space.learner.hparams.optimizer.lr"
WIDTH = "space.learner.hparams.model.backbone.out_features"
HEAD = "space.learner.hparams.model.head"
LINEAR = "sesemi_search.models.heads.LinearHead"
# Three heads of which two are the same one under two names, times two widths: four configs.
SMALL = (
    f"{LR}=0.1",
    f"{WIDTH}={{choice: [8, 16]}}",
    f"{HEAD}.linear={{_target_: sesemi_search.models.heads.LinearHead}}",
    f"{HEAD}.scaled={{_target_: sesemi_search.models.heads.ScaledCosineHead}}",
    f"{HEAD}.choice.again={{_target_: sesemi_search.models.heads.LinearHead}}",
    "search/pruner=none",
)


def train_all(session: Session, ledger: Ledger) -> None:
    """Ends every trial well; the widest linear one is the best, so that a sampler comes back to it."""
    while isinstance(number := session.next_trial(), int):
        params = ledger.record(number).params
        value = 0.5 + params["learner.hparams.model.backbone.out_features"] / 100
        session.trial_ended(TrialReport(number, 3, metrics(value), Outcome.complete))
    assert number is Next.over


def test_a_finite_space_is_tried_whole_and_each_config_once(project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search", *SMALL, "search.num_trials=50")
    train_all(session, ledger)
    assert session.stop is None
    assert ledger.is_exhausted
    records = ledger.records()
    assert Counter(r.outcome for r in records)[Outcome.complete] == 4
    trained = {r.digest: r.number for r in records if r.outcome is Outcome.complete}
    assert len(trained) == 4
    repeated = [r for r in records if r.outcome is Outcome.duplicate]
    assert repeated
    for record in repeated:
        assert record.duplicate_of in trained.values()
        assert record.message == f"has the config of trial {record.duplicate_of}"
        assert not (tmp_path / "search/trials" / f"{record.number:04d}").exists()
    assert len({tuple(sorted(r.params.items())) for r in records}) == 6, "under every name once"


def test_a_search_that_goes_on_knows_what_was_trained(project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search", *SMALL, "search.num_trials=2")
    train_all(session, ledger)
    assert ledger.num_counted == 2
    session, ledger = open_session(project, tmp_path / "search", *SMALL, "search.num_trials=50")
    train_all(session, ledger)
    complete = [r for r in ledger.records() if r.outcome is Outcome.complete]
    assert len(complete) == len({r.digest for r in complete}) == 4
    session, ledger = open_session(project, tmp_path / "search", *SMALL, "search.num_trials=60")
    before = len(ledger)
    train_all(session, ledger)
    assert len(ledger) == before, "nothing is left to ask for"


def test_duplicates_do_not_count_toward_the_number_of_trials(project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search", *SMALL, "search.num_trials=4")
    train_all(session, ledger)
    assert Counter(r.outcome for r in ledger.records())[Outcome.complete] == 4


def test_readers_see_only_what_was_trained(project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "search"
    train_all(*open_session(project, directory, *SMALL, "search.num_trials=50"))
    request = Request(search=True, overrides=[str(directory), "search.num_trials=6"])
    assert "2 new trials would be asked for" in "\n".join(describe_resume(request))
    assert track_command(Request(search=True, overrides=[str(directory), "tracking.mode=offline"])) == 0
    assert "5 runs written" in capfd.readouterr().out


def test_models_above_the_limits_are_told_and_not_trained(project: Path, tmp_path: Path) -> None:
    limits = ("search.num_trials=6", "search.constraints.max_params=4000", "search/pruner=none")
    session, ledger = open_session(project, tmp_path / "search", *limits)
    train_all(session, ledger)
    outcomes = Counter(r.outcome for r in ledger.records())
    assert outcomes[Outcome.complete] == 6
    assert outcomes[Outcome.infeasible] > 0
    for record in ledger.records():
        if record.outcome is Outcome.infeasible:
            assert "search.constraints.max_params: the model has" in record.message
        else:
            assert record.num_params is not None
            assert record.num_params <= 4000


def test_limits_that_no_end_meets_are_said_and_end_a_search_that_draws_nothing_within(
    project: Path, tmp_path: Path, said: list[str]
) -> None:
    few = (f"{WIDTH}={{int: [4, 8]}}", f"{HEAD}={{_target_: {LINEAR}}}")
    session, ledger = open_session(project, tmp_path / "search", *few, "search.constraints.max_flops=10")
    assert any(line.startswith("search.constraints.max_flops: got 10, which no model at the ends") for line in said)
    assert session.next_trial() is Next.over
    assert session.stop is not None
    assert "of the last 100 draws none could be trained" in session.stop.text
    assert "and at most 10 are allowed" in session.stop.text
    assert ledger.num_counted == 0


def test_limits_that_a_space_without_ranges_does_not_meet_are_a_mistake(project: Path, tmp_path: Path) -> None:
    head = "{choice: {linear: {_target_: sesemi_search.models.heads.LinearHead}}}"
    pinned = ["optimizer.lr=0.1", "model.backbone.out_features=16", f"model.head={head}"]
    overrides = [f"space.learner.hparams.{each}" for each in pinned]
    with pytest.raises(ConfigError, match=r"max_flops: got 10, which no model at the ends of \d branch"):
        open_session(project, tmp_path / "search", *overrides, "search.constraints.max_flops=10")
    assert not (tmp_path / "search").exists()


def test_limits_that_the_visited_branches_alone_do_not_meet_are_no_mistake(
    project: Path, tmp_path: Path, said: list[str]
) -> None:
    # Seeds make branches, and no architectures of their own: those take time.
    overrides = [f"{LR}=0.1", f"{WIDTH}={{choice: [4, 8]}}", f"{HEAD}={{_target_: {LINEAR}}}"]
    overrides.append(f"space.run.seed={{choice: {list(range(200))}}}")
    open_session(project, tmp_path / "search", *overrides, "search.constraints.max_flops=10")
    assert any("no model at the ends of 256 branches is within" in line for line in said)


def test_a_search_in_which_nothing_can_be_trained_gives_up(project: Path, tmp_path: Path) -> None:
    # Widths 4 and 64 work and are the only ones checked; `Odd` takes none that lies between but multiples of 4.
    odd = "space.learner.hparams.model.backbone={_target_: faulty.Odd, width: {float: [4, 64]}}"
    session, _ = open_session(project, tmp_path / "search", odd)
    assert session.next_trial() is Next.over
    assert session.stop is not None
    assert session.stop.kind is StopKind.error
    assert "of the last 100 draws none could be trained" in session.stop.text
    assert "multiple of 4" in session.stop.text


def test_steps_of_a_float_are_one_config_however_they_are_reached(project: Path, tmp_path: Path) -> None:
    # 0.1 + 2 * 0.1 and 0.3 are two numbers in binary.
    steps = f"{LR}={{float: [0.1, 0.4], step: 0.1}}"
    session, ledger = open_session(project, tmp_path / "search", *SMALL[1:], steps, "search.num_trials=50")
    train_all(session, ledger)
    assert Counter(r.outcome for r in ledger.records())[Outcome.complete] == 16


def test_errors_end_a_search_whatever_was_passed_over_before(project: Path, tmp_path: Path) -> None:
    limits = ("search.num_trials=30", "search.constraints.max_params=2000", "search/sampler=random")
    session, ledger = open_session(project, tmp_path / "search", *limits)
    while isinstance(number := session.next_trial(), int):
        session.trial_ended(TrialReport(number, 0, {}, Outcome.error, "Traceback: no"))
    assert any(not record.is_counted for record in ledger.records())
    assert session.stop is not None
    assert "all failed with the same error" in session.stop.text
    assert ledger.num_counted == 3


def test_the_config_of_a_lost_trial_may_be_tried_again(project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search", *SMALL)
    model = "learner.hparams.model"
    ledger.begin([], [Given({f"{model}.head": "linear", f"{model}.backbone.out_features": 8}, Origin.enqueued)] * 2)
    number = session.next_trial()
    assert isinstance(number, int)
    session.worker_lost(number, WorkerLoss(LossKind.died, "killed"))
    assert session.next_trial() == number
    session.worker_lost(number, WorkerLoss(LossKind.died, "killed"))
    assert ledger.record(number).outcome is Outcome.lost
    second = session.next_trial()
    assert isinstance(second, int)
    assert ledger.record(second).params == ledger.record(number).params

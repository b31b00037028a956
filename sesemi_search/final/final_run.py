"""A final run from its plan to its model: confirm, train the winner on all images, open the test split once.

Confirm and training are searches of given trials (`phases.py`): killed at any moment, they go on where they were. What
comes after them trains nothing, and is done anew. The test split is opened when all models are trained and nothing is
left to choose.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sesemi_search.atomic import remove_torn, write_text
from sesemi_search.config.experiment import Written, resolve
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data.normalization import fill_normalization
from sesemi_search.data.stored import ImageSplit, join_splits
from sesemi_search.errors import SesemiSearchError
from sesemi_search.final.final_plan import FinalPlan
from sesemi_search.final.finish import finish
from sesemi_search.final.phases import plan_confirm, plan_training, score_table
from sesemi_search.final.result import FinalRun
from sesemi_search.final.verdict import Verdict, judge
from sesemi_search.metrics import IMAGE_SHARES
from sesemi_search.project.project import PROVENANCE
from sesemi_search.project.provenance import describe_provenance
from sesemi_search.search.directory import holds_search, lock_directory
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.search.open_ledger import save_config
from sesemi_search.search.plan import Plan, load_data
from sesemi_search.search.ray_tune.cluster import connect
from sesemi_search.search.ray_tune.driver import search
from sesemi_search.search.ray_tune.local_ray import LocalRay
from sesemi_search.search.stopping import Budget, StopKind
from sesemi_search.tracking.tracker import Tracker

__all__ = ["MakeTracker", "run_final"]

logger = logging.getLogger(__name__)

MakeTracker = Callable[[Plan], Callable[[Ledger, Path, Budget, int], Tracker]]


def run_final(plan: FinalPlan, argv: Sequence[str], make_tracker: MakeTracker, begun: LocalRay | None) -> FinalRun:
    """Carries out a final run, or the rest of one.

    Args:
        plan: The plan.
        argv: The command line, for the provenance.
        make_tracker: Makes, from the plan of a phase, what makes what is shown its events.
        begun: The local Ray that has begun to start.

    Raises:
        ConfigError: The data cannot be read, or another driver is at work there.
        SesemiSearchError: No candidate could be trained, or a phase stopped.
        KeyboardInterrupt: A signal ended a phase in order.
    """
    with lock_directory(plan.folder):
        remove_torn(plan.folder)
        if not (plan.folder / PROVENANCE).exists():
            write_text(plan.folder / PROVENANCE, describe_provenance(argv, plan.setup.project))
        settings = plan.setup.typed(next(iter(plan.configs.values())))
        data = load_data(settings, later=("test",))
        with connect(settings.ray.address, plan.setup.project, begun):
            confirm = plan_confirm(plan.setup, plan.configs, plan.candidates, plan.seeds, data)
            runs = _run_phase(confirm, plan.confirm_folder, argv, make_tracker)
            verdict = _judge(plan, runs, len(data["val"]))
            for sentence in verdict.sentences():
                logger.info(sentence)
            winner = _find_winner(plan, verdict, runs)
            of_winner = [run for run in runs if run.params["candidate"] == winner]
            config = _extend(plan.configs[winner], of_winner, plan.setup.objective, settings, data["train"])
            training = plan_training(plan.setup, winner, config, plan.training_seeds, _join(data, settings))
            models = _run_phase(training, plan.models_folder, argv, make_tracker)
        for model in models:
            if model.outcome is not Outcome.complete:
                raise SesemiSearchError(
                    f"{plan.models_folder}: the final training of {winner} ended as {model.outcome}: {model.message} "
                    "With other settings, --again begins another final run."
                )
        return finish(plan, winner, verdict, runs, models)


def _run_phase(plan: Plan, directory: Path, argv: Sequence[str], make_tracker: MakeTracker) -> list[TrialRecord]:
    """Runs the trials of a phase that are left, and returns all of them."""
    result = search(plan, directory, argv, make_tracker(plan), resume=holds_search(directory))
    if result.stop is None:
        plan.config.search.num_trials = len(result.records)  # candidates that went left some unasked for
        save_config(plan, directory)
        return result.records
    logger.info(f"go on with it:  {plan.resume_command(directory)}")
    if result.stop.kind is StopKind.signal:
        raise KeyboardInterrupt
    raise SesemiSearchError(result.stop.text)


def _judge(plan: FinalPlan, runs: Sequence[TrialRecord], num_val_images: int) -> Verdict:
    objective = plan.setup.objective
    return judge(
        plan.candidates,
        score_table(runs, list(plan.configs), plan.seeds),
        num_seeds=len(plan.seeds),
        num_images=num_val_images if objective.name in IMAGE_SHARES else None,
        higher_is_better=objective.maximize,
        metric=objective.name,
    )


def _find_winner(plan: FinalPlan, verdict: Verdict, runs: Sequence[TrialRecord]) -> str:
    """Returns the candidate to take: the one that was asked for, else the one that confirm chose."""
    failed = {each.name for each in verdict.scores if each.is_failed}
    winner = plan.chosen or verdict.winner
    if winner is None or winner in failed:
        failures = [run for run in runs if run.outcome is not Outcome.complete]
        of_winner = [run for run in failures if run.params["candidate"] == winner] or failures
        message = f"{of_winner[0].outcome}: {of_winner[0].message}"
        what = "no candidate could" if winner is None else f"{winner} could not"
        raise SesemiSearchError(f"{plan.confirm_folder}: {what} be trained to the end. {message}")
    if winner != verdict.winner:
        logger.info(f"{winner} is trained, as asked for")
    return winner


def _extend(
    config: Written, runs: Sequence[TrialRecord], objective: Objective, data: ExperimentConfig, train: ImageSplit
) -> Written:
    """Returns the winner's config for all images: normalized as in confirm, of as many epochs as confirm found best.

    A schedule spans the run, and an epoch before its end is not what a shorter run would come to, so it keeps its
    length. At a constant rate it is, and the epoch is taken at which the mean over the seeds was best.
    """
    resolved = resolve(config)
    num_epochs = resolved["run"]["num_epochs"]
    if resolved["learner"]["hparams"]["lr_scheduler"]["scheduler"] is None:
        curves = [run.values for run in runs if run.outcome is Outcome.complete]
        sign = 1 if objective.maximize else -1

        def rank(epoch: int) -> tuple[bool, float]:
            total = sign * sum(curve[epoch] for curve in curves)
            return math.isfinite(total), total

        num_epochs = max(range(1, num_epochs + 1), key=rank)
    section = config["data"]
    if resolved["data"]["mean"] is None or resolved["data"]["std"] is None:
        filled = fill_normalization(data.data, train, quiet=True)
        section = {**section, "mean": filled.mean, "std": filled.std}
    return Written({**config, "run": {**config["run"], "num_epochs": num_epochs}, "data": section})


def _join(data: Mapping[str, ImageSplit], settings: ExperimentConfig) -> dict[str, ImageSplit]:
    """Returns the training and the validation images as one split."""
    assert settings.data.image_size is not None
    return {"train": join_splits(data["train"], data["val"], settings.data.image_size, settings.data.channels)}

"""Asking a pruner a second time about one report, after a driver that may have died with its verdict."""

import optuna

__all__ = ["judge_again"]

# What `SuccessiveHalvingPruner` (and Hyperband, which is made of them) notes of a trial when it judges a report.
_RUNG = "completed_rung_"


def judge_again(study: optuna.Study, number: int) -> bool:
    """Returns the pruner's verdict on the last report of a trial as if it had not been asked before.

    A pruner that notes in the study that it has judged says "go on" when it is asked again, whatever it said at first.
    So it is asked in a copy of the study in which the notes on this report are not there.

    Args:
        study: The study; it is not changed.
        number: The trial's number.
    """
    trials = study.get_trials()
    mine = trials[number]
    *earlier, last = (value for _, value in sorted(mine.intermediate_values.items()))
    if last in earlier:
        return False  # a note cannot be told from that on an earlier report, which the trial has long passed
    mine.system_attrs = {k: v for k, v in mine.system_attrs.items() if not (k.startswith(_RUNG) and v == last)}
    copy = optuna.create_study(study_name=study.study_name, direction=study.direction, pruner=study.pruner)
    copy.add_trials(trials)
    return optuna.trial.Trial(copy, copy.get_trials(deepcopy=False)[number]._trial_id).should_prune()

"""How much each parameter mattered, by the complete trials of a search."""

import warnings
from collections.abc import Iterable

import optuna

from sesemi_search.search.ledger.conversion import to_copy
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.space.space import Space

__all__ = ["measure_importances"]

# Of fewer complete trials the best quarter is one, which says nothing.
_MIN_TRIALS = 8
# The evaluator's own 0.1 leaves two trials of the twenty that a search of fifty completes.
_QUANTILE = 0.25


def measure_importances(records: Iterable[TrialRecord], space: Space, objectives: Objectives) -> dict[str, float]:
    """Returns the importance of each parameter by short name, the greatest first; they add up to 1.

    It is how differently a parameter is distributed among the best quarter of the complete trials and among all of
    them (PED-ANOVA, Watanabe et al. 2023, with its extension to conditional parameters); of several objectives the
    best are those nearest to the Pareto front. Empty where fewer than eight trials are complete.
    """
    complete = list(filter(objectives.is_comparable, records))
    if len(complete) < _MIN_TRIALS:
        return {}
    study = optuna.create_study(directions=objectives.directions)
    study.add_trials([to_copy(record, space, objectives) for record in complete])
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=_QUANTILE)
    with warnings.catch_warnings():
        # Of an option that few trials chose: "may be inaccurate".
        warnings.simplefilter("ignore")
        return space.shorten(optuna.importance.get_param_importances(study, evaluator=evaluator))

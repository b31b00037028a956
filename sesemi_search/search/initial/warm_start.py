"""`search.warm_start`: the finished trials of earlier searches that are trials of this one as well.

A trial is taken over when the new space can sample its parameters (a bound may be wider, an option may be new), it
optimizes the same metric, and its config is the same in all else, so that its values mean the same. The other searches
are read and nothing of theirs is run.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sesemi_search.config.experiment import Sampled, Written, resolve
from sesemi_search.config.keys import Effect
from sesemi_search.errors import ConfigError, Problem, raise_problems
from sesemi_search.metrics import METRICS_KEY
from sesemi_search.search.fingerprint import find_changes, objective_settings, select_keys
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from sesemi_search.search.stored_search import StoredSearch, read_search
from sesemi_search.space.points import Outside, complete_point
from sesemi_search.space.space import Space

__all__ = ["collect_trials"]

# The sampler learns from these; the others it never sees.
# (`infeasible` and `timed_out` depend on the limits of a search: the new one finds its own.)
_FINISHED = (Outcome.complete, Outcome.stopped, Outcome.diverged, Outcome.out_of_memory)


def collect_trials(
    directories: Sequence[str], space: Space, experiment: Written, objectives: Objectives
) -> tuple[list[TrialRecord], list[str]]:
    """Returns the trials of earlier searches that fit, and lines that say how many and why others do not.

    Args:
        directories: Search directories.
        space: The new space.
        experiment: The new experiment.
        objectives: What the new search optimizes.

    Returns:
        The records with the new space's parameters and their origin, each once; and the lines.

    Raises:
        ConfigError: A directory holds no search that can be read.
    """
    problems, trials, lines = [], dict[str, TrialRecord](), list[str]()
    for directory in directories:
        try:
            stored = read_search(Path(directory))
        except ConfigError as error:
            problems.append(Problem("search.warm_start", str(error)))
            continue
        reasons: Counter[str] = Counter()
        theirs = [*stored.copied, *(replace(r, copied_from=f"{stored.name}/{r.number}") for r in stored.records)]
        for record in theirs:
            try:
                trial = _take_over(record, stored, space, experiment, objectives)
                if trial.identity in trials:
                    raise Outside("is copied already")
                trials[trial.identity] = trial
            except Outside as reason:
                reasons[str(reason)] += 1
        lines += _report(stored, len(theirs), reasons)
    raise_problems(problems)
    return list(trials.values()), lines


def _take_over(
    record: TrialRecord,
    stored: StoredSearch,
    space: Space,
    experiment: Written,
    objectives: Objectives,
) -> TrialRecord:
    """Returns a record as one of the new search; raises `Outside` with the reason where it is none."""
    if stored.objectives.each != objectives.each:
        were = ", ".join(f"{each.name} ({each.mode})" for each in stored.objectives.each)
        raise Outside(f"search.metric: was {were}")
    names = [each.name for each in objectives.each]
    before, after = (objective_settings(each, names) for each in (stored.experiment, experiment))
    if (change := next(find_changes(before, after, METRICS_KEY), None)) is not None:
        raise Outside(change)
    if record.outcome not in _FINISHED:
        raise Outside(f"ended as {record.outcome.value}" if record.is_ended else "has not ended")
    if record.outcome is Outcome.complete and any(map(math.isnan, objectives.values(record))):
        raise Outside("has no value")
    point = complete_point(space, record.params)
    try:
        theirs = stored.space.apply(stored.experiment, record.params)
    except KeyError as error:
        raise Outside(f"its own space has a parameter {error} that it lacks") from None
    change = _find_change(theirs, space.apply(experiment, point))
    if change is not None:
        raise Outside(change)
    return replace(record, params=point, origin=Origin.copied)


def _find_change(before: Sampled, after: Sampled) -> str | None:
    """Returns the first key in which two trials' configs differ, with both values."""
    change = next(find_changes(select_keys(before, Effect.result), select_keys(after, Effect.result)), None)
    if change is None or "${" not in change:
        return change
    # Resolving takes 20 ms, so it is left to where it can matter.
    try:
        resolved = [select_keys(resolve(config), Effect.result) for config in (before, after)]
    except ConfigError as error:
        return str(error)
    return next(find_changes(resolved[0], resolved[1]), None)


def _report(stored: StoredSearch, count: int, reasons: Counter[str]) -> list[str]:
    copied = count - reasons.total()
    lines = [f"warm start: {copied} of {count} trials of {stored.directory} copied"]
    return lines + [f"  {number} left: {reason}" for reason, number in reasons.most_common()]

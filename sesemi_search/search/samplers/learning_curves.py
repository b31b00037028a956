"""A sampler that learns from whole learning curves, those of stopped trials among them."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sesemi_search.search.samplers.encoding import Encoding

if TYPE_CHECKING:
    from sesemi_search.search.samplers.gaussian_process import GaussianProcess

__all__ = ["LearningCurveSampler"]

Array = NDArray[np.float64]

_MAX_RUNGS = 4  # epochs at which a curve is looked at, besides its last
_NUM_RANDOM = 300  # candidates over the whole space
_NUM_NEAR = 150  # candidates near the best trials
_NUM_BEST = 5  # how many of those
_MUTATION = 0.1  # how far those lie from it, in numbers of range 1
_REFINEMENTS = (0.08, 0.04, 0.02)  # how far the best candidates are moved, round by round
_NUM_REFINED, _MUTATIONS = 3, 20  # how many candidates are moved, and how often each
_MAX_BELIEVED = 100  # trials without a result
_MAX_BELOW = 5  # distances of the lower quartile from the median that a value may be below it
_WITHOUT_RESULT = (TrialState.RUNNING, TrialState.FAIL)


class LearningCurveSampler(BaseSampler):
    """Models the objective over parameters and epochs together, and draws where its end promises most.

    A Gaussian process over (parameters, epoch), fitted to what all trials reported, as in MOBSTER (Klein et al. 2020):
    a trial that was stopped at a third of its epochs tells what its like would be there, and from those that went
    on the model has learned what the rest is worth, architecture by architecture. The next trial has the greatest
    expected improvement after the last epoch. Trials that still run, and failed ones, count with what they reported,
    and as believed at their end; those that diverged, ran out of memory or time, or could not be trained, as the worst.

    The first trials are random, but spread evenly over the options of each choice. With several objectives, of which a
    study takes no reports, it is `TPESampler(multivariate=True, group=True)`.

    It keeps nothing: each ask reads the study. Parameters that exist under an option only are known by their names,
    `<choice>.<option>.<rest>`.

    Args:
        seed: Seeds the draw of one trial.
        max_resource: Epochs of a trial that is not stopped; null is the last epoch that a complete trial has reported.
        n_startup_trials: Trials with a report before the first fit; at least three an option of the choice with most.
        max_observations: Reports that are fitted at most, the best half and a random half: an ask takes a time that
            grows with their third power and not with the number of trials.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        max_resource: int | None = None,
        n_startup_trials: int = 8,
        max_observations: int = 120,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed)
        self._max_resource = max_resource
        self._n_startup_trials = n_startup_trials
        self._max_observations = max_observations
        self._seed = seed

    @cached_property
    def _multi_objective(self) -> BaseSampler:
        """The sampler of studies that take no reports."""
        return TPESampler(multivariate=True, group=True, seed=self._seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns every dimension that a trial of the study has had."""
        if len(study.directions) > 1:
            return self._multi_objective.infer_relative_search_space(study, trial)
        space: dict[str, BaseDistribution] = {}
        for each in _other_trials(study, trial):
            space |= {name: d for name, d in each.distributions.items() if not d.single()}
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the point of the greatest expected improvement; nothing as long as there is nothing to learn from."""
        if len(study.directions) > 1:
            return self._multi_objective.sample_relative(study, trial, search_space)
        others = _other_trials(study, trial)
        told = [each for each in others if each.intermediate_values or each.state not in _WITHOUT_RESULT]
        if not search_space or self._is_beginning(told, search_space):
            return {}
        from sesemi_search.search.samplers.gaussian_process import GaussianProcess  # its scipy takes a second to import

        curves = _Curves(told, study.direction is StudyDirection.MAXIMIZE, self._last_epoch(told))
        if len(np.unique(curves.values)) < 2:
            return {}
        kept = self._choose(curves.values)
        encoding = Encoding(search_space)
        tried, rows = np.unique(curves.trials[kept], return_inverse=True)
        points = encoding.encode([told[i].params for i in tried])
        model = GaussianProcess(
            np.column_stack([points[rows], curves.progress[kept]]),
            curves.values[kept],
            np.append(encoding.is_category, False),
            encoding.num_active + 1,
        )
        open_ended = [each.params for each in others if each.state in _WITHOUT_RESULT][-_MAX_BELIEVED:]
        if open_ended:
            model.believe(_at_end(encoding.encode(open_ended)))
        return self._maximize(model, encoding, points, [each.params for each in others])

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Returns a random value; of a choice one of those that were tried least."""
        if len(study.directions) > 1:
            return self._multi_objective.sample_independent(study, trial, param_name, param_distribution)
        if isinstance(param_distribution, CategoricalDistribution):
            tried = [each.params[param_name] for each in _other_trials(study, trial) if param_name in each.params]
            counts = [tried.count(choice) for choice in param_distribution.choices]
            rare = [c for c, count in zip(param_distribution.choices, counts, strict=True) if count == min(counts)]
            return rare[self._rng.integers(len(rare))]
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _is_beginning(self, told: Sequence[FrozenTrial], space: dict[str, BaseDistribution]) -> bool:
        """Whether too few trials have reported; four times as many that could not be trained end the beginning too."""
        choices = [len(d.choices) for d in space.values() if isinstance(d, CategoricalDistribution) and _is_named(d)]
        startup = max(self._n_startup_trials, 3 * max(choices, default=0))
        num_reported = sum(bool(each.intermediate_values) or each.state is TrialState.COMPLETE for each in told)
        return num_reported < startup and len(told) < 4 * startup

    def _last_epoch(self, trials: Sequence[FrozenTrial]) -> int:
        complete = [each.last_step or 0 for each in trials if each.state is TrialState.COMPLETE]
        return self._max_resource or max(complete, default=0) or max(each.last_step or 0 for each in trials) or 1

    def _choose(self, values: Array) -> NDArray[np.int64]:
        """Returns the places of the observations to fit."""
        order = np.argsort(-values, kind="stable")
        if len(order) > self._max_observations:
            best, rest = np.split(order, [self._max_observations // 2])
            order = np.concatenate([best, self._rng.permutation(rest)[: self._max_observations - len(best)]])
        return np.sort(order)

    def _maximize(
        self, model: "GaussianProcess", encoding: Encoding, points: Array, known: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """Returns the parameters of the greatest expected improvement that a search over candidates finds.

        Not those of a trial that there is, as long as a candidate is left: on a grid the best point is often known.
        """
        from sesemi_search.search.samplers.gaussian_process import log_expected_improvement

        means, _ = model.predict(_at_end(points))
        best = points[np.argsort(-means)[:_NUM_BEST]]
        near = encoding.mutate(best[self._rng.integers(len(best), size=_NUM_NEAR)], _MUTATION, self._rng)
        candidates = np.vstack([encoding.draw(_NUM_RANDOM, self._rng), near])
        gains = log_expected_improvement(*model.predict(_at_end(candidates)), means.max())
        for scale in _REFINEMENTS:
            chosen = np.repeat(candidates[np.argsort(-gains)[:_NUM_REFINED]], _MUTATIONS, axis=0)
            moved = encoding.mutate(chosen, scale, self._rng)
            candidates = np.vstack([candidates, moved])
            gains = np.append(gains, log_expected_improvement(*model.predict(_at_end(moved)), means.max()))
        order = np.argsort(-gains)
        there = {_key(params, encoding.names) for params in known}
        decoded = (encoding.decode(candidates[i]) for i in order)
        return next((d for d in decoded if _key(d, encoding.names) not in there), encoding.decode(candidates[order[0]]))


class _Curves:
    """What some trials have reported, as observations of one function.

    Attributes:
        trials: (N,) places of the trials.
        progress: (N,) logarithm of the epoch over that of the last one, 0 to 1.
        values: (N,) the objective, more of which is better; the worse half is drawn together.
    """

    def __init__(self, trials: Sequence[FrozenTrial], maximize: bool, last_epoch: int) -> None:
        sign = 1.0 if maximize else -1.0
        rungs = _find_rungs(trials)
        rows: list[tuple[int, float, float]] = []
        for i, trial in enumerate(trials):
            reports = trial.intermediate_values
            last = max(reports, default=0)
            if _is_ruined(trial):
                rows.append((i, 1.0, math.nan))  # what came of it is the worst that is known
                continue
            epochs = {epoch for epoch in (last, *rungs) if epoch in reports}
            if trial.state is TrialState.COMPLETE:
                rows.append((i, 1.0, sign * (trial.value or 0.0)))
                epochs.discard(last)
            for epoch in sorted(epochs):
                progress = math.log(max(epoch, 1)) / math.log(max(last_epoch, 2))
                if math.isfinite(reports[epoch]):
                    rows.append((i, min(progress, 1.0), sign * reports[epoch]))
        self.trials = np.array([i for i, _, _ in rows])
        self.progress = np.array([progress for _, progress, _ in rows])
        self.values = _compress_bad(np.array([value for _, _, value in rows]))


def _is_ruined(trial: FrozenTrial) -> bool:
    """Whether a trial diverged, ran out of memory or time, or could not be trained at all."""
    if trial.state is not TrialState.PRUNED:
        return False
    last = trial.intermediate_values.get(trial.last_step or 0, math.nan)
    return not math.isfinite(last) or trial.user_attrs.get("outcome") in ("out_of_memory", "timed_out")


def _find_rungs(trials: Sequence[FrozenTrial]) -> list[int]:
    """Returns the epochs at which most trials were stopped: there curves are compared with one another."""
    ends = Counter(
        trial.last_step for trial in trials if trial.state is TrialState.PRUNED and trial.last_step is not None
    )
    return [epoch for epoch, _ in ends.most_common(_MAX_RUNGS)]


def _compress_bad(values: Array) -> Array:
    """Puts NaN in its place and compresses what is below the median: how bad the bad ones are tells little.

    What is far below, a loss that went to 1e30 say, is cut first: it would hide all differences between the others.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    low, median = np.quantile(finite, (0.25, 0.5))
    floor = median - _MAX_BELOW * ((median - low) or (finite.max() - median) or 1.0)
    values = np.maximum(np.where(np.isfinite(values), values, finite.min()), floor)
    scale = values.std() or 1.0
    return np.where(values < median, median - scale * np.log1p(np.maximum(median - values, 0) / scale) / 2, values)


def _other_trials(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Returns the trials that have parameters, but for the one that is asked for."""
    return [
        each
        for each in study.get_trials(deepcopy=False)
        if each.number != trial.number and each.params and each.state is not TrialState.WAITING
    ]


def _key(params: dict[str, Any], names: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """Returns the same for equal parameters."""
    return tuple((name, params[name]) for name in names if name in params)


def _is_named(distribution: CategoricalDistribution) -> bool:
    """Whether a choice is between named options, or words, and not between numbers."""
    return all(isinstance(choice, str) for choice in distribution.choices)


def _at_end(points: Array) -> Array:
    return np.column_stack([points, np.ones(len(points))])

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
_ROUNDS = (0.08, 0.04, 0.02)  # how far the best candidates are moved, round by round
_NUM_MOVED, _MOVES = 3, 20  # how many candidates are moved, and how often each


class LearningCurveSampler(BaseSampler):
    """Models the objective over parameters and epochs together, and draws where its end promises most.

    A Gaussian process over (parameters, epoch), fitted to what all trials reported, as in MOBSTER (Klein et al. 2020):
    a trial that was stopped at a third of its epochs tells what its like would be there, and from those that went
    on the model has learned what the rest is worth, architecture by architecture. The next trial has the greatest
    expected improvement after the last epoch. Trials that still run count with what they reported, and as believed
    at their end; those that diverged, or could not be trained, as the worst. Failed trials are not looked at.

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
    def _several(self) -> BaseSampler:
        """The sampler of studies that take no reports."""
        return TPESampler(multivariate=True, group=True, seed=self._seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns every dimension that a trial of the study has had."""
        if len(study.directions) > 1:
            return self._several.infer_relative_search_space(study, trial)
        space: dict[str, BaseDistribution] = {}
        for each in _known(study, trial):
            space |= {name: d for name, d in each.distributions.items() if not d.single()}
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the point of the greatest expected improvement; nothing as long as there is nothing to learn from."""
        if len(study.directions) > 1:
            return self._several.sample_relative(study, trial, search_space)
        from sesemi_search.search.samplers.gaussian_process import GaussianProcess  # its scipy takes a second to import

        known = _known(study, trial)
        told = [each for each in known if each.state is not TrialState.RUNNING or each.intermediate_values]
        if not search_space or len(told) < self._startup(search_space):
            return {}
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
        running = [each.params for each in known if each.state is TrialState.RUNNING]
        if running:
            model.believe(_at_end(encoding.encode(running)))
        return encoding.decode(self._maximize(model, encoding, points))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Returns a random value; of a choice one of those that were tried least."""
        if isinstance(param_distribution, CategoricalDistribution) and len(study.directions) == 1:
            tried = [each.params[param_name] for each in _known(study, trial) if param_name in each.params]
            counts = [tried.count(choice) for choice in param_distribution.choices]
            rare = [c for c, count in zip(param_distribution.choices, counts, strict=True) if count == min(counts)]
            return rare[self._rng.integers(len(rare))]
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _startup(self, space: dict[str, BaseDistribution]) -> int:
        choices = [len(d.choices) for d in space.values() if isinstance(d, CategoricalDistribution) and _is_named(d)]
        return max(self._n_startup_trials, 3 * max(choices, default=0))

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

    def _maximize(self, model: "GaussianProcess", encoding: Encoding, tried: Array) -> Array:
        """Returns the point of the greatest expected improvement that a search over candidates finds."""
        from sesemi_search.search.samplers.gaussian_process import log_expected_improvement

        means, _ = model.predict(_at_end(tried))
        best = tried[np.argsort(-means)[:_NUM_BEST]]
        near = encoding.mutate(best[self._rng.integers(len(best), size=_NUM_NEAR)], 0.1, self._rng)
        candidates = np.vstack([encoding.draw(_NUM_RANDOM, self._rng), near])
        gains = log_expected_improvement(*model.predict(_at_end(candidates)), means.max())
        for scale in _ROUNDS:
            chosen = np.repeat(candidates[np.argsort(-gains)[:_NUM_MOVED]], _MOVES, axis=0)
            moved = encoding.mutate(chosen, scale, self._rng)
            candidates = np.vstack([candidates, moved])
            gains = np.append(gains, log_expected_improvement(*model.predict(_at_end(moved)), means.max()))
        point: Array = candidates[np.argmax(gains)]
        return point


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
            if trial.state is not TrialState.RUNNING and not math.isfinite(reports.get(last, math.nan)):
                rows.append((i, 1.0, math.nan))  # what came of it is the worst that is known
                continue
            for epoch in sorted({last} | {epoch for epoch in rungs if epoch in reports}):
                is_end = trial.state is TrialState.COMPLETE and epoch == last
                progress = 1.0 if is_end else math.log(max(epoch, 1)) / math.log(max(last_epoch, 2))
                if math.isfinite(reports[epoch]):
                    rows.append((i, min(progress, 1.0), sign * reports[epoch]))
        self.trials = np.array([i for i, _, _ in rows])
        self.progress = np.array([progress for _, progress, _ in rows])
        self.values = _draw_together(np.array([value for _, _, value in rows]))


def _find_rungs(trials: Sequence[FrozenTrial]) -> list[int]:
    """Returns the epochs at which most trials were stopped: there curves are compared with one another."""
    ends = Counter(trial.last_step for trial in trials if trial.state is TrialState.PRUNED)
    return [epoch for epoch, _ in ends.most_common(_MAX_RUNGS) if epoch is not None]


def _draw_together(values: Array) -> Array:
    """Puts NaN in its place and compresses what is below the median: how bad the bad ones are tells little."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    values = np.where(np.isfinite(values), values, finite.min())
    median, scale = np.median(finite), finite.std() or 1.0
    return np.where(values < median, median - scale * np.log1p(np.maximum(median - values, 0) / scale) / 2, values)


def _known(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Returns the trials that there is something to learn from, but for the one that is asked for."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return [t for t in study.get_trials(deepcopy=False, states=states) if t.number != trial.number and t.params]


def _is_named(distribution: CategoricalDistribution) -> bool:
    """Whether a choice is between named options, or words, and not between numbers."""
    return all(isinstance(choice, str) for choice in distribution.choices)


def _at_end(points: Array) -> Array:
    return np.column_stack([points, np.ones(len(points))])

"""Tune's manager of its workers: who they are, that those that wait are taken, and that it tells of each that is gone.

Tune 2.60 takes an actor's failed task as news of its trial where the error is a `RayActorError` or a `RayTaskError`.
For any other, that of Ray's memory monitor among them, it raises out of `fit()`, which ends the search. And it gives
its actors an environment of their own, with which they fit into no worker that has started already.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution import tune_controller
from ray.tune.execution.class_cache import _ActorClassCache

__all__ = ["WorkerGone", "find_actors", "our_workers"]


class WorkerGone(RayActorError):
    """An error of Ray's own that took a worker, as the kind that Tune knows.

    Attributes:
        cause: Ray's error.
    """

    def __init__(self, cause: RayError) -> None:
        super().__init__(error_msg=str(cause))
        self.cause = cause


class _ActorManager(RayActorManager):
    """Hands every error that took a worker to the worker's trial."""

    def _actor_start_failed(self, tracked_actor: Any, exception: Exception) -> None:
        super()._actor_start_failed(tracked_actor, _as_known(exception))

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        known = _as_known(exception)
        if known is not exception:  # of some errors the process outlives its task
            actor, _ = self._live_actors_to_ray_actors_resources[tracked_actor_task._tracked_actor]
            ray.kill(actor)
        super()._actor_task_failed(tracked_actor_task, known)


def _as_known(exception: Exception) -> Exception:
    if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
        return WorkerGone(exception)
    return exception


class _ActorClasses(_ActorClassCache):
    """Lets actors have the environment of their worker: that of a local driver, or of the job on a cluster."""

    def get(self, trainable_cls: type[Any]) -> Any:
        """Returns the actor class of a trainable, one for each."""
        if trainable_cls not in self._cache:
            self._cache[trainable_cls] = ray.remote(trainable_cls)
        return self._cache[trainable_cls]


def find_actors(scheduler_view: Any) -> dict[str, ActorHandle[Any]]:
    """Returns the actor of each trial that has one, by Ray's id of the trial.

    `Trial.temporary_state.ray_actor` knows of none that has not started, and a start may hang as well.

    Args:
        scheduler_view: What Tune gives a scheduler of its controller.
    """
    controller = scheduler_view._tune_controller
    live = controller._actor_manager._live_actors_to_ray_actors_resources
    return {trial.trial_id: live[actor][0] for trial, actor in controller._trial_to_actor.items() if actor in live}


@contextlib.contextmanager
def our_workers() -> Iterator[None]:
    """Lets Tune work with what is here in place of its own; it has no setting for that."""
    replaced = {"RayActorManager": _ActorManager, "_ActorClassCache": _ActorClasses}
    before = {name: getattr(tune_controller, name) for name in replaced}
    try:
        for name, ours in replaced.items():
            setattr(tune_controller, name, ours)
        yield
    finally:
        for name, theirs in before.items():
            setattr(tune_controller, name, theirs)

"""Tune's manager of its workers: who they are, and that it tells of every one that is gone.

Tune 2.60 takes an actor's failed task as news of its trial where the error is a `RayActorError` or a `RayTaskError`.
For any other, that of Ray's memory monitor among them, it raises out of `fit()`, which ends the search.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution import tune_controller

__all__ = ["WorkerGone", "find_actors", "report_lost_workers"]


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
def report_lost_workers() -> Iterator[None]:
    """Lets Tune work with our manager; it has no setting for that."""
    tune_controller.RayActorManager = _ActorManager  # type: ignore[attr-defined]
    try:
        yield
    finally:
        tune_controller.RayActorManager = RayActorManager  # type: ignore[attr-defined]

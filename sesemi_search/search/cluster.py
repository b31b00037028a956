"""The Ray to run on, and how many trials it holds at once."""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.project import Project
from sesemi_search.config.schema import Accelerator, RunConfig

__all__ = ["Slots", "connect", "count_slots"]

# Before the first import of ray.tune in this process and in its workers.
_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a relative path in a user's code means the same as in a plain run
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer output prints even when told to be silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger records trials
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours ends a search in order
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # Tune's own state is thrown away
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # all slots start at once; the session limits how many there are
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "1000000000",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Slots:
    """Room for trials.

    Attributes:
        count: Trials at once.
        cpus: CPUs of a trial.
        gpus: GPUs of a trial.
    """

    count: int
    cpus: int
    gpus: float


@contextlib.contextmanager
def connect(address: str, project: Project | None) -> Iterator[None]:
    """Starts a local Ray, or joins a cluster, for the block; one that this process is in already is used as it is.

    Raises:
        ConfigError: There is no cluster at `address`.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.update(_ENVIRONMENT)
    arguments: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        # Not `None`: that would join a cluster that it happens to find.
        arguments |= {"include_dashboard": False}
    else:
        arguments |= {"runtime_env": {"env_vars": _ENVIRONMENT} | _project_code(project)}
    try:
        ray.init(**arguments)
    except ConnectionError as error:
        raise ConfigError(f"ray.address: got {address!r}; there is no Ray cluster to join there ({error}).") from error
    try:
        yield
    finally:
        ray.shutdown()


def _project_code(project: Project | None) -> dict[str, Any]:
    """Sends the user's packages to nodes that do not have their folder."""
    packages = [] if project is None else sorted(p for p in project.src.iterdir() if (p / "__init__.py").is_file())
    return {"py_modules": [str(package) for package in packages]} if packages else {}


def count_slots(run: RunConfig, max_concurrent: int | None, nodes: list[Mapping[str, float]]) -> Slots:
    """Returns how many trials fit on the nodes.

    Args:
        run: The run config, which says what a trial takes.
        max_concurrent: Most trials at once, or None.
        nodes: Resources of each node: `CPU`, `GPU`.

    Raises:
        ConfigError: No node can ever hold a trial.
    """
    has_gpus = any(node.get("GPU", 0) > 0 for node in nodes)
    gpus = run.gpus if has_gpus and run.accelerator is not Accelerator.cpu else 0.0
    fits = sum(_fits(node, run.num_threads, gpus) for node in nodes)
    if fits == 0:
        most_cpus = max((node.get("CPU", 0) for node in nodes), default=0)
        most_gpus = max((node.get("GPU", 0) for node in nodes), default=0)
        raise ConfigError(
            f"run.num_threads={run.num_threads}, run.gpus={gpus:g}: no node can hold a trial; "
            f"the largest has {most_cpus:g} CPUs and {most_gpus:g} GPUs."
        )
    return Slots(min(fits, max_concurrent or fits), run.num_threads, gpus)


def _fits(node: Mapping[str, float], cpus: int, gpus: float) -> int:
    """Trials that a node holds."""
    by_cpu = math.floor(node.get("CPU", 0) / cpus)
    if gpus == 0:
        return by_cpu
    whole = math.floor(node.get("GPU", 0))
    # A trial's share lies on one GPU: 0.4 fits twice on each, not five times on two.
    return min(by_cpu, whole * math.floor(1 / gpus + 1e-9))

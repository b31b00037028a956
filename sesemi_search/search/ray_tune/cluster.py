"""The Ray to run on, and how many trials it holds at once."""

import contextlib
import math
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray._private import services

from sesemi_search.config.schema import Accelerator, CudaGraph, Precision, RunConfig
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import Project

__all__ = ["Slots", "connect", "count_slots"]

# Read by Ray when a search starts, and in its workers.
_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a relative path in a user's code means the same as in a plain run
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer output prints even when told to be silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger records trials
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours ends a search in order
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # Tune's own state is thrown away
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # how a trial ended is told once, by the trackers
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
        arguments |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        arguments |= {"runtime_env": {"env_vars": _ENVIRONMENT} | _project_code(project)}
    try:
        with _loopback_as_given(), _hangups_blocked():
            ray.init(**arguments)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            "ray.address", f"got {address!r}; there is no Ray cluster to join there ({error})."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _loopback_as_given() -> Iterator[None]:
    """Lets a local Ray listen on loopback only; it runs what anybody sends it, without a password.

    Ray has no setting for that: it puts the machine's outward address in the place of 127.0.0.1, and then listens on
    every interface (seen in 2.60). A Ray without this function may do without this too; a test watches the ports.
    """
    resolve = getattr(services, "resolve_ip_for_localhost", None)
    if resolve is None:
        yield
        return
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve


@contextlib.contextmanager
def _hangups_blocked() -> Iterator[None]:
    """Starts Ray's processes deaf to the hangup of a terminal that is closed, as they are to Ctrl-C by themselves."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
        ConfigError: No node can ever hold a trial, or the arithmetic does not suit the place.
    """
    has_gpus = any(node.get("GPU", 0) > 0 for node in nodes)
    if run.accelerator is Accelerator.gpu and not has_gpus:
        raise ConfigError("run.accelerator", "got 'gpu', but no node has a GPU; it takes auto or cpu here.")
    gpus = run.gpus if has_gpus and run.accelerator is not Accelerator.cpu else 0.0
    if run.precision is Precision.fp16 and not gpus:
        raise ConfigError(
            "run.precision", "got 'fp16', but trials train on the CPU; it takes auto, fp32 or bf16 there."
        )
    if run.cuda_graph is CudaGraph.always and not gpus:
        raise ConfigError("run.cuda_graph", "got 'always', but trials train on the CPU; it takes auto or never there.")
    fits = sum(_fits(node, run.num_threads, gpus) for node in nodes)
    if fits == 0:
        most_cpus = max((node.get("CPU", 0) for node in nodes), default=0)
        most_gpus = max((node.get("GPU", 0) for node in nodes), default=0)
        raise ConfigError(
            "",
            f"run.num_threads={run.num_threads}, run.gpus={gpus:g}: no node can hold a trial; "
            f"the largest has {most_cpus:g} CPUs and {most_gpus:g} GPUs.",
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

"""The Ray to run on, and how many trials it holds at once."""

import contextlib
import logging
import math
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import ray
from omegaconf import DictConfig
from ray._private import services
from ray.util import client

from sesemi_search.config.experiment import to_typed
from sesemi_search.config.schema import Accelerator, CudaGraph, Precision, RunConfig
from sesemi_search.console import show_progress
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import Project
from sesemi_search.search.ray_tune.local_ray import QUIET, LocalRay, first_line, is_in_ray, machine_resources

__all__ = ["Slots", "connect", "count_slots", "start_ahead", "warn_when_lost"]

logger = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 10.0
_CLIENT_PORT = 10001  # of a ray:// address that names none
_WATCH_INTERVAL_S = 5.0
_MAX_MISSES = 3

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
    "PL_DISABLE_FORK": "1",  # as Tune has it, for Lightning
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
def start_ahead(config: DictConfig) -> Iterator[LocalRay | None]:
    """Lets the local Ray of a composed search start beside the block, which checks the search and then runs it.

    Where the block ends in an exception, nobody waits for Ray.

    Raises:
        ConfigError: No trial fits on this machine, no Ray can be started here, or none answers at `ray.address`.
    """
    if config.ray.address != "local" or is_in_ray():
        if not is_in_ray():
            _reach(config.ray.address)
        yield None
        return
    try:
        run: RunConfig = to_typed(config.run)
    except ConfigError:  # told with all else that is wrong
        yield None
        return
    slots = count_slots(run, config.search.max_concurrent, [machine_resources()])
    os.environ.update(_ENVIRONMENT)
    begun = LocalRay(slots.count)
    try:
        yield begun
    finally:
        begun.abandon()


@contextlib.contextmanager
def connect(address: str, project: Project | None, begun: LocalRay | None = None) -> Iterator[None]:
    """Starts a local Ray, or joins a cluster, for the block; one that this process is in already is used as it is.

    Args:
        address: `ray.address`.
        project: The user's project, whose code other nodes need.
        begun: The local Ray that `start_ahead` has begun to start.

    Raises:
        ConfigError: There is no cluster at `address`, or none could be started.
    """
    os.environ.update(_ENVIRONMENT)
    if begun is None and is_in_ray():
        yield
        return
    if address != "local":
        with _join(address, project):
            yield
        return
    local = begun or LocalRay(num_workers=0)
    try:
        with show_progress() as show:
            show("starting Ray")
            local.wait()
        yield
    finally:
        local.end()


@contextlib.contextmanager
def _join(address: str, project: Project | None) -> Iterator[None]:
    logger.info(f"joining the Ray cluster at ray.address={address}")
    _reach(address)
    try:
        with _tells_of(address):
            ray.init(address, runtime_env={"env_vars": _ENVIRONMENT} | _project_code(project), **QUIET)
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Sees that something answers at the address of a cluster: Ray itself tries for minutes, without a word."""
    with _tells_of(address):
        socket.create_connection(_find_host(address), _CONNECT_TIMEOUT_S).close()


@contextlib.contextmanager
def _tells_of(address: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ConfigError(
            "ray.address",
            f"got {address!r}; there is no Ray cluster to join there ({first_line(error)}). "
            "It takes local, auto (the cluster of this machine, or of RAY_ADDRESS), host:port, or ray://host:port.",
        ) from error


def _find_host(address: str) -> tuple[str, int]:
    """Returns host and port of a cluster. Raises ConnectionError where `auto` finds none."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or services.canonicalize_bootstrap_address("auto") or ""
        if not address:
            raise ConnectionError("none runs on this machine, and RAY_ADDRESS is not set")
    parts = urlsplit(address if "://" in address else f"//{address}")
    return parts.hostname or "", parts.port or _CLIENT_PORT


@contextlib.contextmanager
def warn_when_lost(advice: str) -> Iterator[None]:
    """Gives advice when the cluster's head is gone: a minute later Ray ends this process, without an exception.

    A client (`ray://`) is told of that by its server instead.
    """
    if client.ray.is_connected():  # type: ignore[no-untyped-call]
        yield
        return
    host, port = _find_host(ray.get_runtime_context().gcs_address)
    ended = threading.Event()

    def watch() -> None:
        num_misses = 0
        while num_misses < _MAX_MISSES and not ended.wait(_WATCH_INTERVAL_S):
            num_misses = 0 if _answers(host, port) else num_misses + 1
        if num_misses == _MAX_MISSES:
            logger.error(f"the head of the Ray cluster ({host}:{port}) is gone, and Ray will end this search. {advice}")

    threading.Thread(target=watch, name="cluster-watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _WATCH_INTERVAL_S).close()
    except OSError:
        return False
    return True


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

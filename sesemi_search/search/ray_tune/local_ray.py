"""A Ray of this process's own, which starts beside what else the process has to do, with workers that have torch."""

import contextlib
import logging
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import psutil
import ray
from ray import _raylet
from ray._private import services, worker
from ray._private.node import Node
from ray._private.resource_and_label_spec import ResourceAndLabelSpec

from sesemi_search.errors import ConfigError
from sesemi_search.search.ray_tune import agent_stand_in
from sesemi_search.search.ray_tune.session_folder import choose_session_folder

__all__ = ["QUIET", "LocalRay", "first_line", "is_in_ray", "kill_all", "machine_resources"]

logger = logging.getLogger(__name__)

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
# Processes that serve a cluster which others use: jobs, the autoscaler, logs for the driver. Ray starts them with no
# way to say no, waits for the first, and each takes a second of a core.
_NOT_NEEDED = ("start_api_server", "start_monitor", "start_log_monitor")
# Two more are a condition of a node: by the option that says how one is started, the ports that it writes, Ray's names
# for them. -1 is Ray's word for a service that is not in use.
_PORTS = {
    "--dashboard": dict.fromkeys(
        ("METRICS_AGENT_PORT_NAME", "METRICS_EXPORT_PORT_NAME", "DASHBOARD_AGENT_LISTEN_PORT_NAME"), -1
    ),
    "--runtime_env": {"RUNTIME_ENV_AGENT_PORT_NAME": 1},  # which a node asks only where a task has an environment
}
_PRESTART = re.compile(r"(?<=^--num_prestart_python_workers=)\d+$")
_ENVIRONMENT = {
    "RAY_preload_python_modules": "sesemi_search.search.ray_tune.trainable",  # by each worker, before it has work
    "RAY_idle_worker_killing_time_threshold_ms": "3600000",  # they wait for the check to end
}


_begun: list["LocalRay"] = []


def kill_all() -> None:
    """Kills the processes of each Ray that this process began and may not have ended: it is about to leave."""
    for each in list(_begun):
        each.kill()


def is_in_ray() -> bool:
    """Whether this process is in a Ray; one that is being left is waited for."""
    for each in list(_begun):
        each.join_if_over()
    return bool(ray.is_initialized())


class LocalRay:
    """A Ray that a thread starts and ends.

    The thread lives as long as Ray does: Linux ends Ray's processes with the thread that started them.

    Args:
        num_workers: Workers that start with it; further ones start when they are needed.

    Raises:
        ConfigError: None can be started here. (What is found later, `wait` raises.)
    """

    def __init__(self, num_workers: int) -> None:
        _check_address_space()
        os.environ.update(_ENVIRONMENT)
        self._num_workers = num_workers
        self._processes: list[subprocess.Popen[bytes]] = []
        self._error: ConfigError | None = None
        self._lock = threading.Lock()  # held while a process starts
        self._is_abandoned = False
        self._is_settled, self._is_over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, name="local-ray", daemon=True)
        _begun.append(self)
        self._thread.start()

    def wait(self) -> None:
        """Waits until it is there.

        Raises:
            ConfigError: It could not be started.
        """
        self._is_settled.wait()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Ends it, and waits for that."""
        self._is_over.set()
        self._thread.join()

    def abandon(self) -> None:
        """Ends it without waiting for that: it starts no more processes, and its thread ends those that there are."""
        with self._lock:
            self._is_abandoned = True
        self._is_over.set()

    def join_if_over(self) -> None:
        """Waits for its end, if it was ended or abandoned."""
        if self._is_over.is_set():
            self._thread.join()

    def kill(self) -> None:
        """Kills its processes, which have nothing to save: their orderly end would take a second."""
        doomed: list[psutil.Process] = []
        for process in list(self._processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                top = psutil.Process(process.pid)
                doomed += [top, *top.children(recursive=True)]  # a raylet's workers and agents would outlive it
        for each in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()

    def _live(self) -> None:
        try:
            with choose_session_folder() as folder:
                try:
                    self._start(str(folder))
                    self._is_settled.set()
                    self._is_over.wait()
                finally:
                    self._shutdown()
        except ConfigError as error:
            self._error = error
        finally:
            self._is_settled.set()
            _begun.remove(self)

    def _start(self, folder: str) -> None:
        # Not `None`: that would join a cluster that it happens to find.
        arguments: dict[str, Any] = {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(_hangups_blocked())
                stack.enter_context(_replaced(services, "resolve_ip_for_localhost", _as_given))
                start = partial(self._start_process, services.start_ray_process)
                stack.enter_context(_replaced(services, "start_ray_process", start))
                for name in _NOT_NEEDED:
                    stack.enter_context(_replaced(Node, name, _start_nothing))
                ray.init(**arguments, _temp_dir=folder, **QUIET)
        except Exception as error:  # of any kind: a port, a limit of the system, a process of Ray's that ends at once
            raise ConfigError(
                "ray.address",
                f"got 'local', but no Ray could be started here ({first_line(error)}). "
                "It needs some 2 GB of memory, threads, ports, and a HOME to write to.",
            ) from error

    def _start_process(self, start: Any, command: list[str], *arguments: Any, **options: Any) -> Any:
        """Starts one of Ray's processes, if it is still wanted; else the search was refused while Ray started."""
        with self._lock:
            if self._is_abandoned:
                raise InterruptedError
            # Ray would start one for each CPU.
            command = [_PRESTART.sub(str(self._num_workers), _spare_agent(word)) for word in command]
            started = start(command, *arguments, **options)
            self._processes.append(started.process)
            return started

    def _shutdown(self) -> None:
        if (node := worker._global_node) is not None:
            node.kill_all_processes = lambda **options: self.kill()  # noqa: ARG005
        ray.shutdown()
        self.kill()  # what there is of one that did not start
        for process in self._processes:
            process.wait()
        self._processes.clear()  # their numbers may be others' from now on


def _spare_agent(word: str) -> str:
    """Lets a stand-in take the place of an agent in the word of a node's command that says how to start one."""
    option, _, agent = word.partition("_agent_command=")
    ports = _PORTS.get(option)
    if ports is None or any(not hasattr(_raylet, name) for name in ports):
        return word
    written = [f"{getattr(_raylet, name)}={port}" for name, port in ports.items()]
    options = [each for each in shlex.split(agent) if each.startswith(("--node-id=", "--session-dir="))]
    stand_in = [sys.executable, "-I", "-S", agent_stand_in.__file__, *written, *options]
    return f"{option}_agent_command={subprocess.list2cmdline(stand_in)}"


def machine_resources() -> Mapping[str, float]:
    """Returns what a Ray on this machine would have, as `ray.nodes()` tells it."""
    found = ResourceAndLabelSpec().resolve(is_head=True, node_ip_address="127.0.0.1")
    return {"CPU": found.num_cpus or 0, "GPU": found.num_gpus or 0}


def _check_address_space() -> None:
    """Refuses a limit on addresses that Ray would run into: it ends the process then, without an exception.

    Raises:
        ConfigError: There is one.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = min(0.3 * memory, 200e9) + 16e9  # its object store, by default, and what a process with torch maps
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise ConfigError(
            "ray.address",
            f"got 'local', but a process may use {limit / 1e9:.0f} GB of addresses here (ulimit -v), and "
            f"a Ray takes {needed / 1e9:.0f} GB, most of it never used: ulimit -v unlimited, or join a cluster.",
        )


def _as_given(host: str) -> str:
    """Lets a local Ray listen on loopback only; it runs what anybody sends it, without a password.

    Ray has no setting for that: it puts the machine's outward address in the place of 127.0.0.1, and then listens on
    every interface (seen in 2.60). A Ray without this function may do without this too; a test watches the ports.
    """
    return host


def _start_nothing(node: Node, **options: Any) -> None:
    """Takes the place of what starts a process."""


@contextlib.contextmanager
def _replaced(owner: Any, name: str, function: Any) -> Iterator[None]:
    """Replaces a function of a module's or a class's, where it has one of that name."""
    before = getattr(owner, name, None)
    if before is None:
        yield
        return
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def _hangups_blocked() -> Iterator[None]:
    """Starts Ray's processes deaf to the hangup of a terminal that is closed, as they are to Ctrl-C by themselves."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def first_line(error: Exception) -> str:
    """Returns the class and the first line of an exception."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]

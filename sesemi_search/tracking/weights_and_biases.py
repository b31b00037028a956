"""Weights & Biases as a tracker: one run a trial, written from the driver without ever holding it up.

`WandbTracker` queues events. One daemon thread hands them to a process of its own (`wandb_process`), which is the only
place where wandb is imported. Runs that a server does not take, because it is down or refuses the key, go to a second
such process that writes them offline; nothing that was logged is lost by the change.
"""

import logging
import queue
import shlex
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sesemi_search.tracking.tracker import Exhibits, RunStart
from sesemi_search.tracking.wandb_pipe import WandbPipe

__all__ = ["WandbTracker"]

logger = logging.getLogger(__name__)

_Event = dict[str, Any]

# Seconds that uploads still get at the end when the server has failed before.
_FAILED_SERVER_TIMEOUT_S = 2.0
# Seconds that a process gets to end by itself when all its runs are finished.
_STOP_S = 1.0
# Seconds for writing the runs offline that the server has not taken: 1 to 3 s, and 20 ms a run; of one whose folder was
# made just now, four wait 1.1 s at a time for another name.
_RESCUE_S = 5.0
_RESCUE_PER_RUN_S = 0.3


class WandbTracker:
    """Logs runs to Weights & Biases, online or to files.

    Args:
        directory: The search (or run) directory; files land in `<directory>/wandb`.
        project: W&B project; None is the key's default.
        entity: W&B user or team; None is the key's own.
        mode: `online`, `offline`, or `auto`: online when an API key is found, offline otherwise.
        init_timeout_s: Seconds a server gets to answer before this and all later runs go offline.
        finish_timeout_s: Most seconds that `close` waits for uploads, all runs together.

    Attributes:
        num_written: Runs that are finished, at the server or on disk.
        server_failed: Whether a server did not take every run.
        sync_command: What uploads what is on disk only.
    """

    def __init__(
        self,
        *,
        directory: Path,
        project: str | None,
        entity: str | None = None,
        mode: str = "auto",
        init_timeout_s: float = 10.0,
        finish_timeout_s: float = 30.0,
    ) -> None:
        self._files = directory.absolute() / "wandb"
        self._settings: dict[str, Any] = {
            "directory": str(directory.absolute()),
            "project": project,
            "entity": entity,
            "mode": mode,
            "init_timeout_s": init_timeout_s,
            "finish_timeout_s": finish_timeout_s,
        }
        self._finish_timeout_s = finish_timeout_s
        self._keys: dict[int, int] = {}
        self._run_ids: list[str] = []
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        # The tracker's own thread only. A key is one start of a run; a lost worker gives a second one.
        self._unfinished: dict[int, list[_Event]] = {}
        self._offline: set[int] = set()
        self._processes: dict[str, WandbPipe] = {}
        self.num_written = 0
        self.server_failed = False
        self._has_said_where = False
        self._deadline: float | None = None

    @property
    def offline(self) -> bool:
        """Whether runs are on disk only; known when the tracker is closed."""
        return self.server_failed or self._settings["mode"] == "offline"

    @property
    def sync_command(self) -> str:  # noqa: D102, an attribute of the class
        return f"wandb sync {shlex.quote(str(self._files))}/offline-run-*"

    def start(self, run: RunStart) -> None:
        """Opens a W&B run; one with a history (re-adopted after a crash) goes on, or is written anew when offline."""
        key = self._keys[run.number] = len(self._run_ids)
        self._run_ids.append(run.run_id)
        self._put(
            "start",
            key=key,
            run_id=run.run_id,
            name=run.name,
            group=run.group,
            job_type=run.job_type,
            config=dict(run.config),
            history=sorted(run.history.items()),
            files=dict(run.files),
            notes=run.notes,
            tags=list(run.tags),
            objectives=dict(run.objectives),
            axis=run.axis,
        )

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Logs the metrics of an epoch, with the epoch as W&B step and as key `epoch`."""
        self._put("log", key=self._keys[number], epoch=epoch, metrics=dict(metrics))

    def show(self, number: int, exhibits: Exhibits) -> None:
        """Logs what a run has to show, as it is on disk by then."""
        self._put("show", key=self._keys[number], exhibits=asdict(exhibits))

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        """Writes the summary, tags the run with its outcome and finishes it."""
        self._put("end", key=self._keys.pop(number), outcome=outcome, summary=dict(summary))

    def close(self) -> None:
        """Waits for uploads, `finish_timeout_s` at most, then gives them up; the files stay on disk."""
        if self._thread is None or self._closed.is_set():
            return
        # The thread keeps to the deadline; what is left after it is for the end of the processes.
        waiting_s = max(self._finish_timeout_s - _STOP_S, self._finish_timeout_s / 2)
        self._put("close", deadline=time.monotonic() + waiting_s)
        if not self._closed.wait(self._finish_timeout_s):
            for process in list(self._processes.values()):
                process.kill()

    def _put(self, kind: str, **event: Any) -> None:
        if self._closed.is_set():
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="wandb-tracker", daemon=True)
            self._thread.start()
        self._events.put({"kind": kind, **event})

    def _work(self) -> None:
        try:
            while self._deadline is None or (self._unfinished and time.monotonic() < self._deadline):
                left = (
                    None if self._deadline is None else max(0.0, self._deadline - self._reserve_s() - time.monotonic())
                )
                try:
                    self._handle(self._events.get(timeout=left))
                except queue.Empty:
                    self._rescue()
        except Exception as error:
            logger.warning(f"W&B: logging stopped: {type(error).__name__}: {error}")
        finally:
            self._shut_down()
            self._closed.set()

    def _online(self) -> list[int]:
        return [key for key in self._unfinished if key not in self._offline]

    def _reserve_s(self) -> float:
        """Seconds before the deadline at which the wait for uploads ends."""
        online = self._online()
        return min(_rescue_s(len(online)), self._finish_timeout_s / 3) if online else 0.0

    def _rescue(self) -> None:
        """Writes offline what the server has not taken by the end.

        Its process is killed first, and wandb-core with it, which had up to 15 s of it in memory only.
        """
        if not self._online():
            return
        self._processes.pop(self._settings["mode"]).kill()
        while not self._events.empty():  # a run that it finished to the last is not written again
            if (event := self._events.get())["kind"] != "offline":
                self._handle(event)
        if online := self._online():
            self._fail_server("the server did not take every run in time")
            for key in online:
                self._replay_offline(key)

    def _handle(self, event: _Event) -> None:
        match event["kind"]:
            case "start" | "log" | "show" | "end":
                self._forward(event)
            case "close":
                self._on_close(event)
            case "opened":
                self._say_where(f"W&B: {event['url']}")
            case "offline":
                self._on_offline(event)
            case "failed":
                self._on_failed(event)
            case "finished":
                self.num_written += self._unfinished.pop(event["key"], None) is not None
            case "unsynced":
                self._fail_server(f"uploads do not get through ({event['reason']})")
                self._replay_offline(event["key"])
            case "unshown":
                logger.warning(f"W&B: {self._run_ids[event['key']]} does not show all it has: {event['reason']}")
            case "gone":
                self._on_gone(event["mode"])

    def _forward(self, event: _Event) -> None:
        """Sends an event to the process that has its run, and keeps it until the run is finished."""
        key = event["key"]
        if event["kind"] == "start":
            self._unfinished[key] = []
            if self.server_failed or self._settings["mode"] == "offline":
                self._offline.add(key)
                self._say_where(f"W&B: runs are kept offline in {self._files}. To upload them: {self.sync_command}")
        if key in self._unfinished:
            self._unfinished[key].append(event)
            self._process(key).send(event)

    def _process(self, key: int) -> WandbPipe:
        mode = "offline" if key in self._offline else self._settings["mode"]
        if mode not in self._processes:
            self._processes[mode] = WandbPipe({**self._settings, "mode": mode}, self._events.put)
        return self._processes[mode]

    def _on_close(self, event: _Event) -> None:
        self._deadline = event["deadline"]
        if self.server_failed:
            needed_s = _FAILED_SERVER_TIMEOUT_S + _rescue_s(len(self._unfinished))
            self._deadline = min(event["deadline"], time.monotonic() + needed_s)
        for key, events in list(self._unfinished.items()):
            if events[-1]["kind"] != "end":
                self._forward({"kind": "end", "key": key, "outcome": None, "summary": {}})

    def _on_offline(self, event: _Event) -> None:
        """The process found no key and writes offline from its first run on."""
        self._processes["offline"] = self._processes.pop(self._settings["mode"])
        self._processes["offline"].mode = self._settings["mode"] = "offline"
        self._offline.update(self._unfinished)
        advice = "wandb login, then " if event["no_key"] else ""
        self._has_said_where = True
        logger.warning(f"W&B: {event['reason']}; runs are kept offline. To upload them: {advice}{self.sync_command}")

    def _on_failed(self, event: _Event) -> None:
        key = event["key"]
        if key in self._offline:
            self._unfinished.pop(key, None)
            logger.warning(f"W&B: run {self._run_ids[key]} could not be written: {event['reason']}")
        else:
            self._fail_server(event["reason"])
            self._replay_offline(key)

    def _say_where(self, line: str) -> None:
        """Says once where the runs are."""
        if not self._has_said_where:
            self._has_said_where = True
            logger.info(line)

    def _fail_server(self, reason: str) -> None:
        if not self.server_failed:
            self.server_failed = self._has_said_where = True
            logger.warning(f"W&B: {reason}; runs are kept offline from here on. To upload them: {self.sync_command}")

    def _replay_offline(self, key: int) -> None:
        self._offline.add(key)
        for event in self._unfinished.get(key, ()):
            self._process(key).send(event)

    def _on_gone(self, mode: str) -> None:
        """A process ended by itself, which it does not do before it is told to: its runs are written offline."""
        del self._processes[mode]
        if mode == "offline":
            raise RuntimeError("the process that writes offline runs ended")
        self._fail_server("the uploading process ended")
        for key in self._online():
            self._replay_offline(key)

    def _shut_down(self) -> None:
        # A process whose runs are all finished gets a moment to end by itself, the others do not.
        busy = {"offline" if key in self._offline else self._settings["mode"] for key in self._unfinished}
        for mode, process in self._processes.items():
            process.stop(timeout_s=0.0 if mode in busy else _STOP_S)
        if self.server_failed:
            runs = _count(len(self._offline), "run")
            logger.warning(f"W&B: {runs} not fully uploaded. To upload: {self.sync_command}")
        if self._unfinished:
            logger.warning(f"W&B: {_count(len(self._unfinished), 'run')} not fully written under {self._files}")


def _rescue_s(num_runs: int) -> float:
    return _RESCUE_S + _RESCUE_PER_RUN_S * num_runs


def _count(number: int, noun: str) -> str:
    return f"{number} {noun} was" if number == 1 else f"{number} {noun}s were"

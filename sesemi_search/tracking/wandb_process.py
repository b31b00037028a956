"""The process that talks to Weights & Biases for `WandbTracker`; run as `python -m`, never imported by the driver.

It reads one JSON event a line from its standard input and answers with one JSON line on its standard output. It is a
process of its own because wandb cannot be stopped from inside: its exit hooks were seen to hold a process for 30 s when
the server accepts and never answers. This one is killed instead, and what it wrote to disk stays.

The first line holds the settings. Events: `start`, `log`, `show`, `end`, `close`. Answers: `opened` (at a server, with
the address), `failed`, `finished`, `unsynced`, `unshown` (each with the key of its start) and `offline` (with the
reason). The end of the input without `close` means that the driver died.
"""

import contextlib
import json
import os
import queue
import re
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from sesemi_search.tracking.wandb_pipe import MAX_TAG

__all__ = ["WandbSession", "main"]

_Event = dict[str, Any]

# What epochs are numbered by; of a run with this axis they are W&B's own steps as well.
_EPOCH = "epoch"
# Seconds that unfinished uploads get when nobody is left to wait for them.
_ORPHAN_TIMEOUT_S = 5.0
# Runs that are opened at the same time.
_MAX_OPENING = 4


class WandbSession:
    """The W&B runs that are open, each on a thread of its own: opening and finishing wait for the server, 1 s and more.

    A run is known by the key of its start; one that starts twice, after a lost worker say, has two.

    Args:
        answers: Where answers go, one JSON line each.
        directory: W&B files land in `<directory>/wandb`.
        project: W&B project, or None for the key's default.
        entity: W&B user or team, or None for the key's own.
        mode: `auto`, `online` or `offline`.
        init_timeout_s: Seconds a server gets to answer.
        finish_timeout_s: Seconds the upload of one run gets after its end.
    """

    def __init__(
        self,
        answers: IO[str],
        *,
        directory: str,
        project: str | None,
        entity: str | None,
        mode: str,
        init_timeout_s: float,
        finish_timeout_s: float,
    ) -> None:
        self._answers = answers
        self._directory = directory
        self._project = project
        self._entity = entity
        self._mode = mode
        self._init_timeout_s = init_timeout_s
        self._finish_timeout_s = finish_timeout_s
        self._queues: dict[int, queue.SimpleQueue[_Event]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._opening = threading.Semaphore(_MAX_OPENING)
        self._choosing = threading.Lock()
        self._answering = threading.Lock()
        self._failed = False
        self._unsynced = False

    def start(self, event: _Event) -> None:
        """Opens a run. One that cannot be opened is answered with `failed`; its events are then ignored."""
        run_id = event["run_id"]
        events = self._queues[event["key"]] = queue.SimpleQueue()
        arguments = (event, events, self._threads.get(run_id))
        self._threads[run_id] = threading.Thread(target=self._live, args=arguments, daemon=True)
        self._threads[run_id].start()

    def log(self, event: _Event) -> None:
        """Logs an epoch, the epoch being the step, or what a run has to show."""
        self._queues[event["key"]].put(event)

    def end(self, event: _Event) -> None:
        """Ends a run."""
        self._queues.pop(event["key"]).put(event)

    def close(self) -> None:
        """Waits for the runs that are ending; those without an end are left for a later driver to go on with."""
        for events in self._queues.values():
            events.put({"kind": "end", "outcome": None, "summary": {}})
        for thread in self._threads.values():
            thread.join()
        if "wandb" in sys.modules and not self._unsynced and not self._failed:
            sys.modules["wandb"].teardown()

    def _live(self, start: _Event, events: "queue.SimpleQueue[_Event]", earlier: threading.Thread | None) -> None:
        """The life of a run, from one start to its end."""
        if earlier is not None:
            earlier.join()  # it holds the run's id
        try:
            run = self._open(start)
            # What a server that resumes the run has of it is not sent again.
            logged = run.summary.get(start["axis"]) or 0
            if start["axis"] == _EPOCH:
                logged = max(run.step - 1, logged)
            for epoch, metrics in start["history"]:
                if epoch > logged:
                    _log(run, start["axis"], epoch, metrics)
        except Exception as error:  # wandb raises its own, requests' and pydantic's
            self._failed = True
            self._answer("failed", start["key"], reason=_first_line(error))
            return
        if run.url:
            group = start["group"]
            url = f"{run.project_url}/groups/{quote(group, safe='')}" if group else run.url
            self._answer("opened", start["key"], url=url)
        while (event := events.get())["kind"] != "end":
            if event["kind"] == "log":
                _log(run, start["axis"], event["epoch"], event["metrics"])
            else:
                self._show(start, run, event["exhibits"])
        self._finish(start, run, event["outcome"], event["summary"])

    def _open(self, event: _Event) -> Any:
        with self._choosing:
            # Until the first run has shown whether there is a key and a server, the others wait.
            if self._mode == "auto":
                return self._choose(event)
        with self._opening:
            return self._init(event)

    def _choose(self, event: _Event) -> Any:
        try:
            return self._init(event)
        except Exception as error:
            import wandb

            # wandb looks for a key (environment, netrc, settings) before it asks the server anything.
            if not isinstance(error, wandb.errors.UsageError | wandb.errors.AuthenticationError):
                raise
            self._mode = "offline"
            no_key = "no api key" in str(error).lower()
            reason = "no W&B API key was found" if no_key else _first_line(error)
            self._answer("offline", reason=reason, no_key=no_key)
            return self._init(event)

    def _init(self, event: _Event) -> Any:
        if self._failed and self._mode != "offline":
            raise ConnectionError("the server took no run before")
        import wandb

        online = self._mode != "offline"
        earlier = _run_folders(Path(self._directory, "wandb"), event["run_id"])
        _wait_for_another_name(earlier)
        run = wandb.init(
            project=self._project,
            entity=self._entity,
            dir=self._directory,
            id=event["run_id"],
            name=event["name"],
            group=event["group"],
            job_type=event["job_type"],
            notes="\n".join(filter(None, (os.environ.get("WANDB_NOTES"), event["notes"]))) or None,
            tags=_tags(*event["tags"]),
            config=event["config"],
            mode="online" if online else "offline",
            resume="allow" if online and event["history"] else None,
            reinit="create_new",
            settings=wandb.Settings(
                init_timeout=self._init_timeout_s,
                finish_timeout=self._finish_timeout_s,
                finish_timeout_raises=True,
                use_dot_wandb=False,
                silent=True,
                console="off",
                save_code=False,
                disable_git=True,
                disable_job_creation=True,
                x_disable_stats=True,
                # They would describe this process; the search directory's provenance.json describes the search.
                x_disable_meta=True,
                x_save_requirements=False,
            ),
        )
        if self._mode == "auto":
            self._mode = "online"
        # What an earlier process wrote of this run comes again from its history: two folders would be two runs.
        for folder in earlier:
            shutil.rmtree(folder, ignore_errors=True)
        _define(run, event)
        return run

    def _show(self, start: _Event, run: Any, exhibits: Mapping[str, Any]) -> None:
        """Logs exhibits; without those that cannot be had, a file that is gone say, the run is as good."""
        try:
            _log_exhibits(run, start["axis"], **exhibits)
        except Exception as error:
            self._answer("unshown", start["key"], reason=_first_line(error))

    def _finish(self, start: _Event, run: Any, outcome: str | None, summary: Mapping[str, Any]) -> None:
        try:
            if outcome is not None:
                run.summary.update({**summary, "outcome": outcome})
                # Not the run's own, which hold an earlier outcome where it goes on.
                run.tags = _tags(*start["tags"], outcome)
            run.finish(exit_code=1 if outcome in (None, "error", "lost") else 0)
        except Exception as error:  # a timeout, or wandb-core is gone
            self._unsynced = True
            self._answer("unsynced", start["key"], reason=_first_line(error))
        else:
            self._answer("finished", start["key"])

    def _answer(self, kind: str, key: int | None = None, **rest: Any) -> None:
        with self._answering, contextlib.suppress(BrokenPipeError):
            self._answers.write(json.dumps({"kind": kind, "key": key, **rest}) + "\n")
            self._answers.flush()


def _define(run: Any, event: _Event) -> None:
    """Says what the metrics of a run are to be drawn over and summed up by, and puts its files beside them."""
    run.define_metric(event["axis"])
    run.define_metric("*", step_metric=event["axis"])
    for metric, mode in event["objectives"].items():
        run.define_metric(metric, step_metric=event["axis"], summary=f"{mode},last")
    for name, text in event["files"].items():
        path = Path(run.dir, name)
        path.write_text(text, encoding="utf-8")
        run.save(path, base_path=run.dir, policy="now")


def _log(run: Any, axis: str, epoch: int, metrics: Mapping[str, float]) -> None:
    # commit, because a row with a step is otherwise kept back until the next one
    run.log({**metrics, axis: epoch}, step=epoch if axis == _EPOCH else None, commit=True)


def _log_exhibits(
    run: Any,
    axis: str,
    tables: Mapping[str, list[dict[str, Any]]],
    bars: Mapping[str, dict[str, float]],
    pages: Mapping[str, str],
    model: Mapping[str, Any] | None,
) -> None:
    """Logs the parts of `Exhibits`, as JSON has them."""
    import wandb

    shown: dict[str, Any] = {}
    for name, rows in tables.items():
        cells = [[_cell(value) for value in row.values()] for row in rows]
        shown[name] = wandb.Table(columns=list(rows[0]), data=cells, allow_mixed_types=True)
    for name, values in bars.items():
        table = wandb.Table(columns=["name", "value"], data=[list(item) for item in values.items()])
        shown[name] = wandb.plot.bar(table, "name", "value", title=name)
    shown |= {name: wandb.Html(path, inject=False) for name, path in pages.items()}
    if shown:
        run.log({**shown, axis: run.summary.get(axis) or 0})
    if model is not None:
        artifact = wandb.Artifact(model["name"], "model", metadata=model["facts"])
        for name, path in model["files"].items():
            artifact.add_file(path, name=name, policy="immutable", skip_cache=True)  # no copy elsewhere on the disk
        run.log_artifact(artifact, aliases=model["aliases"])


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else json.dumps(value)


def _tags(*tags: str) -> list[str]:
    """Returns those of the environment and these, each once."""
    given = os.environ.get("WANDB_TAGS", "").split(",")
    return list(dict.fromkeys(tag[:MAX_TAG] for tag in (*given, *tags) if tag))


def _first_line(error: BaseException) -> str:
    """The first line of an error, without the API key should it be there."""
    text = str(error).partition("\n")[0] or type(error).__name__
    key = os.environ.get("WANDB_API_KEY")
    return text.replace(key, "***") if key else text


def _run_folders(files: Path, run_id: str) -> list[Path]:
    pattern = re.compile(r"(offline-)?run-\d+_\d+-" + re.escape(run_id))
    return [folder for folder in files.glob("*run-*") if pattern.fullmatch(folder.name)]


def _wait_for_another_name(earlier: list[Path]) -> None:
    """Lets the second pass in which an earlier folder of the run was made: its name has the time in seconds."""
    made = max((folder.lstat().st_mtime for folder in earlier), default=0.0)
    time.sleep(max(0.0, min(1.1, made + 1.1 - time.time())))


def _leave_search_directory(directory: Path) -> None:
    """Goes elsewhere if wandb would take its settings from the search directory, which may be a stranger's.

    wandb reads `wandb/settings` below the working directory: a `base_url` there would get the user's API key.
    """
    here = Path.cwd()
    if any(path.resolve().is_relative_to(directory.resolve()) for path in (here, here / "wandb", here / ".wandb")):
        os.chdir("/")


def _read(lines: IO[str], events: queue.SimpleQueue[_Event]) -> None:
    """Empties the pipe at once, so that the driver's side never waits while a server is slow."""
    for line in lines:
        events.put(json.loads(line))
    events.put({"kind": "driver_died"})


def _serve(session: WandbSession, events: queue.SimpleQueue[_Event]) -> None:
    handlers = {"start": session.start, "log": session.log, "show": session.log, "end": session.end}
    while (event := events.get())["kind"] in handlers:
        handlers[event["kind"]](event)
    if event["kind"] == "driver_died":
        limit = threading.Timer(_ORPHAN_TIMEOUT_S, os._exit, (1,))
        limit.daemon = True
        limit.start()
    session.close()


def main() -> None:
    """Serves the process that started this one, until it says `close` or is gone."""
    # wandb-core inherits 0, 1 and 2: held by it, the pipes would outlive this process.
    lines = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    with contextlib.suppress(OSError):
        os.nice(5)  # training comes first
    settings = json.loads(lines.readline())
    _leave_search_directory(Path(settings["directory"]))
    session = WandbSession(answers, **settings)
    events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines, events), daemon=True).start()
    _serve(session, events)
    # Past wandb's exit hooks: every run is finished or was given up, and wandb-core ends with this process.
    os._exit(0)


if __name__ == "__main__":
    main()

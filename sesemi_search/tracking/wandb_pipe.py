"""The driver's end of the pipe to a `wandb_process`: starts it, sends events, hears answers, ends it."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["MAX_TAG", "WandbPipe"]

# Set by whatever runs inside a W&B run of its own; a trial must not become part of that run.
_FOREIGN_VARIABLES = ("WANDB_SERVICE", "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_SWEEP_ID")
MAX_TAG = 64  # characters


class WandbPipe:
    """A running `wandb_process` and the thread that hears its answers.

    Args:
        settings: Arguments of `WandbSession`.
        answer: Called from another thread with each answer, and with `gone` if the process ends before `stop`.

    Attributes:
        mode: Which runs the process takes, as `gone` reports it.
    """

    def __init__(self, settings: Mapping[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
        self.mode: str = settings["mode"]
        self._stopping = False
        self._process = subprocess.Popen(
            # -P: a wandb.py or json.py in the user's working directory must not be taken for the real one.
            [sys.executable, "-P", "-m", "sesemi_search.tracking.wandb_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            text=True,
            encoding="utf-8",
            # Ctrl-C in the terminal is the driver's to handle.
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, args=(answer,), name="wandb-answers", daemon=True)
        self._listener.start()
        self.send(settings)

    def send(self, event: Mapping[str, Any]) -> None:
        """Hands over an event. A process that is gone is noticed by the listener."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(event, default=_plain) + "\n")
            self._process.stdin.flush()

    def stop(self, timeout_s: float) -> None:
        """Lets the process end by itself for `timeout_s`, then kills it. wandb-core ends with it."""
        self._stopping = True
        try:
            if timeout_s > 0:
                self.send({"kind": "close"})
                self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends the process now."""
        self._stopping = True
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def _listen(self, answer: Callable[[dict[str, Any]], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer(json.loads(line))
        if not self._stopping:
            answer({"kind": "gone", "mode": self.mode})


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN_VARIABLES}
    # W&B refuses a run over a tag that is empty, as of a variable that is set to nothing, or too long.
    tags = [tag.strip()[:MAX_TAG] for tag in environment.pop("WANDB_TAGS", "").split(",") if tag.strip()]
    if tags:
        environment["WANDB_TAGS"] = ",".join(tags)
    # wandb's own telemetry: its exporter waits 30 s at exit for a server that does not answer.
    environment.setdefault("WANDB_ERROR_REPORTING", "false")
    return environment


def _plain(value: Any) -> Any:
    """JSON for what a config or a metric may hold beyond JSON: numpy scalars, mappings, paths."""
    if hasattr(value, "item"):
        return value.item()
    return dict(value) if isinstance(value, Mapping) else str(value)

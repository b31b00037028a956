"""Reads `.wandb` files: the log format of LevelDB, filled with wandb's own protobuf records."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK = 32768
_FULL, _LAST = 1, 4


@dataclass
class WandbFile:
    """What a run's file says.

    `files` has the texts of what was saved beside it, `models` the aliases and facts of each model artifact.
    """

    run_id: str = ""
    group: str = ""
    job_type: str = ""
    name: str = ""
    project: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    files: dict[str, str] = field(default_factory=dict)
    models: dict[str, tuple[list[str], dict[str, Any]]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None


def read_wandb_files(directory: Path) -> dict[str, WandbFile]:
    """Runs under `<directory>/wandb` by id; an id in two folders is an error."""
    runs: dict[str, WandbFile] = {}
    for path in sorted((directory / "wandb").glob("*run-*/*.wandb")):
        run = _read_run(path)
        assert run.run_id not in runs, f"two folders for {run.run_id}"
        runs[run.run_id] = run
    return runs


def _read_run(path: Path) -> WandbFile:
    found = WandbFile()
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found.run_id, found.group, found.job_type = run.run_id, run.run_group, run.job_type
            found.name, found.project, found.tags = run.display_name, run.project, list(run.tags)
            found.notes = run.notes
            found.config |= {item.key: json.loads(item.value_json) for item in run.config.update}
        elif kind == "history":
            found.history.append({_key(item): json.loads(item.value_json) for item in record.history.item})
        elif kind == "summary":
            found.summary |= {_key(item): json.loads(item.value_json) for item in record.summary.update}
        elif kind == "files":
            for item in record.files.files:
                found.files[item.path] = (path.parent / "files" / item.path).read_text()
        elif kind == "artifact" and record.artifact.type == "model":
            facts = json.loads(record.artifact.metadata)
            found.models[record.artifact.name] = (sorted(record.artifact.aliases), facts)
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def _records(data: bytes) -> Iterator[bytes]:
    """Payloads; a record that is cut short by a kill ends the file."""
    at, parts = 7, []  # after the file's own header
    while at + 7 <= len(data):
        if _BLOCK - at % _BLOCK < 7:
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if kind == 0 or at + 7 + length > len(data):
            return
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (_FULL, _LAST):
            yield b"".join(parts)
            parts = []

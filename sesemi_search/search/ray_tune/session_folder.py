"""The folder in which a local Ray keeps its sockets and logs: the usual one, or another where that cannot serve."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sesemi_search.errors import ConfigError

__all__ = ["choose_session_folder"]

logger = logging.getLogger(__name__)

_SHORT = ("/tmp", "/var/tmp", "/dev/shm")
# Bytes of a socket's path, of which macOS takes 103 and Linux 107, less those of the longest name below the folder.
_MAX_LENGTH = 103 - len("/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")


@contextlib.contextmanager
def choose_session_folder() -> Iterator[Path]:
    """Gives the folder that Ray would choose, where it serves, else one for the block, and says why.

    Raises:
        ConfigError: No folder can be had.
    """
    name = next((each for each in ("RAY_TMPDIR", "TMPDIR") if each in os.environ), None)
    usual = Path(os.environ[name] if name else "/tmp").absolute() / "ray"
    fault = _find_fault(usual)
    if fault is None:
        yield usual
        return
    source = f"{usual} (of {name})" if name else str(usual)
    for parent in _SHORT:
        try:
            folder = tempfile.TemporaryDirectory(prefix="ray-", dir=parent, ignore_cleanup_errors=True)
        except OSError:
            continue
        with folder as path:
            logger.info(f"Ray keeps its files in {path}: {source} {fault}")
            yield Path(path)
        return
    raise ConfigError(
        "RAY_TMPDIR",
        f"Ray needs a folder for its sockets; {source} {fault}, and {', '.join(_SHORT)} cannot be written. "
        f"Set RAY_TMPDIR to a folder that can, with a path of at most {_MAX_LENGTH - len('/ray')} bytes.",
    )


def _find_fault(folder: Path) -> str | None:
    """Returns why Ray cannot keep its files in a folder, which is made as Ray makes it, open to everybody."""
    if len(os.fsencode(folder)) > _MAX_LENGTH:
        return "is too long a path for a socket"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"cannot be written ({error.strerror or error})"

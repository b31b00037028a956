"""What Hydra and OmegaConf raise, turned into one message: the file, the dotted key, what was found, a near name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import yaml
from omegaconf.errors import OmegaConfBaseException, ValidationError
from yaml.reader import ReaderError

from sesemi_search.config.annotations import describe_plain, element_annotation, plain_types
from sesemi_search.config.keys import known_keys
from sesemi_search.config.schema import SearchExperimentConfig
from sesemi_search.config.sesemi_keys import hint, our_key
from sesemi_search.errors import Problem, suggest
from sesemi_search.project.project import list_options

if TYPE_CHECKING:
    from hydra.errors import MissingConfigException

__all__ = ["check_key", "check_section", "explain"]


def explain(error: BaseException, folders: Sequence[Path] = ()) -> Problem:
    """Turns an exception of Hydra's, OmegaConf's or the YAML parser's into a problem: file, dotted key, near name.

    Args:
        error: What was raised.
        folders: The folders of YAML that were searched, if any were.
    """
    from hydra.errors import MissingConfigException  # with it comes the whole of Hydra, which who reads does not need

    if isinstance(error, MissingConfigException):
        return _explain_missing(error, folders)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        context = f"{error.context}, " if error.context else ""
        return Problem("", f"not YAML: {context}{error.problem}.", file=f"{mark.name}, line {mark.line + 1}")
    if isinstance(error, ReaderError):
        return Problem("", f"not YAML: it holds the character #x{error.character:04x}.", file=str(error.name))
    if isinstance(error, UnicodeDecodeError):
        files = ", ".join(
            str(file) for folder in folders for file in sorted(folder.rglob("*.yaml")) if _is_garbled(file)
        )
        text = f"is not UTF-8 text ({error.reason}); save it as UTF-8."
        return Problem("", text, file=files or "a YAML file")
    if isinstance(error, RecursionError):
        return Problem(
            "", "a defaults list leads back to its own file, a YAML anchor contains itself, or an interpolation does."
        )
    chain = list(_causes(error))
    # OmegaConf raises twice: the inner exception has a template for a message, the outer one the words and the key.
    raised = [e for e in chain if isinstance(e, OmegaConfBaseException)]
    known = next((e for e in reversed(raised) if e.full_key), None) or (raised[-1] if raised else None)
    if known is None:
        text = " ".join(line.strip() for line in str(error).strip().splitlines()) or type(error).__name__
        text = text.replace("Unsupported type in defaults :", "a defaults list holds names, or group: name; got a")
        return _explain_choice(text)
    if any(isinstance(e, RecursionError) for e in chain):
        return explain(RecursionError())
    file = next((m[1] + ".yaml" for e in chain for m in [re.match(r"In '(.+?)'", str(e))] if m), "")
    key = our_key(re.sub(r"\[(\d+)\]", r".\1", known.full_key or ""))
    section = re.search(r"is not a subclass of (\w+)\. value: (.*)", str(known))
    if section and (keys := [k for k, node in _sections(SearchExperimentConfig) if node.__name__ == section[1]]):
        return Problem(keys[0], f"got {section[2]}; it is a mapping of keys to values.", file=file)
    problem = next(check_key(SearchExperimentConfig, key), None) or _explain_value(known, key) if key else None
    if problem is not None:
        return replace(problem, file=file)
    reason = (str(known).strip().splitlines() or [type(known).__name__])[0]
    if reason == "Cannot merge DictConfig with ListConfig":  # OmegaConf's words either way round
        reason = "got a mapping in place of a list, or a list in place of a mapping; write the other."
        if file and not key:
            reason = "holds a list; a config is a mapping of keys to values."
    if key and reason.endswith("is not in struct"):
        reason = f"no config has this key; to add it, set it by itself: {key}=VALUE."
    return Problem(key, f"{reason}{hint(key)}", file=file)


def check_key(schema: type, key: str) -> Iterator[Problem]:
    """Yields what is wrong with a dotted key: the part that the schema does not know, and the nearest that it does."""
    parts = key.split(".")
    node: Any = schema
    for depth, part in enumerate(parts):
        parent = ".".join(parts[:depth]) or "the config"
        if not is_dataclass(node):
            is_open = node is Any or get_origin(node) is dict
            if not is_open and not (part.isdecimal() and element_annotation(node)):
                yield Problem(key, f"{parent} is one value, without keys; set {parent} itself.")
            return
        known = {f.name: f.type for f in fields(node)}
        if part not in known:
            instead = hint(".".join(parts[: depth + 1])) or f"it has {', '.join(known)}.{suggest(part, known)}"
            yield Problem(key, f"{parent} has no key {part!r}; {instead}")
            return
        node = known[part]


def _explain_value(error: OmegaConfBaseException, key: str) -> Problem | None:
    """Says what a key of the schema takes in place of a value of the wrong type; None where it is not about one."""
    if not isinstance(error, ValidationError):
        return None
    annotation: Any = SearchExperimentConfig
    for part in key.split("."):
        if is_dataclass(annotation):
            annotation = {f.name: f.type for f in fields(annotation)}[part]
        else:
            annotation = element_annotation(annotation)
    types = plain_types(annotation)
    takes = known_keys(SearchExperimentConfig)[key].takes if key in known_keys(SearchExperimentConfig) else ""
    takes = takes or (describe_plain(types) if types else "")
    return Problem(key, f"got {error.value!r}; it takes {takes}{hint(key)}.") if takes else None


def check_section(schema: type, key: str, value: object) -> Iterator[Problem]:
    """Yields what is wrong with a value where the schema has a mapping of further keys."""
    node: Any = schema
    for part in key.split("."):
        if not is_dataclass(node):
            return
        node = {f.name: f.type for f in fields(node)}.get(part)
    if is_dataclass(node) and not isinstance(value, Mapping):
        names = ", ".join(f.name for f in fields(node))
        yield Problem(key, f"got {value!r}; it is a mapping, of which single keys are set: {names}.")


def _sections(schema: Any, key: str = "") -> Iterator[tuple[str, type]]:
    """Yields the mappings of a schema by their dotted keys."""
    for f in fields(schema):
        if is_dataclass(f.type):
            dotted = f"{key}.{f.name}" if key else f.name
            yield dotted, f.type  # type: ignore[misc]
            yield from _sections(f.type, dotted)


def _explain_missing(error: "MissingConfigException", folders: Sequence[Path]) -> Problem:
    """A defaults list names a file that is not there."""
    missing = Path(str(error.missing_cfg_file or "").lstrip("/"))
    found = re.match(r"In '(.+?)'", str(error))
    options = sorted({name for name, _ in list_options(str(missing.parent), folders)} or set(error.options or ()))
    there_are = f" There are: {', '.join(options)}." if options else ""
    file = f"{found[1]}.yaml" if found and not found[1].startswith("sesemi_search") else ""
    name = missing.name.removesuffix(".yaml")
    searched = f" in {', '.join(map(str, folders))}" if folders else ""
    text = f"there is no {missing.with_suffix('.yaml')}{searched}.{suggest(name, options)}{there_are}"
    return Problem("", text, file=file)


def _explain_choice(text: str) -> Problem:
    """Says what to write into a defaults list, where Hydra says of a config group that it was chosen twice or never."""
    twice = re.match(r"Multiple values for (\S+)\. To override", text) or re.match(
        r"(\S+) appears more than once", text
    )
    if twice:  # not Hydra's override, which would leave on top what the other config says beside its choice
        return Problem(
            twice[1],
            "two configs choose one in their defaults lists. The one that is to win names its file "
            f"instead, '- /{twice[1]}/NAME' with a slash in place of the colon, behind the other.",
        )
    never = re.match(r"In '(.+?)': Could not override '(.+?)'\. No match", text)
    if never:
        return Problem(
            "",
            f"got '- override /{never[2]}: NAME', but no config in its defaults list chooses one so. "
            f"Write '- /{never[2]}: NAME', without override, behind the items that it is to win over.",
            file=f"{never[1]}.yaml",
        )
    return Problem("", text)


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

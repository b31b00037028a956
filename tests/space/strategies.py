"""Hypothesis strategies for search spaces: as they are written, over experiments that fit them, and anything at all."""

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from sesemi_search.space.domains import Constant, Entries, Node, Options, Tree
from sesemi_search.space.space import Space

__all__ = ["SamplingTrial", "anything", "domains", "experiment_for", "overlays", "raw_spaces", "sample_space"]

# Some that YAML would read as something else, were they not quoted.
NAMES = st.sampled_from(["a", "b", "c", "yes", "n", "1", "1e-3", "null", "x y", "é", "~", "a: b", "on", "log", "?"])
TARGETS = st.sampled_from(["x.A", "x.B"])
TEXTS = st.sampled_from(
    ["yes", "1e-3", "null", "~", "", " a ", "a: b", "[a", "#", "1_000", "0x1f", "é\n\t\\'\"", "${r}"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"]), max_size=5)
)


class SamplingTrial:
    """Answers a space at random, numbers on their steps, as an Optuna trial would."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        if step is None:
            return min(max(self._rng.uniform(low, high), low), high)
        return min(low + self._rng.randint(0, round((high - low) / step)) * step, high)

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        return low + self._rng.randint(0, (high - low) // step) * step

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        return self._rng.choice(choices)


def sample_space(space: Space, seed: int) -> dict[str, Any]:
    """Returns the parameters of a random point."""
    return space.sample(SamplingTrial(seed))


def domains() -> st.SearchStrategy[dict[str, Any]]:
    """Domains as they are written, all of them right."""
    return st.one_of(_ints(), _floats(), _choices())


def raw_spaces() -> st.SearchStrategy[dict[str, Any]]:
    """Spaces as they are written, all of them right, nested to any depth up to four."""
    return st.dictionaries(NAMES, _fragments(3, entries=True), min_size=1, max_size=3)


def anything() -> st.SearchStrategy[Any]:
    """What might be passed for a space: plain containers of any shape that often use the words of the language."""
    words = st.sampled_from(["float", "int", "choice", "log", "step", "literal", "_target_", "a", "b", "", "a.b", "1"])
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**400)
    bounds = st.lists(st.integers(-9, 9) | st.floats(), min_size=2, max_size=2)
    keys = st.one_of(words, words, words, st.integers(-1, 2), scalars)
    wild = st.recursive(
        scalars | bounds | st.binary(max_size=2) | st.tuples(scalars),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner | bounds, max_size=4),
        max_leaves=15,
    )
    tame = _fragments(2, entries=True)
    return st.one_of(wild, st.dictionaries(words | st.just("c"), st.one_of(tame, tame, tame, wild), max_size=3))


@st.composite
def overlays(draw: st.DrawFn, keys: Sequence[str]) -> dict[str, Any]:
    """Spaces over the given keys of an experiment, each with some domain: of the right kind, or not."""
    raw: dict[str, Any] = {}
    for key in draw(st.lists(st.sampled_from(keys), min_size=1, max_size=4, unique=True)):
        node = raw
        *path, last = key.split(".")
        for part in path:
            node = node.setdefault(int(part) if part.isdigit() else part, {})
        node[int(last) if last.isdigit() else last] = draw(domains())
    return raw


def experiment_for(space: Space) -> dict[str, Any]:
    """Returns an experiment that has a list wherever the space lays entries over one."""
    experiment: dict[str, Any] = _base([space.root])
    return experiment


def _base(nodes: Sequence[Node]) -> Any:
    """Returns something that each of the nodes can be laid over."""
    flat = [each for node in nodes for each in (node.nodes.values() if isinstance(node, Options) else [node])]
    if any(isinstance(node, Options) for node in flat):
        return _base(flat)
    entries = [node.nodes for node in flat if isinstance(node, Entries)]
    if entries:
        length = 1 + max(max(each) for each in entries)
        return [_base([each[i] for each in entries if i in each]) for i in range(length)]
    trees = [node.nodes for node in flat if isinstance(node, Tree) and "_target_" not in node.nodes]
    names = list(dict.fromkeys(name for tree in trees for name in tree))
    return {name: _base([tree[name] for tree in trees if name in tree]) for name in names} or 0


def is_ambiguous(node: Node) -> bool:
    """Whether two options of a choice can give the same config, so that it does not say which was chosen."""
    if isinstance(node, Constant):
        return False
    if isinstance(node, Options) and len(node.nodes) > 1:
        return True
    below = getattr(node, "nodes", ())
    return any(is_ambiguous(child) for child in (below.values() if isinstance(below, dict) else below))


def _fragments(depth: int, entries: bool) -> st.SearchStrategy[Any]:
    leaves = domains() | SCALARS | st.just({}) | _literals()
    if depth == 0:
        return leaves
    inner, closed = _fragments(depth - 1, entries), _fragments(depth - 1, entries=False)
    branches = [
        leaves,
        st.dictionaries(NAMES, inner, min_size=1, max_size=2),
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(lambda options: {"choice": options}),
        # Below a target or in a list of the space's own there is no list of the experiment's.
        st.builds(
            lambda target, rest: {"_target_": target, **rest}, TARGETS, st.dictionaries(NAMES, closed, max_size=2)
        ),
        st.lists(closed, max_size=2),
    ]
    if entries:
        branches.append(st.dictionaries(st.integers(0, 2), inner, min_size=1, max_size=2))
    return st.one_of(branches)


def _literals() -> st.SearchStrategy[dict[str, Any]]:
    looks = st.sampled_from(["float", "choice", "literal", "a", "_target_"])
    return (st.dictionaries(looks, SCALARS, max_size=2) | st.lists(SCALARS, max_size=2)).map(lambda v: {"literal": v})


def _ints() -> st.SearchStrategy[dict[str, Any]]:
    def build(low: int, steps: int, step: int, log: bool) -> dict[str, Any]:
        if log:
            return {"int": [1 + abs(low), 1 + abs(low) + steps], "log": True}
        return {"int": [low, low + steps * step], "step": step}

    return st.builds(build, st.integers(-100, 100), st.integers(0, 5), st.integers(1, 3), st.booleans())


def _floats() -> st.SearchStrategy[dict[str, Any]]:
    def build(low: float, width: float, log: bool) -> dict[str, Any]:
        return {"float": [low, low + width], "log": log}

    def build_steps(low: int, steps: int, step: int) -> dict[str, Any]:
        return {"float": [low / 100, (low + steps * step) / 100], "step": step / 100}

    return st.builds(build, st.floats(1e-6, 10), st.floats(0, 10), st.booleans()) | st.builds(
        build_steps, st.integers(-100, 100), st.integers(0, 5), st.integers(1, 30)
    )


def _choices() -> st.SearchStrategy[dict[str, Any]]:
    texts = TEXTS.filter(lambda text: "$" not in text)  # an interpolation that leads nowhere does not compose
    values = st.none() | st.booleans() | st.integers(0, 9) | st.floats(-5, 5) | texts
    return st.lists(values, min_size=1, max_size=4, unique=True).map(lambda values: {"choice": values})

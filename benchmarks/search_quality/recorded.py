"""Real learning curves, of configs that were drawn at random and trained to their end.

A file of JSON lines: `config` (`family` and the sampled values), `val` and `test` (accuracy after each epoch, null from
where the training diverged), `epoch_s`. A searcher samples a continuous space; it is given the curve of the nearest
config of the same family, the same one as often as it asks for it.
"""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.search_quality.simulate import Curve

__all__ = ["RecordedCurves"]

_LOG_RATIO = 10  # a dimension whose largest value is so many times its smallest is searched in the logarithm


class RecordedCurves:
    """A file of curves as a conditional space: a family, what all families have, and what one family has.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem if path.stem != "curves" else path.parent.name
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows = [row for row in rows if "config" in row]
        self.num_epochs = len(rows[0]["val"])
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            self._rows.setdefault(row["config"]["family"], []).append(row)
        names = {family: list(each[0]["config"]) for family, each in self._rows.items()}
        # A batch size is a choice that all families have; a width is another thing in each.
        self._shared = [
            name
            for name in names[min(names)]
            if name not in ("family", "width") and all(name in each for each in names.values())
        ]
        own = {f: [n for n in each if n not in self._shared and n != "family"] for f, each in names.items()}
        self._domains = {
            family: {name: _domain([row["config"][name] for row in each]) for name in (*self._shared, *own[family])}
            for family, each in self._rows.items()
        }
        every = [row["config"] for row in rows]
        shared = {name: _domain([config[name] for config in every]) for name in self._shared}
        options = {
            family: {"_target_": f"x.F{i}", **{name: self._domains[family][name] for name in own[family]}}
            for i, family in enumerate(self._rows)
        }
        self.space: Mapping[str, Any] = {**shared, "model": {"choice": options}}
        self._shared_domains = shared
        self._given: set[int] = set()  # by identity of the rows

    def begin(self) -> None:
        """Forgets which configs were given."""
        self._given.clear()

    @property
    def best_family(self) -> str:
        """The family of the config with the best test accuracy after its last epoch, of the means of its best three."""
        return max(self._rows, key=lambda family: statistics.fmean(sorted(map(_final_test, self._rows[family]))[-3:]))

    def family(self, params: Mapping[str, Any]) -> str:
        """Returns the family of a config."""
        return str(params["model"])

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """Returns the curve of the nearest config."""
        family = self.family(params)
        rows = [row for row in self._rows[family] if id(row) not in self._given] or self._rows[family]
        row = min(rows, key=lambda row: self._distance(row["config"], params, family))
        self._given.add(id(row))
        return Curve(_floats(row["val"]), _floats(row["test"]), float(row["epoch_s"]))

    def _distance(self, config: Mapping[str, Any], params: Mapping[str, Any], family: str) -> float:
        total = 0.0
        for name, domain in self._domains[family].items():
            whole = self._shared_domains.get(name, domain)
            value = params[name if name in self._shared else f"model.{family}.{name}"]
            total += (_place(whole, config[name]) - _place(whole, value)) ** 2
        return total


def _domain(values: Sequence[Any]) -> dict[str, Any]:
    low, high = min(values), max(values)
    if len(set(values)) <= 4:
        return {"choice": sorted(set(values))}
    log = high / low > _LOG_RATIO if low > 0 else False
    if all(isinstance(value, int) for value in values):
        return {"int": [low, high], "log": low > 0}
    return {"float": [low, high], "log": log}


def _place(domain: Mapping[str, Any], value: Any) -> float:
    """Returns where in its domain a value lies, 0 to 1."""
    if "choice" in domain:
        choices = domain["choice"]
        return float(choices.index(value) / max(1, len(choices) - 1)) if value in choices else 0.5
    low, high = domain.get("float") or domain["int"]
    if domain["log"]:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / (high - low)) if high > low else 0.5


def _floats(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _final_test(row: Mapping[str, Any]) -> float:
    last = row["test"][-1]
    return 0.0 if last is None else float(last)

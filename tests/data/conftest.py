"""Data configs on real digits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sesemi_search.config.schema import DataConfig
from sesemi_search.data import LabelledImages, load_splits


@pytest.fixture
def data() -> DataConfig:
    """The data config of mnist5k, as shipped."""
    return DataConfig(
        source={"_target_": "sesemi_search.data.sources.MNIST5k"},
        image_size=32,
        channels=3,
        val_size=500,
        test_size=500,
        split_seed=0,
        mean=[0.1307] * 3,
        std=[0.3081] * 3,
    )


@pytest.fixture
def load(data: DataConfig, tmp_path: Path) -> Callable[..., dict[str, LabelledImages]]:
    """Loads splits by name, with changes to the config."""

    def load_with(*names: str, **changes: object) -> dict[str, LabelledImages]:
        return load_splits(replace(data, **changes), tmp_path, names)

    return load_with

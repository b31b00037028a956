"""Which folder a new search gets."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sesemi_search.errors import ConfigError
from sesemi_search.search.directory import claim_directory


def test_searches_of_one_second_get_a_folder_each(tmp_path: Path) -> None:
    name = tmp_path / "runs" / "tiny" / "20260101_120000"
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(claim_directory, [name] * 8))
    assert sorted(path.name for path in claimed) == [name.name, *(f"{name.name}_{i}" for i in range(2, 9))]
    assert all(path.is_dir() for path in claimed)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ConfigError, match=r"search\.dir: .*cannot be made"):
        claim_directory(tmp_path / "runs" / "tiny")

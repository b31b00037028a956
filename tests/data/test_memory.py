"""How much memory there is, in a container too."""

from pathlib import Path

import psutil
import pytest

from sesemi_search.data import memory


def test_it_is_what_the_machine_has_available() -> None:
    assert memory.available_bytes() <= 1.2 * psutil.virtual_memory().available
    assert memory.available_bytes() > 10e6


@pytest.mark.parametrize(
    ("limit", "expected"), [("300000000", 300_000_000 - 200_000_000 + 50_000_000), ("max", None), ("90000000", 0)]
)
def test_a_containers_limit_counts(
    limit: str, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlimited = psutil.virtual_memory().available
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text("200000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000000\nactive_file 7\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    if expected is None:
        assert memory.available_bytes() > unlimited / 2
    else:
        assert memory.available_bytes() == expected

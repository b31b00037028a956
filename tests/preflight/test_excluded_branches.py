import pytest

from sesemi_search.errors import ConfigError, Problem
from sesemi_search.preflight.excluded_branches import find_excluded

BROKEN = Problem("head", "b is broken")


def refused(excluded, params: dict) -> str:
    with pytest.raises(ConfigError) as raised:
        excluded.refuse(params)
    return str(raised.value)


def test_an_option_that_is_bad_in_every_combination_is_one_rule() -> None:
    good = [{"head": "a", "size": size} for size in (1, 2, 3)]
    bad = [({"head": "b", "size": size}, BROKEN) for size in (1, 2, 3)]
    excluded = find_excluded(good, bad)
    assert list(excluded.reasons) == [({"head": "b"}, BROKEN)]
    assert "b is broken" in refused(excluded, {"head": "b", "size": 2, "lr": 0.1})
    excluded.refuse({"head": "a", "size": 2, "lr": 0.1})


def test_a_combination_that_is_bad_leaves_its_options_in_others() -> None:
    good = [{"head": "a", "size": 1}, {"head": "b", "size": 1}, {"head": "a", "size": 2}]
    excluded = find_excluded(good, [({"head": "b", "size": 2}, Problem("head", "b is too large"))])
    assert "b is too large" in refused(excluded, {"head": "b", "size": 2})
    for choices in good:
        excluded.refuse(choices)


def test_an_option_seen_only_beside_a_bad_one_is_not_blamed() -> None:
    # As in a space of which only some branches are visited: size 9 came up once, beside the broken head.
    good = [{"head": "a", "size": size} for size in (1, 2)]
    bad = [({"head": "b", "size": size}, BROKEN) for size in (1, 2, 9)]
    excluded = find_excluded(good, bad)
    assert list(excluded.reasons) == [({"head": "b"}, BROKEN)]
    excluded.refuse({"head": "a", "size": 9})


def test_a_choice_of_an_option_that_is_not_there_does_not_count() -> None:
    excluded = find_excluded([{"head": "a"}], [({"head": "b", "head.b.norm": None}, Problem("head", "no"))])
    excluded.refuse({"head": "a"})
    assert "no" in refused(excluded, {"head": "b", "head.b.norm": None})

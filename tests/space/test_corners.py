from sesemi_search.space.corners import branch_ends
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space


def test_a_long_list_of_numbers_is_visited_as_a_range_is() -> None:
    space = Space(
        parse_space({"lr": {"choice": [n / 1000 for n in range(1, 1001)]}, "nesterov": {"choice": [True, False]}})
    )
    visited = [low for low, _ in branch_ends(space, 100)]
    assert len(visited) == 100
    assert {0.001, 1.0} <= {params["lr"] for params in visited}


def test_every_name_of_a_long_list_is_visited() -> None:
    space = Space(parse_space({"name": {"choice": [f"model_{n}" for n in range(300)]}}))
    assert len({low["name"] for low, _ in branch_ends(space, 100)}) == 300

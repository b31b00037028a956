import io

import pytest
from rich.console import Console

from sesemi_search.formatting import format_count
from sesemi_search.report.check_table import BranchRow, render_branches


def row(params: tuple[str, str], result: str = "OK", **choices: object) -> BranchRow:
    cells = {"params": params, "FLOPs": ("400k", "454k"), "batch\nbytes": ("1.41M", "2.61M")}
    return BranchRow({name: (value,) for name, value in choices.items()}, cells, result)


ROWS = [
    row(("55.2k", "84.5k"), head="cosine", batch_size=64),
    row(("55.2k", "84.5k"), head="cosine", batch_size=128),
    row(("55.2k", "84.5k"), head="scaled", batch_size=64),
    row(("55.2k", "84.5k"), head="scaled", batch_size=128),
    row(("9k", "9k"), "bad high (1)", head="mlp", batch_size=64, norm="none"),
    row(("8k", "8k"), head="mlp", batch_size=128, norm="none"),
]


def lines(width: int, rows: list[BranchRow] = ROWS) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_branches(rows))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_branches_with_equal_cells_share_a_row_that_names_them_all() -> None:
    text = lines(120)
    assert len(text) == 2 + 3
    assert any(line.split()[:2] == ["cosine,scaled", "64,128"] for line in text)


def test_branches_that_differ_in_a_cell_or_result_have_rows_of_their_own() -> None:
    mlp = [line.split() for line in lines(120) if "mlp" in line]
    assert [words[1] for words in mlp] == ["64", "128"]
    assert mlp[0][-3:] == ["bad", "high", "(1)"]


def test_an_uneven_set_of_branches_is_not_merged_to_more_than_it_is() -> None:
    # cosine at 64 and 128, scaled at 64 alone: one row for all would claim scaled at 128.
    text = lines(120, ROWS[:3])
    named = [line.split()[:2] for line in text[2:]]
    covered = {(head, size) for heads, sizes in named for head in heads.split(",") for size in sizes.split(",")}
    assert covered == {("cosine", "64"), ("cosine", "128"), ("scaled", "64")}


def test_a_choice_that_a_branch_does_not_have_is_a_dash() -> None:
    line = next(line for line in lines(120) if "cosine" in line)
    assert line.split()[2] == "-"


def test_what_all_rows_say_is_said_once_below() -> None:
    rows = [row((params, params), head=head, size=size) for head, params in (("a", "1"), ("b", "2")) for size in (8, 9)]
    text = lines(120, rows)
    assert [line.split()[0] for line in text[-3:-1]] == ["a", "b"]
    assert text[-1] == "of every branch: size=8,9"
    assert "FLOPs" in "".join(text)


@pytest.mark.parametrize("width", [120, 60, 57])
def test_nothing_is_cut_off(width: int) -> None:
    text = lines(width)
    assert max(len(line) for line in text) <= width
    joined = "".join(text)
    assert "…" not in joined
    for shown in ("55.2k", "84.5k", "1.41M", "2.61M", "bad high (1)", "cosine"):
        assert shown in joined


def test_equal_ends_are_one_number_and_others_two() -> None:
    text = lines(120)
    assert any("55.2k - 84.5k" in line for line in text)
    assert not any("9k - 9k" in line for line in text)


def test_a_space_without_choices_has_one_row_without_a_branch() -> None:
    assert lines(120, [row(("1", "1"))])[-1].split() == ["1", "400k", "-", "454k", "1.41M", "-", "2.61M", "OK"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (961, "961"),
        (999.4, "999.4"),
        (55184, "55.2k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (4.0893e9, "4.09G"),
    ],
)
def test_counts_are_short(number: float, text: str) -> None:
    assert format_count(number) == text

"""The table of the check: a row for each branch of a space, or for several whose cells are equal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sesemi_search.columns import break_header
from sesemi_search.formatting import format_value

__all__ = ["NOTHING", "BranchRow", "render_branches"]

NOTHING = "-"  # a cell that was not measured


@dataclass(frozen=True)
class BranchRow:
    """Branches as the table shows them.

    Attributes:
        choices: By short name, what is chosen: one value, or several of branches that are equal otherwise.
        cells: By column, what was measured at the low and at the high end.
        result: `OK`, or what refers to a reason below the table.
    """

    choices: Mapping[str, tuple[Any, ...]]
    cells: Mapping[str, tuple[str, str]]
    result: str


def render_branches(rows: Sequence[BranchRow]) -> RenderableType:
    """The branches in their order.

    Args:
        rows: A row for each branch, all with the same cells.

    Returns:
        A renderable with a column for each choice and one line a row where the terminal is wide enough; else the low
        and the high end are below each other, then all choices are in one column.
    """
    return _BranchTable(_merge(rows))


def _merge(rows: Sequence[BranchRow]) -> list[BranchRow]:
    """Puts branches into one row that differ in one choice and in no cell; each is still named by its row."""
    merged = list(rows)
    for name in dict.fromkeys(name for row in rows for name in row.choices):
        groups: dict[Any, BranchRow] = {}
        for row in merged:
            others = {k: v for k, v in row.choices.items() if k != name}
            key = (tuple(others.items()), tuple(row.cells.values()), row.result, name in row.choices)
            same = groups.get(key)
            if same is None or name not in row.choices:
                groups[key] = row
            else:
                values = tuple(dict.fromkeys([*same.choices[name], *row.choices[name]]))
                groups[key] = replace(same, choices={**same.choices, name: values})
        merged = list(groups.values())
    return merged


class _BranchTable:
    """Chooses between the layouts when the width is known."""

    def __init__(self, rows: Sequence[BranchRow]) -> None:
        self._rows = rows
        names = dict.fromkeys(name for row in rows for name in row.choices)
        # What every row says is said once, below.
        values = {name: {row.choices.get(name) for row in rows} for name in names}
        self._shared = [name for name in names if len(rows) > 1 and len(values[name]) == 1]
        self._names = [name for name in names if name not in self._shared]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unlimited = options.update(max_width=10_000, width=10_000)
        for table in (self._wide(" - "), self._wide(" -\n")):
            if Measurement.get(console, unlimited, table).maximum <= options.max_width:
                yield table
                return
        yield self._narrow()

    def _wide(self, between: str) -> Table:
        table = _table()
        for name in self._names:
            table.add_column(break_header(name), no_wrap=True)
        self._add_measured(table, self._columns)
        for row in self._rows:
            table.add_row(*(_values(row.choices.get(name)) for name in self._names), *_measured(row, between))
        return self._with_shared(table, {})

    def _narrow(self) -> Table:
        """One column for all choices; of a column with one value throughout, that value in a line below."""
        same = {name: values for name in self._columns if len(values := self._known(name)) == 1}
        rows = [replace(row, cells={k: v for k, v in row.cells.items() if k not in same}) for row in self._rows]
        table = _table()
        if self._names:
            table.add_column("branch", ratio=1, overflow="fold")
        self._add_measured(table, [name for name in self._columns if name not in same])
        for row in rows:
            branch = " ".join(f"{name}={_values(row.choices[name])}" for name in self._names if name in row.choices)
            table.add_row(*([Text(branch)] if self._names else []), *_measured(row, " -\n"))
        return self._with_shared(table, same)

    def _with_shared(self, table: Table, cells: Mapping[str, set[str]]) -> Table:
        """Puts below a table what all its rows have in common."""
        shown = [f"{name}={_values(self._rows[0].choices[name])}" for name in self._shared]
        shown += [f"{name.replace(chr(10), ' ')} {next(iter(values))}" for name, values in cells.items()]
        if shown:
            table.caption = Text(f"of every branch: {', '.join(shown)}", overflow="fold")
            table.caption_justify, table.caption_style = "left", ""
        return table

    @property
    def _columns(self) -> list[str]:
        return list(self._rows[0].cells) if self._rows else []

    def _known(self, column: str) -> set[str]:
        return {cell for row in self._rows for cell in row.cells[column] if cell != NOTHING}

    def _add_measured(self, table: Table, columns: Sequence[str]) -> None:
        for name in columns:
            table.add_column(Text(name), justify="right", no_wrap=True)
        table.add_column("result", no_wrap=True)


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")


def _values(values: tuple[Any, ...] | None) -> Text:
    return Text(NOTHING if values is None else ",".join(map(format_value, values)))


def _measured(row: BranchRow, between: str) -> list[Text]:
    """The cells and the result."""
    style = "" if row.result.startswith("OK") else "bold red"
    return [*(Text(_cell(*ends, between)) for ends in row.cells.values()), Text(row.result, style)]


def _cell(low: str, high: str, between: str) -> str:
    """One value where the ends of a branch are equal, or one is not known."""
    if low == high or high == NOTHING:
        return low
    return high if low == NOTHING else f"{low}{between}{high}"

"""Tables in the terminal whose rows are a line each: columns that know their width, and as many of them as fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from sesemi_search.formatting import escape_controls, format_value, shorten

__all__ = ["Column", "break_header", "fit_columns", "make_table", "param_column"]

# A header is broken at an underscore or a dot so that a long name does not make a wide column of short values.
_HEADER_WIDTH = 9
_VALUE_WIDTH = 24  # of a parameter, whose value may be a mapping
_GAP = 2


class Column:
    """A column of a table: a header on some lines, a cell a row; its width with the gap behind it."""

    def __init__(self, header: Text, cells: Iterable[str], justify: Literal["left", "right"] = "right") -> None:
        self.header = header
        self.cells = list(cells)
        self.justify = justify
        self.width = max(map(cell_len, [*header.plain.split("\n"), *self.cells])) + _GAP


def param_column(name: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    """Returns the column of a parameter; a dash where a row does not have it.

    Args:
        name: Its short name.
        rows: The parameters of each row, by short name.
    """
    cells = (format_value(params[name]) if name in params else "-" for params in rows)
    return Column(break_header(name), (shorten(cell.replace("\n", " "), _VALUE_WIDTH) for cell in cells))


def fit_columns(columns: Sequence[Column], width: int) -> list[Column]:
    """Returns the columns that fit into a width, those that come first before others."""
    room, shown = width + _GAP, []  # there is no gap behind the last column
    for column in columns:
        if column.width <= room:
            shown.append(column)
            room -= column.width
    return shown


def make_table(columns: Sequence[Column]) -> Table:
    """Returns columns side by side."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.header, justify=column.justify, no_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    return table


def break_header(name: str) -> Text:
    """A header on as few lines as fit the width, broken after underscores and dots."""
    lines = [""]
    for part in escape_controls(name).replace("_", "_\n").replace(".", ".\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > _HEADER_WIDTH:
            lines.append("")
        lines[-1] += part
    return Text("\n".join(lines))

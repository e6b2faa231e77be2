"""Tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dreamflow.cli.output.escaping import escape_line

Column = tuple[str, Literal["left", "right"]]
"""A heading, and the side that its cells are aligned to."""
PIPED_TABLE_WIDTH = 200
"""Characters of a line where stdout is no terminal."""


def print_table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. Where the terminal is narrow, the last column is wrapped."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for number, (heading, side) in enumerate(columns, start=1):
        heading = escape(escape_line(heading))
        table.add_column(heading, justify=side, no_wrap=number < len(columns), overflow="fold")
    for row in rows:
        table.add_row(*(escape(escape_line(cell)) for cell in row))
    # Without emoji=False, `:100:` in the name of a channel would become one.
    out = Console(highlight=False, emoji=False)
    if not out.is_terminal:
        out = Console(highlight=False, emoji=False, width=PIPED_TABLE_WIDTH)
    # A title of the table itself would be wrapped to the table's width.
    out.print(escape(escape_line(title)), style="italic", soft_wrap=True)
    out.print(table)

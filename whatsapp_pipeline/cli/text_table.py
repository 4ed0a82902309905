"""Tables on a terminal, with columns as wide as their widest cell.

What belongs here: the alignment of cells. What does not: the content of tables (the commands).

rich's tables are not used: they wrap or cut cells at the width of the terminal, which breaks scripts that
read the output, and they interpret markup in text of customers.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from whatsapp_pipeline.cli.output import say


def print_table(rows: Sequence[Sequence[str]], *, right: Container[int]) -> None:
    """Print rows, which have the same number of cells.

    The columns at the positions `right` are right-aligned.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.rjust(width) if position in right else text.ljust(width)
            for position, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())

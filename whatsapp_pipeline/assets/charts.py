"""Small bar charts for metadata, as inline SVG in Markdown, which Dagster shows.

What belongs here: drawing numbers with labels. What does not: choosing the numbers (the asset's module).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

import dagster as dg

# Dagster hides Markdown with more characters behind a link. So a chart has one path for all bars, and the
# last bars are summed if there are too many.
SHOWN_AT_ONCE = 1000
_BAR_WIDTH, _LABEL_WIDTH, _ROW_HEIGHT = 150, 180, 20  # pixels


def bars(title: str, values: Mapping[str, int | float]) -> dg.MarkdownMetadataValue:
    """Draw one horizontal bar per value, in the given order. Labels must not contain personal data.

    If the chart is too long, the last bars become one bar with the label `others`.
    """
    drawn, kept = _markdown(title, values), len(values)
    while len(drawn) >= SHOWN_AT_ONCE and kept > 1:
        kept -= 1
        shown = dict(list(values.items())[:kept])
        drawn = _markdown(title, {**shown, "others": sum(values.values()) - sum(shown.values())})
    return dg.MetadataValue.md(drawn)


def _markdown(title: str, values: Mapping[str, int | float]) -> str:
    top = max(values.values(), default=0) or 1
    words = "".join(
        f"<text y='{row * _ROW_HEIGHT + 14}'>{escape(label)} {value:,}</text>"
        for row, (label, value) in enumerate(values.items())
    )
    path = "".join(
        f"M6 {row * _ROW_HEIGHT + 10}h{max(1, value * _BAR_WIDTH / top):.0f}"
        for row, value in enumerate(values.values())
    )
    height = max(1, len(values)) * _ROW_HEIGHT
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_LABEL_WIDTH + _BAR_WIDTH + 10}' height='{height}' "
        f"style='font:12px sans-serif' text-anchor='end'><g transform='translate({_LABEL_WIDTH})'>"
        f"{words}<path d='{path}' stroke='#4f43dd' stroke-width='14'/></g></svg>"
    )
    encoded = base64.b64encode(svg.encode()).decode("ascii")
    return f"![{title}](data:image/svg+xml;base64,{encoded})"

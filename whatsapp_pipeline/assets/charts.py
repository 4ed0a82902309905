"""Small charts for metadata: bars as inline SVG, in the Markdown that Dagster shows.

What belongs here: drawing labelled numbers. What does not: which numbers (the asset's module).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

import dagster as dg

_WIDTH, _ROW, _LABEL = 520, 20, 190


def bars(title: str, values: Mapping[str, int | float]) -> dg.MarkdownMetadataValue:
    """Draw one horizontal bar a value, largest first as given; labels must hold nothing personal."""
    top = max(values.values(), default=0) or 1
    scale = (_WIDTH - _LABEL - 60) / top
    parts = [
        f'<text x="{_LABEL - 8}" y="{row * _ROW + 14}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{_LABEL}" y="{row * _ROW + 3}" width="{max(1, value * scale):.0f}" height="14"'
        f' fill="#4f43dd"/>'
        f'<text x="{_LABEL + max(1, value * scale) + 6:.0f}" y="{row * _ROW + 14}">{value:,}</text>'
        for row, (label, value) in enumerate(values.items())
    ]
    height = max(1, len(values)) * _ROW + 4
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12">{"".join(parts)}</svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode("ascii")
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")

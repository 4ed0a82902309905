"""Building blocks of a self-contained HTML page: escaped text, tables, charts as inline SVG.

What belongs here: markup, pure. What does not: what a page says (steps/operations/qa_report.py). Every value
is escaped here, so that no title of a chat can put markup into the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TypeAlias


class Html(str):
    """Markup made here; any other str is text and will be escaped."""

    __slots__ = ()


Cell: TypeAlias = str | int | float | None

# Distinct in hue and in lightness, so that they can be told apart in grey print too.
COLOURS = ("#1b5e8c", "#5aa2d6", "#8c6bb1", "#e0a030", "#c2452d", "#9a9a9a", "#3d7d46", "#222222")

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 2rem auto;
       max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem;
     border-bottom: 1px solid #ccc; } h3 { font-size: 1rem; }
p.note { color: #555; margin-top: .2rem; }
table { border-collapse: collapse; margin: .6rem 0 1rem; font-size: .86rem; }
th, td { text-align: left; padding: .22rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top; }
th { background: #f3f3f3; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: #a12316; font-weight: 600; } .good { color: #2c6b35; font-weight: 600; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
.tile { border: 1px solid #ccc; border-radius: .4rem; padding: .5rem .9rem; }
.tile b { display: block; font-size: 1.35rem; }
svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #333; }
.choice { white-space: nowrap; } code { font-size: .92em; background: #f3f3f3; padding: 0 .2em; }
.box { display: inline-block; width: .9em; height: .9em; border: 1.5px solid #444; margin-right: .25em;
       vertical-align: -1px; }
.box.on { background: #444; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  tr, .tile, svg { break-inside: avoid; } thead { display: table-header-group; } }
"""


def text(value: Cell) -> Html:
    """Escape a value; what is markup already passes."""
    if value is None:
        return Html()
    if isinstance(value, Html):
        return value
    if isinstance(value, float):
        return Html(f"{value:,.3f}".rstrip("0").rstrip("."))
    if isinstance(value, int) and not isinstance(value, bool):
        return Html(f"{value:,}")
    return Html(escape(str(value)))


def words_with_code(words: str) -> Html:
    """Escape words; what stands between backticks is shown as a command."""
    parts = escape(words).split("`")
    return Html("".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts)))


def section(title: str, *parts: Html, note: str = "") -> Html:
    """Make a section under a heading."""
    words = f'<p class="note">{words_with_code(note)}</p>' if note else ""
    return Html(f"<section><h2>{escape(title)}</h2>{words}{''.join(parts)}</section>")


def paragraph(words: str, *, css: str = "") -> Html:
    """Make a paragraph."""
    return Html(f'<p class="{escape(css)}">{escape(words)}</p>')


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str = "none") -> Html:
    """Make a table; numbers are right-aligned. `empty` is said instead where there is no row."""
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    if not body:
        return paragraph(empty, css="note")
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _cell(value: Cell) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'<td class="n">{text(value)}</td>' if is_number else f"<td>{text(value)}</td>"


def tiles(values: Mapping[str, Cell]) -> Html:
    """Make a row of numbers, each with what it counts."""
    made = "".join(
        f'<div class="tile"><b>{text(v)}</b>{escape(name)}</div>' for name, v in values.items()
    )  # fmt: skip
    return Html(f'<div class="tiles">{made}</div>')


def boxes(choices: Sequence[str], ticked: str | None) -> Html:
    """Make boxes to tick, on paper or as recorded."""
    return Html(
        " ".join(
            f'<span class="choice"><span class="box{" on" if choice == ticked else ""}"></span>'
            f"{escape(choice)}</span>"
            for choice in choices
        )
    )


def verdict(passed: bool, words: str) -> Html:
    """Make a word green or red."""
    return Html(f'<span class="{"good" if passed else "bad"}">{escape(words)}</span>')


def stacked_bars(title: str, rows: Mapping[str, Mapping[str, int]], series: Sequence[str]) -> Html:
    """Draw a bar a row, its parts in the order of `series`, each with the number it stands for."""
    if not rows:
        return paragraph("nothing to draw", css="note")
    width, height, left, right = 640, 22, 90, 70
    most = max((sum(parts.values()) for parts in rows.values()), default=0) or 1
    drawn = []
    for index, (label, parts) in enumerate(rows.items()):
        y, x = index * height, float(left)
        drawn.append(f'<text x="{left - 6}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        for name in series:
            share = parts.get(name, 0) / most * (width - left - right)
            if share:
                colour = COLOURS[list(series).index(name) % len(COLOURS)]
                drawn.append(
                    f'<rect x="{x:.1f}" y="{y + 3}" width="{share:.1f}" height="{height - 6}" '
                    f'fill="{colour}">'
                    f"<title>{escape(label)} {escape(name)}: {parts[name]:,}</title></rect>"
                )
            x += share
        drawn.append(f'<text x="{x + 5:.1f}" y="{y + 15}">{sum(parts.values()):,}</text>')
    bottom = len(rows) * height + 6
    legend = []
    x = float(left)
    for index, name in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        legend.append(f'<rect x="{x:.0f}" y="{bottom}" width="10" height="10" fill="{colour}"/>')
        legend.append(f'<text x="{x + 14:.0f}" y="{bottom + 9}">{escape(name)}</text>')
        x += 26 + 6.5 * len(name)
    return Html(
        f'<svg role="img" aria-label="{escape(title, quote=True)}" width="{width}" height="{bottom + 16}" '
        f'viewBox="0 0 {width} {bottom + 16}" xmlns="http://www.w3.org/2000/svg">'
        f"{''.join(drawn)}{''.join(legend)}</svg>"
    )


def document(title: str, *parts: Html) -> str:
    """Make the page: nothing in it is fetched, no script runs."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )

r"""Blocks field by field: the rows of many runs of blocks at once.

What belongs here: taking apart blocks whose beginnings are known. What does not: where blocks begin, and
which chat they are of (`block.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from .block_bodies import is_special, parse_block_bodies, times_of
from .block_header import parse_who
from .bodies import read_notice
from .chats import Chat
from .columns import NO_ROWS, ROW_SCHEMA, body_frame, sender_frame, with_bodies
from .model import LineKind

_MANY = 3  # members of a chat that are remembered: two make a group


@dataclass(slots=True)
class Run:
    """Blocks of one chat that follow each other; the first starts on `line`."""

    chat: Chat
    members: set[str | None]
    """Who wrote in the chat, as far as it takes to tell a group."""
    line: int
    label: str | None
    """What each block begins with; None where blocks have no label."""
    ends_blank: bool
    """Whether blocks of this file end with a blank line, as they should."""
    at_end: bool
    """Whether the file ends with them."""
    left_out: int = 0
    """Lines of the first that were too many to keep."""
    waiting: int = 0
    """Pieces behind them that are not theirs."""
    blocks: int = field(default=0, init=False)
    """Found: how many they are."""
    is_broken: bool = field(default=False, init=False)
    """Found: one of them is no block with that label."""
    starts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), init=False)
    """Found: the line that each begins on."""
    crowded: list[int] = field(default_factory=list, init=False)
    """Found: lines of blocks that stand right below text, without the blank line."""


def rows_of(pieces: pl.Series, runs: Sequence[Run], *, trusted: bool) -> pl.DataFrame:
    """Make rows (ROW_SCHEMA) of blocks: each of `pieces` is the list of a run's, from the label on.

    All runs have labels or none has. A run with a piece that is no block with its label is marked broken and
    has no rows; none is when the pieces are `trusted`, since they were looked at one by one.
    """
    if any(run.waiting for run in runs):
        own = pl.col("pieces").list.len().cast(pl.Int64) - pl.Series([run.waiting for run in runs])
        pieces = pieces.alias("pieces").to_frame().select(pl.col("pieces").list.head(own)).to_series()
    blocks = pieces.list.len().to_list()
    for run, count in zip(runs, blocks, strict=True):
        run.blocks = count
    number = pl.Series("run", np.repeat(np.arange(len(runs)), blocks))
    rows = _with_fields(pieces.explode(), number, runs, trusted=trusted)
    valid = pl.all_horizontal(pl.col("timestamp", "direction", "body").is_not_null(), "is_own")
    broken = rows.filter(~valid)["run"].unique()
    if len(broken):
        for at in broken:
            runs[at].is_broken = True
        rows = rows.filter(~pl.col("run").is_in(broken.implode()))
    if rows.is_empty():
        return NO_ROWS
    rows = _with_lines(rows, runs)
    _note_groups(rows, runs)
    return with_bodies(rows, *_parse(rows, runs)).select(*ROW_SCHEMA)


def _with_fields(pieces: pl.Series, number: pl.Series, runs: Sequence[Run], *, trusted: bool) -> pl.DataFrame:
    """Each block's header, senders, body; null where there is none, `is_own` where the label is the run's."""
    names = ["header", "body"] if runs[0].label is None else ["label", "header", "body"]
    header, body = pl.col("header"), pl.col("body")
    labels = pl.Series([run.label for run in runs], dtype=pl.String).gather(number)
    rows = (
        pl.DataFrame({"run": number, "piece": pieces})
        .with_columns(
            pl.col("piece").str.splitn("\n", len(names)).struct.rename_fields(names).alias("fields"),
            newlines=pl.col("piece").str.count_matches("\n", literal=True).cast(pl.Int64),
            is_blank=pl.col("piece").str.ends_with("\n"),
            chat=pl.Series([run.chat.number for run in runs], dtype=pl.Int64).gather(number),
        )
        .drop("piece")
        .unnest("fields")
        .with_columns(
            timestamp=times_of(header),
            who=header.str.slice(19),
            # A block may end with its header, when the next one or the file's end follows at once.
            body=(body.fill_null("") if trusted else body).str.strip_chars("\n"),
            is_own=pl.lit(True) if runs[0].label is None else pl.col("label") == labels,
        )
    )
    written = rows["who"].unique().drop_nulls()
    known = {who: sender for who in written if who[:1] == " " and (sender := parse_who(who[1:])) is not None}
    return rows.join(sender_frame("who", known), on="who", how="left", maintain_order="left")


def _with_lines(rows: pl.DataFrame, runs: Sequence[Run]) -> pl.DataFrame:
    """Add the line of each header, and count every line of the runs."""
    number = rows["run"].to_numpy()
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    lasts = np.append(firsts[1:], len(number)) - 1
    here = [runs[at] for at in number[firsts]]
    is_blank = rows["is_blank"].to_numpy()
    # A separator and the line end in front of it stand between two pieces.
    counts = rows["newlines"].to_numpy() + 2
    counts[lasts] -= np.array([run.at_end for run in here]) & is_blank[lasts]
    counts[firsts] += np.array([run.left_out for run in here])
    ends = np.cumsum(counts)
    totals = np.diff(ends[lasts], prepend=0)
    ends += np.repeat([run.line for run in here] - (ends[lasts] - totals), lasts - firsts + 1)
    starts = ends - counts
    for run, first, last, lines in zip(here, firsts, lasts, totals.tolist(), strict=True):
        run.starts = starts[first : last + 1]
        _count_lines(run, lines)
    for at in np.flatnonzero(~is_blank):
        run = runs[number[at]]
        if run.ends_blank and not (run.at_end and run.starts[-1] == starts[at]):
            run.crowded.append(int(ends[at]))
    return rows.with_columns(line=pl.Series(starts + (runs[0].label is not None), dtype=pl.Int64))


def _count_lines(run: Run, lines: int) -> None:
    counted = run.chat.totals.lines
    has_label = run.label is not None
    counted[LineKind.SEPARATOR] += run.blocks
    counted[LineKind.HEADER] += run.blocks
    counted[LineKind.LABEL] += run.blocks * has_label
    counted[LineKind.EXCEPTION] += run.left_out
    counted[LineKind.BODY] += lines - run.left_out - run.blocks * (2 + has_label)


def _note_groups(rows: pl.DataFrame, runs: Sequence[Run]) -> None:
    """Mark the chats in which more than one customer wrote."""
    writers = rows.filter(pl.col("direction") == "from").select(
        "run", pl.coalesce("sender_phone", "sender_name")
    )
    for number, name in writers.unique().iter_rows():
        run = runs[number]
        if len(run.members) < _MANY:
            run.members.add(name)
        run.chat.totals.is_group |= len(run.members) > 1


def _parse(rows: pl.DataFrame, runs: Sequence[Run]) -> tuple[pl.Series, pl.DataFrame]:
    """The places of bodies that are more than text, and what they say."""
    special = (
        rows.select("run", "body", is_notice=pl.col("direction") == "notification")
        .with_row_index("row")
        .filter(pl.col("is_notice") | is_special())
    )
    notices, bodies = special.filter("is_notice"), special.filter(~pl.col("is_notice"))
    found = [read_notice(text) for text in notices["body"]]
    for number, notice in zip(notices["run"], found, strict=True):
        runs[number].chat.totals.is_group |= notice.is_group
    frames = [body_frame([notice.body for notice in found]), parse_block_bodies(bodies["body"])]
    return pl.concat([notices["row"], bodies["row"]]), pl.concat(frames)

"""What is done with the rows of a window, whatever their format: instants, identities, replies, totals.

Rows are frames; a chat's rows lie together, in file order. The formats' own modules make them (ROW_SCHEMA),
`messages_of` makes messages of them. A call into a frame costs as much as a hundred rows, so that it is made
for many files at once, never for one.

What belongs here: work on columns that does not depend on the format. What does not: splitting text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zlib import adler32, crc32
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from .bodies import BODY_SCHEMA, Body
from .chats import Chat, Journal
from .model import MESSAGE_SCHEMA
from .phrases import phrases

_TEXT = pl.String()
SENDER_COLUMNS = ("direction", "sender_name", "sender_phone", "status", "header_phone", "identity")
# What the formats hand over. `header_phone` is the header's own, staff's too; `identity` tells senders apart.
ROW_SCHEMA: Mapping[str, pl.DataType] = {
    "chat": pl.Int64(),
    "line": pl.Int64(),
    "timestamp": pl.Datetime("us"),
    **dict.fromkeys(SENDER_COLUMNS, _TEXT),
    **BODY_SCHEMA,
    # What the body's hash is of: the body as it stands in the file, unless it holds more than text.
    "hashed": _TEXT,
}

NO_ROWS = pl.DataFrame(schema=dict(ROW_SCHEMA))  # made once: a frame's schema takes longer than its rows
_NO_MESSAGES = pl.DataFrame(schema=dict(MESSAGE_SCHEMA))

# How many messages of a chat back an equal one is remembered, and one that a reply quotes is found.
_REMEMBERED = 100_000
_QUOTABLE = 10_000
# Quotes are cut near a hundred characters; line breaks made spaces may be several.
_LONGEST_QUOTE = 500


class Sender(NamedTuple):
    """Who a message is from, as its header tells.

    `phone` is the header's own; in the block format staff is never named, so `to Maria` has no `name` but may
    have a `phone`. `identity` is what tells one sender from another.
    """

    direction: str | None
    sender_name: str | None
    sender_phone: str | None
    status: str | None
    phone: str | None
    identity: tuple[str | None, ...]


def sender_frame(key: str, senders: Mapping[str, Sender]) -> pl.DataFrame:
    """A row a sender: the column `key` with its key in the mapping, and SENDER_COLUMNS; for a left join."""
    rows = [
        (written, *sender[:5], "\0".join(part or "" for part in sender.identity))
        for written, sender in senders.items()
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys((key, *SENDER_COLUMNS), _TEXT), orient="row")


def body_frame(bodies: Sequence[Body]) -> pl.DataFrame:
    """A row (BODY_SCHEMA) a body."""
    columns = {name: [body[at] for body in bodies] for at, name in enumerate(Body._fields)}
    return pl.DataFrame(columns, schema_overrides=dict(BODY_SCHEMA))


def with_bodies(rows: pl.DataFrame, places: Sequence[int] | pl.Series, found: pl.DataFrame) -> pl.DataFrame:
    """Replace the column `body` by what it says.

    Bodies that are more than text stand in `found` (BODY_SCHEMA), those of the rows at `places`.
    """
    at = np.full(len(rows), len(found), np.uint32)  # behind the last: no row, which gives nulls
    at[np.asarray(places, np.uint32)] = np.arange(len(found), dtype=np.uint32)
    body, kind = pl.col("body"), pl.col("type")
    more = [name for name in BODY_SCHEMA if name not in ("text", "type")]
    # No plain text holds a NUL.
    name = pl.coalesce("attachment_name", "attachment_kind", pl.lit(""))
    identity = pl.concat_str("text", name, pl.col("reply_quote").fill_null(""), separator="\0")
    hashed = pl.when(pl.any_horizontal(pl.col(more).is_not_null())).then(identity)
    return (
        rows.hstack(
            found.with_columns(hashed=hashed).select(pl.all().gather(pl.Series(at), null_on_oob=True))
        )
        .with_columns(
            text=pl.when(kind.is_null()).then(body).otherwise("text"),
            hashed=pl.coalesce("hashed", body),
            type=kind.fill_null("text"),
        )
        .drop("body")
    )


def messages_of(rows: pl.DataFrame, journal: Journal, zone: ZoneInfo, *, identities: bool) -> pl.DataFrame:
    """Make messages (MESSAGE_SCHEMA) of rows (ROW_SCHEMA) and add them up in their chats' totals.

    Of chats that go on in the next window is remembered what its rows may refer to. Without `identities`
    nothing is hashed, and `body_hash` and `occurrence` are null.
    """
    if rows.is_empty():
        return _NO_MESSAGES
    chats, going_on = journal.chats, list(journal.going_on())
    rows = rows.with_columns(
        ordinal=_ordinals(rows["chat"], chats), timestamp_utc=clock_of(zone).resolve(rows["timestamp"])
    )
    rows = rows.with_columns(
        reply_ordinal=_quoted(rows, [chat.quotable for chat in chats.values() if chat.quotable is not None])
    )
    if identities:
        rows = with_identities(rows, chats, going_on)
    _add_up(rows, chats)
    for chat in going_on:
        own = rows.select(_QUOTED).filter(pl.col("chat") == chat.number).tail(_QUOTABLE)
        # Beginnings are enough, and hold on to nothing else of the window.
        own = own.with_columns(pl.col("text").str.head(_LONGEST_QUOTE))
        chat.quotable = _latest(chat.quotable, own, _QUOTABLE)
    return rows.select(
        *(
            name if name in rows.columns else pl.lit(None, kind).alias(name)
            for name, kind in MESSAGE_SCHEMA.items()
        )
    )


def with_identities(rows: pl.DataFrame, chats: Mapping[int, Chat], going_on: Sequence[Chat]) -> pl.DataFrame:
    """Add `body_hash` and `occurrence`: which of its likes in the chat a message is."""
    rows = rows.with_columns(body_hash=body_hashes(rows["hashed"]))
    before = [chat.likes for chat in chats.values() if chat.likes is not None]
    rows = rows.with_columns(occurrence=_occurrences(rows, before))
    for chat in going_on:
        own = rows.select(_LIKES).filter(pl.col("chat") == chat.number)
        chat.likes = _latest(chat.likes, own, _REMEMBERED)
    return rows


def _ordinals(chat: pl.Series, chats: Mapping[int, Chat]) -> pl.Series:
    runs = chat.rle().struct.unnest()
    lengths = runs["len"].to_numpy()
    firsts = np.array([chats[number].totals.count for number in runs["value"]]) + 1
    starts = np.cumsum(lengths) - lengths
    return pl.Series(np.arange(len(chat)) + np.repeat(firsts - starts, lengths), dtype=pl.Int64)


class Clock(dict[int, npt.NDArray[np.int64]]):
    """A zone's offsets from UTC in microseconds: by year, one a day, _CHANGES where it changes that day."""

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, year: int) -> npt.NDArray[np.int64]:
        offsets = np.full(366, _CHANGES)
        if MINYEAR < year < MAXYEAR:
            midnight = datetime(year, 1, 1, tzinfo=self._zone)
            for day in range(366):
                offset = midnight.utcoffset()
                if offset is not None and offset == (midnight + _DAYS_LENGTH).utcoffset():
                    offsets[day] = offset // _MICROSECOND
                midnight += _DAY
        if len(self) > 1_000:
            self.clear()
        self[year] = offsets
        return offsets

    def resolve(self, times: pl.Series) -> pl.Series:
        """The instants of naive times.

        A time that occurs twice is its first; one that the clocks skip is read with the offset before.
        """
        years, which = np.unique(times.dt.year().to_numpy(), return_inverse=True)
        days = times.dt.ordinal_day().to_numpy() - 1
        offsets = np.stack([self[year] for year in years.tolist()])[which, days]
        instants: pl.Series = (
            (times.to_physical() - offsets).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        )
        unclear = np.flatnonzero(offsets == _CHANGES)
        if not len(unclear):
            return instants
        exact = [self.exact(time) for time in times.gather(unclear)]
        return instants.scatter(unclear, pl.Series(exact, dtype=pl.Datetime("us", "UTC")))

    def exact(self, time: datetime) -> datetime:
        """The instant of one naive time."""
        try:
            return time.replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:  # within a day of the calendar's ends
            return time.replace(tzinfo=UTC)


_CHANGES = np.int64(-(1 << 60))  # no offset is that long
_MICROSECOND = timedelta(microseconds=1)
_DAY, _DAYS_LENGTH = timedelta(days=1), timedelta(hours=23, minutes=59, seconds=59)


@cache
def clock_of(zone: ZoneInfo) -> Clock:
    """The zone's clock, shared by all that is read in this process: files hold the same days."""
    return Clock(zone)


def body_hashes(bodies: pl.Series) -> pl.Series:
    """Signed 64-bit hashes, the same in every process: CRC-32 in the upper half, Adler-32 in the lower.

    They tell apart messages of one chat, moment and sender; a stronger hash is dearer and buys nothing. The
    frames' own hash is not for keeping: it may change with their version.
    """
    data = bodies.cast(pl.Binary).to_list()
    upper = np.fromiter(map(crc32, data), np.int64, len(data)) - 0x8000_0000
    return pl.Series(upper << 32 | np.fromiter(map(adler32, data), np.int64, len(data)))


_LIKES = ["chat", "timestamp", "identity", "body_hash"]


def _occurrences(rows: pl.DataFrame, before: Sequence[pl.DataFrame]) -> pl.Series:
    """Which of its likes each message is, from 1: the n-th of the same time, sender and body in the chat."""
    mine = rows.select(_LIKES)
    if before:
        # Only what lies behind the earliest of the new ones can be like one of them.
        others = pl.concat(before).filter(pl.col("timestamp") >= mine["timestamp"].min())
        mine = pl.concat([others.join(mine, on=_LIKES, how="semi", nulls_equal=True), mine])
    # Nearly all are alone: that is told by a hash of the moment, and only the others are counted.
    counted = mine.select(pl.struct(_LIKES).hash().is_duplicated())[_LIKES[0]]
    found = pl.repeat(1, len(mine), dtype=pl.Int64, eager=True)
    if counted.any():
        places = counted.arg_true()
        nth = mine.filter(counted).select(pl.int_range(1, pl.len() + 1).over(_LIKES))
        found = found.scatter(places, nth.to_series().cast(pl.Int64))
    return found.tail(len(rows))


def _quoted(rows: pl.DataFrame, before: Sequence[pl.DataFrame]) -> pl.Series:
    """The ordinal of the message that each reply quotes: of the quoted time, and beginning as the quote does.

    Null where there is none; never the reply's own.
    """
    found = pl.repeat(None, len(rows), dtype=pl.Int64, eager=True)
    asked = rows.select("chat", "reply_timestamp", "ordinal", "reply_quote").with_row_index("row")
    replies = asked.filter(pl.col("reply_timestamp").is_not_null())
    if replies.is_empty():
        return found
    of_those_times = pl.col("timestamp").is_in(replies["reply_timestamp"].unique().implode())
    pairs = replies.join(
        pl.concat([frame.select(_QUOTED).filter(of_those_times) for frame in (rows, *before)]),
        left_on=["chat", "reply_timestamp"],
        right_on=["chat", "timestamp"],
        maintain_order="left_right",
    ).filter(pl.col("ordinal") != pl.col("ordinal_right"))
    plain = pairs.filter(_begins_as_quoted()).unique("row", keep="first", maintain_order=True)
    answers = dict(plain.select("row", "ordinal_right").iter_rows())
    others = pairs.join(plain, on="row", how="anti", maintain_order="left")
    columns = "row", "ordinal_right", "reply_quote", "text", "type"
    for row, ordinal, quote, text, kind in others.select(columns).iter_rows():
        if row not in answers and _is_quoted(quote, text, kind):
            answers[row] = ordinal
    return found.scatter(list(answers), pl.Series(list(answers.values()), dtype=pl.Int64))


_QUOTED = ["chat", "timestamp", "ordinal", "text", "type"]


@cache
def _begins_as_quoted() -> pl.Expr:
    prefix = pl.col("reply_quote").str.strip_suffix("...").str.strip_suffix("…")
    return (prefix != "") & pl.col("text").str.starts_with(prefix)


def _is_quoted(quote: str, text: str, kind: str) -> bool:
    """Whether a quote is of a message that does not begin just as it does."""
    if quote.startswith("(") and quote.endswith(")"):
        return phrases().attachment_kinds.get(quote[1:-1].casefold()) == kind
    # Line breaks may have been made spaces in the quote.
    prefix = quote.removesuffix("...").removesuffix("…")
    words = " ".join(prefix.split())
    return bool(words) and " ".join(text[: 4 * len(prefix)].split()).startswith(words)


def _add_up(rows: pl.DataFrame, chats: Mapping[int, Chat]) -> None:
    groups = rows.group_by("chat", "direction", "type", "header_phone", maintain_order=True).agg(
        pl.len(), pl.col("timestamp").min().alias("first"), pl.col("timestamp").max().alias("last")
    )
    for number, direction, kind, phone, count, first, last in groups.iter_rows():
        totals = chats[number].totals
        totals.count += count
        totals.directions[direction] += count
        totals.types[kind] += count
        if phone is not None:
            totals.phones[phone] += count
        totals.span(first, last)


def _latest(before: pl.DataFrame | None, new: pl.DataFrame, count: int) -> pl.DataFrame:
    return (new if before is None else pl.concat([before, new])).tail(count)

"""The steps from rows to messages that every format shares: instants, identities, replies, totals.

Rows are frames, in which the rows of a chat are neighbours, in file order. The module of each format makes
rows (ROW_SCHEMA); `messages_of` makes messages of them. One call into a frame costs as much as a hundred
rows, so each call is made for many files together.

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

from whatsapp_pipeline.domain.transcripts.bodies import BODY_SCHEMA, Body
from whatsapp_pipeline.domain.transcripts.chat_message import MESSAGE_SCHEMA, Finding
from whatsapp_pipeline.domain.transcripts.chats import Chat, Journal
from whatsapp_pipeline.domain.transcripts.phrases import phrases

_TEXT = pl.String()
SENDER_COLUMNS = ("direction", "sender_name", "sender_phone", "status", "header_phone", "identity")
# The rows of a format. `header_phone` is the phone in the header, also for staff; `identity` differs by
# sender.
ROW_SCHEMA: Mapping[str, pl.DataType] = {
    "chat": pl.Int64(),
    "line": pl.Int64(),
    "timestamp": pl.Datetime("us"),
    **dict.fromkeys(SENDER_COLUMNS, _TEXT),
    **BODY_SCHEMA,
    # The body exactly as in the file; `body_hash` is its hash if the body is only text.
    "hashed": _TEXT,
}

NO_ROWS = pl.DataFrame(schema=dict(ROW_SCHEMA))  # created once, because creating a schema is slow


def rows_together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Concatenate frames of rows."""
    return frames[0] if len(frames) == 1 else pl.concat([NO_ROWS, *frames])


# WhatsApp began in February 2009, and a clock may be one day ahead.
_EARLIEST, _AHEAD = datetime(2009, 2, 1), timedelta(days=1)
_NO_MESSAGES = pl.DataFrame(schema=dict(MESSAGE_SCHEMA))

_PLAIN_BODY = pl.DataFrame([Body("")], schema=dict(BODY_SCHEMA), orient="row").drop("text")

# Number of earlier messages of a chat among which identical and quoted messages are searched.
_REMEMBERED = 100_000
_QUOTABLE = 10_000
# WhatsApp cuts quotes near a hundred characters; a line break may have become several spaces.
_LONGEST_QUOTE = 500


class Sender(NamedTuple):
    """The sender of a message, from its header.

    `phone` is the phone in the header. The block format never names staff, so a header with `to Maria` gives
    no `sender_name` and no `sender_phone`, but it may give a `phone`, which is the customer's. `identity` is
    equal for messages of the same sender.
    """

    direction: str | None
    sender_name: str | None
    sender_phone: str | None
    status: str | None
    phone: str | None
    identity: tuple[str | None, ...]


def sender_columns(senders: Sequence[Sender], which: npt.NDArray[np.int64]) -> dict[str, pl.Series]:
    """Return SENDER_COLUMNS of rows; `which` has the index of each row's sender."""
    rows = pl.Series(which)
    known = [(*sender[:-1], "\0".join(part or "" for part in sender.identity)) for sender in senders]
    return {
        name: pl.Series([sender[at] for sender in known], dtype=_TEXT)[rows]
        for at, name in enumerate(SENDER_COLUMNS)
    }


def body_frame(bodies: Sequence[Body]) -> pl.DataFrame:
    """Return a frame (BODY_SCHEMA) with one row per body."""
    columns = {name: [body[at] for body in bodies] for at, name in enumerate(Body._fields)}
    return pl.DataFrame(columns, schema_overrides=dict(BODY_SCHEMA))


def with_bodies(
    rows: pl.DataFrame, places: Sequence[int] | npt.NDArray[np.int64], found: pl.DataFrame
) -> pl.DataFrame:
    """Replace the column `body` by the columns of BODY_SCHEMA.

    `found` has the bodies that are more than text; they belong to the rows at `places`.
    """
    which = np.full(len(rows), len(found))
    which[places] = np.arange(len(found))
    bodies = pl.concat([found.drop("text"), _PLAIN_BODY])[which]
    body = rows["body"]
    texts = body.clone().scatter(places, found["text"]) if len(found) else body
    return rows.drop("body").hstack([body.alias("hashed"), texts.alias("text"), *bodies.get_columns()])


def messages_of(rows: pl.DataFrame, journal: Journal, zone: ZoneInfo, *, identities: bool) -> pl.DataFrame:
    """Make messages (MESSAGE_SCHEMA) of rows (ROW_SCHEMA) and count them in the totals of their chats.

    Chats that continue in the next window keep the columns that its rows may refer to. Without `identities`
    `body_hash` and `occurrence` are null.
    """
    if rows.is_empty():
        return _NO_MESSAGES
    _note_impossible_times(rows, journal)
    chats, going_on = journal.chats, list(journal.going_on())
    ordinals, instants = _ordinals(rows["chat"], chats), clock_of(zone).resolve(rows["timestamp"])
    rows = rows.hstack([ordinals.alias("ordinal"), instants.alias("timestamp_utc")])
    quotable = [chat.quotable for chat in chats.values() if chat.quotable is not None]
    rows = rows.hstack([_quoted(rows, quotable).alias("reply_ordinal")])
    rows = with_identities(rows, chats, going_on) if identities else rows.hstack(_no_identities(len(rows)))
    _add_up(rows, chats)
    for chat in going_on:
        own = _own(rows[_QUOTED], chat).tail(_QUOTABLE)
        # Only the first characters are kept, so that the texts of the window can be freed.
        texts = own["text"].str.head(_LONGEST_QUOTE)
        chat.quotable = _latest(chat.quotable, own[_QUOTED[:-1]].hstack([texts]), _QUOTABLE)
    return rows[list(MESSAGE_SCHEMA)]


def _note_impossible_times(rows: pl.DataFrame, journal: Journal) -> None:
    """Note messages that are older than WhatsApp or in the future, once per chat and window."""
    times = rows["timestamp"].to_physical().to_numpy()
    latest = datetime.now(UTC).replace(tzinfo=None) + _AHEAD
    if times.min() >= _micros(_EARLIEST) and times.max() <= _micros(latest):
        return
    odd = np.flatnonzero((times < _micros(_EARLIEST)) | (times > _micros(latest)))
    numbers = rows["chat"].to_numpy()[odd]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    counts = np.diff(starts, append=len(odd)).tolist()
    lines = rows["line"].to_numpy()[odd[starts]].tolist()
    for number, line, count in zip(numbers[starts].tolist(), lines, counts, strict=True):
        detail = f"{count} messages from here on are dated before WhatsApp existed or in the future"
        journal.note(journal.chats[number], Finding(line, "impossible_time", "warning", detail))


def _micros(time: datetime) -> int:
    return (time - datetime(1970, 1, 1)) // _MICROSECOND


def _own(rows: pl.DataFrame, chat: Chat) -> pl.DataFrame:
    """Return the rows of a chat, which are neighbours."""
    places = np.flatnonzero(rows["chat"].to_numpy() == chat.number)
    return rows.slice(int(places[0]), len(places)) if len(places) else rows.clear()


def _no_identities(count: int) -> list[pl.Series]:
    return [
        pl.Series(name, [None], dtype=MESSAGE_SCHEMA[name]).new_from_index(0, count)
        for name in ("body_hash", "occurrence")
    ]


def with_identities(rows: pl.DataFrame, chats: Mapping[int, Chat], going_on: Sequence[Chat]) -> pl.DataFrame:
    """Add `body_hash` and `occurrence`, the running number among identical messages of the same chat."""
    rows = rows.with_columns(body_hash=body_hashes(rows.select(_hashed()).to_series()))
    before = [chat.comparable for chat in chats.values() if chat.comparable is not None]
    rows = rows.with_columns(occurrence=_occurrences(rows, before))
    for chat in going_on:
        own = _own(rows[_COMPARED], chat)
        chat.comparable = _latest(chat.comparable, own, _REMEMBERED)
    return rows


@cache
def _hashed() -> pl.Expr:
    """Return the text whose hash is `body_hash`: the body, or the fields of a body that is more than text."""
    more = [name for name in BODY_SCHEMA if name not in ("text", "type")]
    # A NUL separates the fields, because no text contains one.
    name = pl.coalesce("attachment_name", "attachment_kind", pl.lit(""))
    identity = pl.concat_str("text", name, pl.col("reply_quote").fill_null(""), separator="\0")
    return pl.when(pl.any_horizontal(pl.col(more).is_not_null())).then(identity).otherwise("hashed")


def _ordinals(chat: pl.Series, chats: Mapping[int, Chat]) -> pl.Series:
    numbers = chat.to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    firsts = np.array([chats[number].totals.count for number in numbers[starts].tolist()]) + 1
    lengths = np.diff(starts, append=len(numbers))
    return pl.Series(np.arange(len(numbers)) + np.repeat(firsts - starts, lengths), dtype=pl.Int64)


class Clock(dict[int, int]):
    """The offsets of a zone from UTC in microseconds, by day since 1970.

    The value is _CHANGES for a day on which the offset changes, and for days in the first or last year.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, day: int) -> int:
        found, midnight = _CHANGES, datetime.fromordinal(_FIRST_DAY + day).replace(tzinfo=self._zone)
        if MINYEAR < midnight.year < MAXYEAR:
            offset = midnight.utcoffset()
            if offset is not None and offset == (midnight + _DAYS_LENGTH).utcoffset():
                found = offset // _MICROSECOND
        if len(self) > 300_000:
            self.clear()
        self[day] = found
        return found

    def resolve(self, times: pl.Series) -> pl.Series:
        """Return the instants of naive times.

        A time that occurs twice means the first one. A time that the clock skips gets the offset before the
        change.
        """
        written = times.to_physical().to_numpy()
        days = written // (_DAY // _MICROSECOND)
        # Neighbouring rows are mostly of the same day.
        firsts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
        known = np.array([self[day] for day in days[firsts].tolist()], np.int64)
        offsets = np.repeat(known, np.diff(firsts, append=len(days)))
        instants = pl.Series(written - offsets).cast(pl.Datetime("us", "UTC"))
        unclear = np.flatnonzero(offsets == _CHANGES)
        if not len(unclear):
            return instants
        exact = [self.exact(time) for time in times.gather(unclear)]
        return instants.scatter(unclear, pl.Series(exact, dtype=pl.Datetime("us", "UTC")))

    def exact(self, time: datetime) -> datetime:
        """Return the instant of one naive time."""
        try:
            return time.replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:  # within a day of the first or last date of the calendar
            return time.replace(tzinfo=UTC)


_CHANGES = -(1 << 60)  # no offset is that long
_FIRST_DAY = datetime(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_DAY, _DAYS_LENGTH = timedelta(days=1), timedelta(hours=23, minutes=59, seconds=59)


@cache
def clock_of(zone: ZoneInfo) -> Clock:
    """Return the clock of the zone; all readings of a process share it, because files have the same days."""
    return Clock(zone)


def body_hashes(bodies: pl.Series) -> pl.Series:
    """Return signed 64-bit hashes: CRC-32 in the upper half, Adler-32 in the lower.

    They distinguish messages with equal chat, time and sender. A stronger hash would be slower and would not
    distinguish more of them. polars' own hash may change with its version, so it must not be stored.
    """
    data = bodies.cast(pl.Binary).to_list()
    upper = np.fromiter(map(crc32, data), np.int64, len(data)) - 0x8000_0000
    return pl.Series(upper << 32 | np.fromiter(map(adler32, data), np.int64, len(data)))


_COMPARED = ["chat", "timestamp", "identity", "body_hash"]


def _occurrences(rows: pl.DataFrame, before: Sequence[pl.DataFrame]) -> pl.Series:
    """Number the messages of each chat that have equal time, sender and body, from 1."""
    mine = rows.select(_COMPARED)
    if before:
        # Only messages from the earliest new time on can be identical to a new one.
        others = pl.concat(before).filter(pl.col("timestamp") >= mine["timestamp"].min())
        mine = pl.concat([others.join(mine, on=_COMPARED, how="semi", nulls_equal=True), mine])
    # Nearly all messages are unique. A hash finds the few that may not be, and only these are counted.
    counted = mine.select(pl.struct(_COMPARED).hash().is_duplicated())[_COMPARED[0]]
    found = pl.repeat(1, len(mine), dtype=pl.Int64, eager=True)
    if counted.any():
        places = counted.arg_true()
        nth = mine.filter(counted).select(pl.int_range(1, pl.len() + 1).over(_COMPARED))
        found = found.scatter(places, nth.to_series().cast(pl.Int64))
    return found.tail(len(rows))


def _quoted(rows: pl.DataFrame, before: Sequence[pl.DataFrame]) -> pl.Series:
    """Return the ordinal of the message that each reply quotes: it has the quoted time and the quote's start.

    It is null if there is no such message, and never the reply itself.
    """
    found = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(rows))
    if rows["reply_timestamp"].null_count() == len(rows):
        return found
    replies = np.flatnonzero(rows["reply_timestamp"].is_not_null().to_numpy())
    frames = [rows, *before]
    chats, times, ordinals = (_numbers(frames, name) for name in ("chat", "timestamp", "ordinal"))
    asked = rows["reply_timestamp"][replies].to_physical().to_numpy()
    asking, said = _equal_pairs(_moments(chats[replies], asked), _moments(chats, times))
    row = replies[asking]
    may_be = (chats[row] == chats[said]) & (asked[asking] == times[said]) & (row != said)
    row, said = row[may_be], said[may_be]
    quotes = rows["reply_quote"][row]
    texts, kinds = (pl.concat([frame[name] for frame in frames])[said] for name in ("text", "type"))
    begin = pl.DataFrame([quotes, texts]).select_seq(_begins_as_quoted()).to_series().to_numpy()
    plain = np.flatnonzero(begin)[::-1]
    answers = np.zeros(len(rows), np.int64)  # ordinals start at 1
    answers[row[plain]] = ordinals[said[plain]]  # the first match of a row is assigned last, so it wins
    rest = np.flatnonzero(answers[row] == 0)
    for at, quote, text, kind in zip(rest.tolist(), quotes[rest], texts[rest], kinds[rest], strict=True):
        if not answers[row[at]] and _is_quoted(quote, text, kind):
            answers[row[at]] = ordinals[said[at]]
    answered = np.flatnonzero(answers)
    return found.scatter(answered, answers[answered])


_QUOTED = ["chat", "timestamp", "ordinal", "type", "text"]


def _numbers(frames: Sequence[pl.DataFrame], name: str) -> npt.NDArray[np.int64]:
    return np.concatenate([frame[name].to_physical().to_numpy() for frame in frames])


def _moments(chats: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a hash of each chat and time."""
    return chats * _ODD + times


_ODD = np.int64(0x1E37_79B9_7F4A_7C15)


def _equal_pairs(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indexes of all equal pairs of `left` and `right`, in the order of both."""
    order = np.argsort(right, kind="stable")
    ascending = right[order]
    firsts = np.searchsorted(ascending, left, "left")
    counts = np.searchsorted(ascending, left, "right") - firsts
    which = np.repeat(np.arange(len(left)), counts)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return which, order[np.repeat(firsts, counts) + nth]


@cache
def _begins_as_quoted() -> pl.Expr:
    prefix = pl.col("reply_quote").str.strip_suffix("...").str.strip_suffix("…")
    return (prefix != "") & pl.col("text").str.starts_with(prefix)


def _is_quoted(quote: str, text: str, kind: str) -> bool:
    """Return whether a quote belongs to a message, although the message does not begin exactly like it."""
    if quote.startswith("(") and quote.endswith(")"):
        return phrases().attachment_kinds.get(quote[1:-1].casefold()) == kind
    # WhatsApp may have replaced line breaks by spaces in the quote.
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

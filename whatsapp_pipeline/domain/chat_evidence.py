"""Evidence for the contact of a chat: its sessions and the words in them.

Messages are processed one window at a time.

What belongs here: collecting evidence from parsed messages. What does not: deciding by it (matching/), and
the words to find (vocabulary.py, titles.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

import polars as pl

from whatsapp_pipeline.domain import titles, vocabulary

SESSION_GAP = timedelta(hours=24)

# The sessions of a chat, numbered from 1. Times are naive, as in the file. The words of each kind are in the
# order of their first use: by time, then by position in the file.
SESSION_SCHEMA: Mapping[str, pl.DataType] = {
    "chat": pl.Int64(),
    "number": pl.Int64(),
    "start": pl.Datetime("us"),
    "end": pl.Datetime("us"),
    "message_count": pl.Int64(),
    "order_numbers": pl.List(pl.String()),
    "devices": pl.List(pl.String()),
    "stages": pl.List(pl.String()),
}
_KINDS = ("order_numbers", "devices", "stages")

_Finder = Callable[[str], Sequence[str]]

# Nearly all letters that are not ASCII are these. Replacing them takes a third of the time of decomposing all
# letters.
_LATIN = {letter: vocabulary.fold_ascii(letter) for letter in map(chr, range(0x80, 0x100))}

# The sessions of chats in the messages so far. Messages of later windows may extend, join or precede them.
_SESSIONS_SO_FAR = {
    "chat": pl.Int64(),
    "start": pl.Datetime("us"),
    "end": pl.Datetime("us"),
    "count": pl.Int64(),
}
# The first use of each key of a kind in a session. Keys of the same message are in order of appearance.
_WORDS = {
    "chat": pl.Int64(),
    "timestamp": pl.Datetime("us"),
    "ordinal": pl.Int64(),
    "kind": pl.String(),
    "key": pl.String(),
}


class EvidenceCollector:
    """Collects the sessions of chats. Memory grows only with the sessions of chats that are not complete.

    Messages are sorted by time, whatever their order in the file. A session ends where SESSION_GAP or more
    lies between two consecutive messages. Notifications (a missed call, a changed number) are ignored.
    """

    def __init__(self) -> None:
        self._sessions = pl.DataFrame(schema=_SESSIONS_SO_FAR)
        self._words = pl.DataFrame(schema=_WORDS)

    def add(self, frame: pl.DataFrame, complete: Collection[int]) -> pl.DataFrame:
        """Add the messages of a window, and return the sessions of chats that have no further messages.

        `complete` are the numbers of these chats. The result is a frame of SESSION_SCHEMA, sorted by chat and
        number.
        """
        talk = (
            frame.select("chat", "timestamp", "ordinal", "direction", "text")
            .filter(pl.col("direction").ne_missing("notification"))
            .sort("chat", "timestamp", maintain_order=True)
        )
        sessions = _joined(pl.concat([self._sessions, _sessions_in(talk)]))
        words = _first_said(sessions, pl.concat([self._words, _words(talk)]))
        is_complete = pl.col("chat").is_in(list(complete))
        self._sessions = sessions.filter(~is_complete).drop("session")
        self._words = words.filter(~is_complete).drop("session")
        return _with_words(sessions.filter(is_complete), words.filter(is_complete))


def _sessions_in(talk: pl.DataFrame) -> pl.DataFrame:
    """Return the sessions in the messages of one window, which are sorted by chat and time."""
    is_first = (pl.col("chat") != pl.col("chat").shift()) | (pl.col("timestamp").diff() >= SESSION_GAP)
    first = talk.select(is_first.fill_null(value=True)).to_series().arg_true()
    after = first.shift(-1, fill_value=talk.height)
    return pl.DataFrame(
        {
            "chat": talk["chat"].gather(first),
            "start": talk["timestamp"].gather(first),
            "end": talk["timestamp"].gather(after - 1),
            "count": (after - first).cast(pl.Int64),
        }
    )


def _joined(sessions: pl.DataFrame) -> pl.DataFrame:
    """Join sessions of a chat that are less than SESSION_GAP apart, and number the results as `session`."""
    reached = pl.col("end").cum_max().over("chat").shift()
    is_first = (pl.col("chat") != pl.col("chat").shift()) | (pl.col("start") - reached >= SESSION_GAP)
    return (
        sessions.sort("chat", "start")
        .with_columns(session=is_first.fill_null(value=True).cum_sum())
        .group_by("session", maintain_order=True)
        .agg(pl.col("chat").first(), pl.col("start").first(), pl.col("end").max(), pl.col("count").sum())
    )


def _first_said(sessions: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Return the first occurrence of each word in its session, with the session's number."""
    return (
        words.sort("chat", "timestamp", "ordinal", maintain_order=True)
        .join_asof(
            sessions.select("chat", "session", "start"),
            left_on="timestamp",
            right_on="start",
            by="chat",
            check_sortedness=False,  # both frames are sorted
        )
        .drop("start")
        .unique(["session", "kind", "key"], keep="first", maintain_order=True)
    )


def _words(talk: pl.DataFrame) -> pl.DataFrame:
    """Find the words of every message."""
    texts = talk.select("text").with_row_index("row")
    folded = _folded(texts)
    devices, stages = (
        folded.with_columns(pl.col("text").str.extract_all(finder.expression))
        .explode("text")
        .drop_nulls("text")
        for finder in (vocabulary.DEVICE_FINDER, vocabulary.STAGE_FINDER)
    )
    orders = texts.filter(pl.col("text").str.contains(titles.ORDER_EXPRESSION))
    found = pl.concat(
        [
            _keys("order_numbers", orders, titles.find_order_numbers),
            _keys("devices", devices, vocabulary.find_devices),
            _keys("stages", stages, vocabulary.find_stages),
        ]
    )
    return pl.concat(
        [talk.select("chat", "timestamp", "ordinal")[found["row"]], found.select("kind", "key")],
        how="horizontal",
    )


def _folded(texts: pl.DataFrame) -> pl.DataFrame:
    """Fold texts like `vocabulary.fold_ascii`, but keep capitals. The order of the result is undefined."""
    is_ascii = pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()
    plain = texts.filter(is_ascii)
    accented = texts.filter(~is_ascii).with_columns(pl.col("text").str.replace_many(_LATIN))
    other = pl.col("text").str.normalize("NFKD").str.replace_all(r"[^\x00-\x7F]+", "")
    return pl.concat([plain, accented.filter(is_ascii), accented.filter(~is_ascii).with_columns(other)])


def _keys(kind: str, excerpts: pl.DataFrame, find: _Finder) -> pl.DataFrame:
    """Return the result of `find` for each excerpt. It is called once per excerpt."""
    found = [(text, key) for text in excerpts["text"].unique().to_list() for key in find(text)]
    known = pl.DataFrame(
        {"text": [text for text, _ in found], "key": [key for _, key in found]},
        schema={"text": pl.String(), "key": pl.String()},
    )
    return excerpts.join(known, on="text", maintain_order="left_right").select(
        "row", "key", kind=pl.lit(kind)
    )


def _with_words(sessions: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Number the sessions of each chat and give them their words."""
    said = words.group_by("session", maintain_order=True).agg(
        pl.col("key").filter(pl.col("kind") == kind).alias(kind) for kind in _KINDS
    )
    return sessions.join(said, on="session", how="left", maintain_order="left").select(
        "chat",
        (pl.col("session") - pl.col("session").min().over("chat") + 1).cast(pl.Int64).alias("number"),
        "start",
        "end",
        pl.col("count").alias("message_count"),
        *(pl.col(kind).fill_null([]) for kind in _KINDS),
    )

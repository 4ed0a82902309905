r"""What stands in the bodies of blocks: quotes, attachments, places, phrases.

    ➜ Respondendo para aB3x=, 2025-01-05 10:00:00: « Bom dia … »     a quote, then a blank line and the answer

    segue a foto                                                     a caption, then a blank line and
    <blank>                                                          the attachment with its size or duration
    foto.jpg (Imagem)
    123.45 KB

What belongs here: those shapes, for many bodies at once. What does not: a language's words (`languages/`),
and what native exports write instead (`native_bodies.py`).
"""

from __future__ import annotations

from functools import cache

import polars as pl

from .bodies import BODY_SCHEMA, plain_body
from .phrases import INVISIBLE, SPACES, phrases

REPLY_MARK = "➜"
# A true time, but for days that their month does not have, and the year 0.
_TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
_REPLY = rf"^{REPLY_MARK} [^\n]*?, ({_TIME}): « ?"
_SIZE = r"^([0-9]{1,9}(?:[.,][0-9]{1,3})?) ?(B|[KMG]i?B|bytes)$"
_DURATION = r"^(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{2})$"
_NAMED = r"^(.+) \((.*)\)$"
_ENDINGS = r"\)$|(?:^|\n)[0-9][0-9.,:]{0,13} ?(?:[KMG]?i?B|bytes)?$"
_UNITS = {
    unit: 1024**power
    for power, units in enumerate(["B bytes", "KB KiB", "MB MiB", "GB GiB"])
    for unit in units.split()
}


@cache
def is_special() -> pl.Expr:
    """Whether the column `body` may be more than text: true of all that are, and of few others."""
    body = pl.col("body")
    return (
        body.str.contains(_ENDINGS)
        | body.str.head(5).is_in(phrases().text_starts)
        | body.str.starts_with(REPLY_MARK)
    )


def times_of(text: pl.Expr) -> pl.Expr:
    """The times that texts begin with, null where they do not."""
    return (
        pl.when(text.str.contains(f"^{_TIME}") & ~text.str.starts_with("0000"))
        .then(text.str.head(19))
        .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    )


def parse_block_bodies(bodies: pl.Series) -> pl.DataFrame:
    """Take bodies apart: quote first, then text, then attachment. A row (BODY_SCHEMA) a body."""
    rows = bodies.alias("body").to_frame()
    for columns in (*_reply(), *_attachment()):
        rows = rows.with_columns(columns)
    return _with_phrases(rows.select(*BODY_SCHEMA))


@cache
def _reply() -> tuple[list[pl.Expr], ...]:
    """From `body` to the quoted time and the quote, null where there is none, and the lines without them.

    Column after column; each list may use what the lists before it made. The quote ends with the first » that
    has a blank line or nothing behind it: it may hold others.
    """
    start, cut = pl.col("start"), pl.col("cut").struct
    quote, answer = cut.field("field_0"), cut.field("field_1")
    whole = quote.str.strip_chars_end(" \t\n\r\f\v")
    quoted = pl.when(answer.is_not_null()).then(quote).when(whole.str.ends_with("»")).then(whole.str.head(-1))
    is_reply = pl.all_horizontal(pl.col("time", "quoted").is_not_null())
    return (
        [pl.col("body").str.extract(_REPLY, 0).alias("start")],
        [
            times_of(start.str.strip_chars_end(" «:").str.tail(19)).alias("time"),
            pl.col("body").str.strip_prefix(start).str.splitn("»\n\n", 2).alias("cut"),
        ],
        [quoted.str.strip_suffix(" ").alias("quoted"), answer.fill_null("").alias("answer")],
        [
            pl.when(is_reply).then("time").alias("reply_timestamp"),
            pl.when(is_reply).then("quoted").alias("reply_quote"),
            pl.when(is_reply)
            .then(pl.col("answer").str.strip_chars("\n"))
            .otherwise("body")
            .str.split("\n")
            .alias("lines"),
        ],
    )


@cache
def _attachment() -> tuple[list[pl.Expr], ...]:
    """From `lines` to the attachment, null where there is none, and the text without it; as `_reply`."""
    lines, taken = pl.col("lines"), pl.col("taken")
    size, duration, kind = pl.col("size"), pl.col("duration"), pl.col("kind")
    is_measured = size.is_not_null() | duration.is_not_null()
    line = pl.when(is_measured).then(lines.list.get(-2, null_on_oob=True)).otherwise(lines.list.last())
    name = pl.col("named").struct.field("1")
    # A duration alone, right under the header, is a voice message.
    is_voice = duration.is_not_null() & (lines.list.len() == 1)
    above = lines.list.get(-1 - taken, null_on_oob=True)
    caption = lines.list.head(lines.list.len() - taken).list.join("\n").str.strip_chars("\n")
    is_file = pl.col("is_file")
    return (
        [_size(lines.list.last()).alias("size"), _duration(lines.list.last()).alias("duration")],
        [
            pl.when(is_measured).then(2).otherwise(1).alias("taken"),  # lines: the name's, its measure's
            _visible(line).str.extract_groups(_NAMED).alias("named"),
        ],
        [_kind(pl.col("named").struct.field("2")).alias("kind"), is_voice.alias("is_voice")],
        [(pl.col("is_voice") | (kind.is_not_null() & (above.is_null() | (above == "")))).alias("is_file")],
        [
            pl.when("is_voice")
            .then(pl.lit(""))
            .when(is_file)
            .then(caption)
            .otherwise(lines.list.join("\n"))
            .alias("text"),
            pl.when("is_voice").then(pl.lit("audio")).when(is_file).then(kind).alias("attachment_kind"),
            pl.when(is_file & ~pl.col("is_voice")).then(name).alias("attachment_name"),
            pl.when(is_file).then(size).alias("attachment_size"),
            pl.when(is_file).then(duration).alias("attachment_duration"),
            pl.when("is_voice")
            .then(pl.lit("audio"))
            .when(is_file)
            .then(kind)
            .otherwise(pl.lit("text"))
            .alias("type"),
        ],
    )


def _visible(text: pl.Expr) -> pl.Expr:
    """As `phrases.visible`."""
    return text.str.replace_all(f"[{INVISIBLE}]", "").str.replace_all(f"[{SPACES}]", " ")


def _size(text: pl.Expr) -> pl.Expr:
    """The bytes that a line tells (`123.45 KB`), null when it tells none."""
    number = text.str.extract(_SIZE, 1).str.replace(",", ".", literal=True).cast(pl.Float64)
    unit = text.str.extract(_SIZE, 2).replace_strict(_UNITS, default=None, return_dtype=pl.Int64)
    return (number * unit).round().cast(pl.Int64)


def _duration(text: pl.Expr) -> pl.Expr:
    """The seconds that a line tells (`1:00:12`), null when it tells none."""
    hours, minutes, seconds = (text.str.extract(_DURATION, group).cast(pl.Int64) for group in (1, 2, 3))
    return hours.fill_null(0) * 3600 + minutes * 60 + seconds


def _kind(word: pl.Expr) -> pl.Expr:
    table = phrases().attachment_kinds
    return word.str.to_lowercase().replace_strict(table, default=None, return_dtype=pl.String)


def _with_phrases(parsed: pl.DataFrame) -> pl.DataFrame:
    """Look for WhatsApp's own words in what is text alone."""
    starts = pl.col("text").str.head(5).is_in(phrases().text_starts)
    places = parsed.select(((pl.col("type") == "text") & starts).arg_true()).to_series()
    if places.is_empty():
        return parsed
    kinds = pl.Series([plain_body(text).type for text in parsed["text"].gather(places)], dtype=pl.String)
    return parsed.with_columns(type=parsed["type"].scatter(places, kinds))

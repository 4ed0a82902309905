r"""What stands in the bodies of blocks: quotes, attachments, places, phrases.

    ➜ Respondendo para aB3x=, 2025-01-05 10:00:00: « Bom dia … »        a quote, then a blank line and the answer

    segue a foto                                                        a caption, then a blank line and
    <blank>                                                             the attachment with its size or duration
    foto.jpg (Imagem)
    123.45 KB

What belongs here: those shapes, for many bodies at once. What does not: which bodies these are (the words of a
language stand in `languages/`), and what native exports write instead (`bodies.py`).
"""

from __future__ import annotations

import polars as pl

from .bodies import BODY_SCHEMA, plain_body, read_measure
from .phrases import INVISIBLE, SPACES, phrases

REPLY_MARK = "➜"
# The parts of a true time, but for days that their month does not have, and the year 0.
TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
# A quote ends with the first » that has a blank line or nothing behind it: it may hold others.
_REPLY = rf"^{REPLY_MARK} [^\n]*?, ({TIME}): « ?(?s:(.*?)) ?»(?:\n\n(?s:(.*))|[ \t\n\r\f\v]*)$"
_MEASURE = r"[0-9][0-9.,:]{0,13} ?(?:[KMG]?i?B|bytes)?$"
_NAMED = r"^(.+) \((.*)\)$"  # foto.jpg (Imagem)


def is_special(body: pl.Expr) -> pl.Expr:
    """Whether a body may be more than text: true of all that are, and of few others."""
    return (
        body.str.contains(rf"\)$|(?:^|\n){_MEASURE}")
        | body.str.head(5).is_in(phrases().text_starts)
        | body.str.starts_with(REPLY_MARK)
    )


def times_of(text: pl.Expr) -> pl.Expr:
    """The times that texts begin with, null where they do not."""
    return (
        pl.when(text.str.contains(f"^{TIME}") & ~text.str.starts_with("0000"))
        .then(text.str.head(19))
        .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    )


def parse_block_bodies(bodies: pl.Series) -> pl.DataFrame:
    """Take bodies apart: quote first, then text, then attachment. A row (BODY_SCHEMA) a body."""
    rows = _with_attachments(_with_replies(bodies.alias("body").to_frame()))
    parsed = rows.select(
        pl.col("kind").fill_null("text").alias("type"),
        pl.when(pl.col("kind").is_null()).then("text").otherwise("caption").alias("text"),
        pl.col("name").alias("attachment_name"),
        pl.col("kind").alias("attachment_kind"),
        pl.when(pl.col("kind").is_not_null()).then("size").alias("attachment_size"),
        pl.when(pl.col("kind").is_not_null()).then("duration").alias("attachment_duration"),
        "reply_timestamp",
        "reply_quote",
    )
    return _with_phrases(parsed).select(*BODY_SCHEMA)


def _with_replies(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the quoted time and the quote, null where there is none, and the `text` without them."""
    groups = pl.col("body").str.extract_groups(_REPLY).struct
    answer = pl.col("answer").fill_null("").str.strip_chars("\n")
    is_reply = pl.col("reply_timestamp").is_not_null()  # the 31st of February: not a quote of WhatsApp's
    return (
        rows.with_columns(
            reply_timestamp=times_of(groups.field("1")),
            reply_quote=groups.field("2"),
            answer=groups.field("3"),
        )
        .with_columns(
            reply_quote=pl.when(is_reply).then("reply_quote"),
            text=pl.when(is_reply).then(answer).otherwise("body"),
        )
        .drop("body", "answer")
    )


def _with_attachments(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `kind`, `name`, `size`, `duration` and `caption`, null where there is no attachment."""
    lines, last = pl.col("lines"), pl.col("last")
    rows = rows.with_columns(lines=pl.col("text").str.split("\n")).with_columns(
        last=lines.list.last(), count=lines.list.len()
    )
    rows = rows.join(_measures(rows["last"]), on="last", how="left", maintain_order="left")
    is_measured = pl.any_horizontal(pl.col("size", "duration").is_not_null())
    # How many lines the attachment takes: its name's, and that of its measure.
    rows = rows.with_columns(taken=pl.when(is_measured).then(2).otherwise(1).cast(pl.Int64))
    above = lines.list.get(-1 - pl.col("taken"), null_on_oob=True)
    line = pl.when(is_measured).then(lines.list.get(-2, null_on_oob=True)).otherwise(last)
    groups = _visible(line).str.extract_groups(_NAMED).struct
    rows = rows.with_columns(
        name=groups.field("1"),
        word=groups.field("2"),
        stands_apart=above.is_null() | (above == ""),
        # A duration alone, right under the header, is a voice message.
        is_voice=pl.col("duration").is_not_null() & (pl.col("count") == 1),
    )
    rows = rows.join(_kinds(rows["word"]), on="word", how="left", maintain_order="left")
    is_file = pl.col("kind").is_not_null() & pl.col("stands_apart")
    caption = lines.list.head(pl.col("count").cast(pl.Int64) - pl.col("taken")).list.join("\n")
    return rows.with_columns(
        kind=pl.when("is_voice").then(pl.lit("audio")).when(is_file).then("kind"),
        name=pl.when(is_file & ~pl.col("is_voice")).then("name"),
        caption=pl.when("is_voice").then(pl.lit("")).otherwise(caption.str.strip_chars("\n")),
    )


def _visible(text: pl.Expr) -> pl.Expr:
    """As `phrases.visible`."""
    return text.str.replace_all(f"[{INVISIBLE}]", "").str.replace_all(f"[{SPACES}]", " ")


def _measures(lasts: pl.Series) -> pl.DataFrame:
    """The sizes and durations that last lines tell, each looked at once."""
    found = {text: read_measure(text) for text in lasts.filter(lasts.str.contains(f"^{_MEASURE}")).unique()}
    return pl.DataFrame(
        {
            "last": list(found),
            "size": [size for size, _ in found.values()],
            "duration": [duration for _, duration in found.values()],
        },
        schema_overrides={"last": pl.String(), "size": pl.Int64(), "duration": pl.Int64()},
    )


def _kinds(words: pl.Series) -> pl.DataFrame:
    table = phrases().attachment_kinds
    found = {word: kind for word in words.unique().drop_nulls() if (kind := table.get(word.casefold()))}
    return pl.DataFrame(
        {"word": list(found), "kind": list(found.values())},
        schema_overrides={"word": pl.String(), "kind": pl.String()},
    )


def _with_phrases(parsed: pl.DataFrame) -> pl.DataFrame:
    """Look for WhatsApp's own words in what is text alone."""
    may_be = (parsed["type"] == "text") & parsed["text"].str.head(5).is_in(phrases().text_starts)
    places = may_be.arg_true()
    kinds = pl.Series([plain_body(text).type for text in parsed["text"].gather(places)], dtype=pl.String)
    return parsed.with_columns(type=parsed["type"].scatter(places, kinds))

"""Removing erased people from scans and messages before these are written.

What belongs here: removing people whose erasure was recorded. What does not: the list of erased people
(store/operations/suppression.py), erasing (steps/operations/privacy.py) and the ERP's pages
(steps/contacts/erased_contacts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from whatsapp_pipeline.domain.redaction import NameTest, names_in_path
from whatsapp_pipeline.store.chats.chat_files import ChatRow
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import suppression
from whatsapp_pipeline.store.operations.privacy_chats import cleaned_message
from whatsapp_pipeline.store.operations.privacy_texts import cleaned_title

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.chats.scan import Scans


def without_erased_chats(conn: Connection, scans: Scans) -> tuple[Scans, int]:
    """Return the scans without the chats of erased people, and the number of these chats.

    Call this function in a transaction. A file that has no other chats is omitted together with its findings.
    The removed chats are added to the list of erased people by file and chat number. So loading the rest of
    a combined file skips them.
    """
    is_erased = suppression.identity_test(conn)
    if is_erased is None:
        return scans, 0
    erased = suppression.suppressed_chats(conn, _identifiers(scans))
    erased |= {
        (chat.file_path, chat.chat_number)
        for scan in scans.files
        if any(map(is_erased, names_in_path(scan.path)))
        for chat in scan.chats
    }
    scans = replace(scans, phones=_without_erased_phones(conn, scans.phones))
    for scan in scans.files:
        scan.chats = [_without_erased_title(chat, is_erased) for chat in scan.chats]
    if not erased:
        return scans, 0
    suppression.add_entries(conn, [("file", suppression.file_value(*place)) for place in erased])
    kept = []
    for scan in scans.files:
        removed = {number for path, number in erased if path == scan.path}
        if removed and len(removed) == len(scan.chats):
            continue
        scan.chats = [row for row in scan.chats if row.chat_number not in removed]
        scan.findings = [row for row in scan.findings if row.chat_number not in removed]
        kept.append(scan)
    places = pl.DataFrame(list(erased), schema=["file_path", "chat_number"], orient="row")
    sessions, phones = (
        rows.join(places, on=places.columns, how="anti") for rows in (scans.sessions, scans.phones)
    )
    return replace(scans, files=kept, sessions=sessions, phones=phones), len(erased)


def path_test(conn: Connection) -> Callable[[str], bool]:
    """Return a function that tests whether a path contains the number of an erased person."""
    is_erased = suppression.identity_test(conn)
    if is_erased is None:
        return lambda path: False
    return lambda path: any(map(is_erased, names_in_path(path)))


def _identifiers(scans: Scans) -> Iterator[suppression.ChatMarks]:
    """Yield the identifiers of each scanned chat."""
    phones, sessions = (
        {
            (path, number): values
            for path, number, values in rows.group_by("file_path", "chat_number").agg(column).iter_rows()
        }
        for rows, column in ((scans.phones.drop_nulls("key"), "key"), (scans.sessions, "started_at"))
    )
    for scan in scans.files:
        for chat in scan.chats:
            place = (chat.file_path, chat.chat_number)
            yield suppression.ChatMarks(
                *place,
                chat.phone_key,
                chat.chat_key,
                phones.get(place, ()),
                sessions.get(place, ()),
                chat.title,
                chat.is_group,
            )


def _without_erased_title(chat: ChatRow, is_erased: NameTest) -> ChatRow:
    known = [chat.title, chat.customer_name, chat.phone_number, chat.phone_key, chat.chat_key]
    cleaned = cleaned_title(known, is_erased, is_group=chat.is_group)
    if cleaned == known:
        return chat
    title, name, phone, phone_key, key = cleaned
    return chat._replace(
        title=title, customer_name=name, phone_number=phone, phone_key=phone_key, chat_key=key
    )


def _without_erased_phones(conn: Connection, phones: pl.DataFrame) -> pl.DataFrame:
    """Return the phones in headers without those of erased people, who may be members of groups."""
    if phones.is_empty() or suppression.has_no_entries(conn):
        return phones
    listed = suppression.suppressed_phone_keys(conn, phones["key"].drop_nulls().unique().to_list())
    return phones.filter(pl.col("key").is_null() | ~pl.col("key").is_in(sorted(listed)))


# Eight digits with few characters between them may be a phone. Only texts with such digits are examined one
# by one.
_MAY_BE_PHONE = r"\d(?:\D{0,4}\d){7}"
_TEXTS = ["text", "reply_quote", "sender_name", "sender_phone", "attachment_name"]


def without_erased_people(messages: pl.DataFrame, is_erased: NameTest) -> pl.DataFrame:
    """Return the messages without the texts of erased people, and without their phones in other texts.

    Rows and hashes are kept, so that a later load of the file recognises its messages.
    """
    may_name = pl.any_horizontal(pl.col(_TEXTS).str.contains(_MAY_BE_PHONE).fill_null(value=False))
    places = messages.select(may_name.arg_true()).to_series()
    if places.is_empty():
        return messages
    old = messages[places].select(_TEXTS).rows()
    new = [cleaned_message(list(row), is_erased) for row in old]
    if all(list(before) == after for before, after in zip(old, new, strict=True)):
        return messages
    columns = []
    for name, values in zip(_TEXTS, zip(*new, strict=True), strict=True):
        columns.append(messages[name].scatter(places, pl.Series(values, dtype=pl.String)))
    return messages.with_columns(columns)

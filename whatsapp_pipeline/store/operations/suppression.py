"""The suppression list: keyed hashes of erased people, so that they are not stored again.

What belongs here: the list and its look-ups. What does not: erasing (privacy.py).

The ERP sync, the chat index, webhook processing and restore look people up here before they write. With an
empty list, a look-up takes one query and needs no key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import combinations
from typing import Literal, NamedTuple, TypeAlias

from whatsapp_pipeline import privacy_key
from whatsapp_pipeline.domain.redaction import NameTest, name_words
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection

Kind: TypeAlias = Literal["contact", "phone", "file", "chat", "identity", "session", "name"]

_MAX_CACHED = 200_000  # number of answers in the cache of a test; a full cache is emptied


def hash_of(key: bytes, kind: Kind, value: str) -> bytes:
    """Return the keyed hash (HMAC-SHA-256) of a value, as the list stores it."""
    return hmac.digest(key, f"{kind}:{value}".encode(), "sha256")


def has_no_entries(conn: Connection) -> bool:
    """Return whether the list has no entries."""
    return conn.execute("SELECT EXISTS (SELECT FROM privacy_suppressions)").fetchone() != (True,)


def key_in_use(conn: Connection, *, make: bool = False) -> bytes:
    """Return the key with which the list's hashes were made.

    With `make` and an empty list, a missing key is created. Raises PipelineError if the key is missing or is
    another one. Nothing may be written then, because erased people could not be recognised.
    """
    key = privacy_key.find_or_make() if make and has_no_entries(conn) else privacy_key.find_key()
    if key is None:
        raise PipelineError(
            "people were erased from this database and the key to recognise them is missing; restore it in "
            "PRIVACY_KEY or .local/privacy.key"
        )
    row = conn.execute("SELECT fingerprint FROM privacy_key").fetchone()
    if row is not None and not has_no_entries(conn) and bytes(row[0]) != fingerprint_of(key):
        raise PipelineError(
            "PRIVACY_KEY (or .local/privacy.key) is not the key with which erased people were recorded; "
            "restore the right key"
        )
    return key


def fingerprint_of(key: bytes) -> bytes:
    """Return the fingerprint of a key, which is stored with the list."""
    return hashlib.sha256(b"fingerprint:" + key).digest()


def require_key(fingerprint: bytes) -> None:
    """Raise PipelineError if there is no key, or if the key has another fingerprint."""
    key = privacy_key.find_key()
    if key is None or fingerprint_of(key) != fingerprint:
        raise PipelineError(
            "people were erased here before (.local/privacy.list), and the key that recognises them is "
            f"{'missing' if key is None else 'another one'}; "
            "put it back into PRIVACY_KEY or .local/privacy.key, so that they do not come back"
        )


def suppressed(conn: Connection, kind: Kind, values: Iterable[str]) -> set[str]:
    """Return the `values` that are on the list, in one query."""
    if has_no_entries(conn):
        return set()
    key = key_in_use(conn)
    by_hash = {hash_of(key, kind, value): value for value in values}
    rows = conn.execute(
        "SELECT key_hash FROM privacy_suppressions WHERE kind = %s AND key_hash = ANY(%s)",
        (kind, list(by_hash)),
    )
    return {by_hash[bytes(row[0])] for row in rows}


def suppressed_contact_ids(conn: Connection, ids: Iterable[int]) -> set[int]:
    """Return those of `ids` (ERP ids of contacts) that must not be written again."""
    return {int(value) for value in suppressed(conn, "contact", (str(i) for i in ids))}


def suppressed_phone_keys(conn: Connection, keys: Iterable[str]) -> set[str]:
    """Return those of `keys` that belong to erased people."""
    return suppressed(conn, "phone", keys)


def file_value(file_path: str, chat_number: int) -> str:
    """Return the list's value for one chat of one file."""
    return f"{file_path}#{chat_number}"


def session_value(started_at: datetime) -> str:
    """Return the list's value for the start of a session."""
    return f"{started_at:%Y-%m-%dT%H:%M:%S}"


def name_value(words: Iterable[str]) -> str:
    """Return the list's value for the words of a full name."""
    return " ".join(sorted(words))


class ChatMarks(NamedTuple):
    """The identifiers of a chat: path, number, phone of the title, chat key, header phones, session starts.

    If the chat is linked to a contact (`is_linked`), only the path, the phone of the title and the chat key
    identify it.
    """

    file_path: str
    chat_number: int
    phone_key: str | None
    chat_key: str | None
    header_keys: Sequence[str] = ()
    session_starts: Sequence[datetime] = ()
    title: str | None = None
    is_group: bool = False
    is_linked: bool = False


def suppressed_chats(conn: Connection, chats: Iterable[ChatMarks]) -> set[tuple[str, int]]:
    """Return the (path, chat number) of chats that must not be indexed.

    A chat is recognised by its path and number, by the phone in its title, or by its chat key (the only phone
    of its headers, or its label). If it is linked to no contact and its title has no phone, there are three
    more ways. A phone in its headers counts, unless a contact has another phone of the headers. A group
    counts if it has two or more header phones and all of them are listed. A chat without any phone is
    recognised by the start times of its sessions, or by a full name in its title that no contact has.
    """
    if has_no_entries(conn):
        return set()
    given = list(chats)
    files = suppressed(conn, "file", (file_value(chat.file_path, chat.chat_number) for chat in given))
    keys = {key for chat in given for key in (chat.phone_key, chat.chat_key, *chat.header_keys) if key}
    phones = suppressed_phone_keys(conn, keys)
    labels = suppressed(conn, "chat", {chat.chat_key for chat in given if chat.chat_key})
    found = {
        (chat.file_path, chat.chat_number)
        for chat in given
        if file_value(chat.file_path, chat.chat_number) in files
        or chat.phone_key in phones
        or chat.chat_key in phones
        or chat.chat_key in labels
    }
    rest = [
        chat
        for chat in given
        if not (chat.is_linked or chat.phone_key or (chat.file_path, chat.chat_number) in found)
    ]
    return found | {(chat.file_path, chat.chat_number) for chat in _known_by_content(conn, rest, phones)}


def _known_by_content(conn: Connection, chats: list[ChatMarks], phones: set[str]) -> Iterator[ChatMarks]:
    """Yield the erased people's chats among chats whose title has no phone."""
    # Headers with two phones of one person make a chat look like a group.
    groups = [chat for chat in chats if chat.is_group and len(set(chat.header_keys)) > 1]
    yield from (chat for chat in groups if phones.issuperset(chat.header_keys))
    chats = [chat for chat in chats if not chat.is_group]
    with_phone = [chat for chat in chats if not phones.isdisjoint(chat.header_keys)]
    of_contacts = _keys_of_contacts(conn, {key for chat in with_phone for key in chat.header_keys} - phones)
    yield from (chat for chat in with_phone if of_contacts.isdisjoint(chat.header_keys))
    alone = [chat for chat in chats if not chat.header_keys]
    starts = _erased_starts(conn, alone)
    names = _erased_names(conn, alone)
    yield from (chat for chat in alone if not starts.isdisjoint(chat.session_starts) or chat.title in names)


def _erased_starts(conn: Connection, chats: list[ChatMarks]) -> set[datetime]:
    """Return the listed session starts of these chats that no chat of another file has.

    A message that is sent to many people begins a session with each of them in the same second. Such a start
    identifies nobody.
    """
    by_value = {session_value(at): at for chat in chats for at in chat.session_starts}
    listed = {by_value[value] for value in suppressed(conn, "session", by_value)}
    rows = conn.execute(
        """
        SELECT DISTINCT s.started_at FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
        WHERE s.started_at = ANY(%s) AND f.file_path <> ALL(%s)
        """,
        (sorted(listed), [chat.file_path for chat in chats]),
    )
    return listed - {row[0] for row in rows}


def _keys_of_contacts(conn: Connection, keys: set[str]) -> set[str]:
    rows = conn.execute("SELECT key FROM contact_phones WHERE key = ANY(%s)", (sorted(keys),))
    return {row[0] for row in rows}


_MAX_WORDS = 8  # number of words of a title that are used; every combination of two or more is looked up


def _erased_names(conn: Connection, chats: list[ChatMarks]) -> set[str]:
    """Return the titles that contain a full name on the list, unless a contact has that name, too."""
    by_value: dict[str, set[str]] = {}
    for title in {chat.title for chat in chats if chat.title}:
        words = sorted(name_words(title))[:_MAX_WORDS]
        for count in range(2, len(words) + 1):
            for group in combinations(words, count):
                by_value.setdefault(name_value(group), set()).add(title)
    listed = suppressed(conn, "name", by_value)
    if not listed:
        return set()
    rows = conn.execute("SELECT nome FROM contatos WHERE nome <> ''")
    names = [name_words(row[0]) for row in rows]
    alone = {value for value in listed if not any(words.issuperset(value.split()) for words in names)}
    return {title for value in alone for title in by_value[value]}


def add_entries(conn: Connection, entries: Iterable[tuple[Kind, str]]) -> int:
    """Add entries to the list. Return how many are new. The caller opens a transaction."""
    key = key_in_use(conn, make=True)
    conn.execute(
        "INSERT INTO privacy_key (fingerprint) VALUES (%s) ON CONFLICT (one) DO UPDATE"
        " SET fingerprint = EXCLUDED.fingerprint",
        (fingerprint_of(key),),
    )
    hashed = sorted({(kind, hash_of(key, kind, value)) for kind, value in entries})
    return add_hashes(conn, hashed)


def add_hashes(conn: Connection, hashed: Iterable[tuple[str, bytes]]) -> int:
    """Add hashes to the list. They must be made with the list's key. Return how many are new."""
    kinds, hashes = [], []
    for kind, value in hashed:
        kinds.append(kind)
        hashes.append(value)
    return conn.execute(
        "INSERT INTO privacy_suppressions (kind, key_hash)"
        " SELECT * FROM unnest(%s::text[], %s::bytea[]) ON CONFLICT DO NOTHING",
        (kinds, hashes),
    ).rowcount


def entries(conn: Connection) -> list[tuple[str, bytes]]:
    """Return the whole list as (kind, hash). It is empty if the database does not have the list's table."""
    return entries_of_migrated(conn) if has_list(conn) else []


def entries_of_migrated(conn: Connection) -> list[tuple[str, bytes]]:
    """Return the whole list as (kind, hash). The database must have the list's table."""
    rows = conn.execute("SELECT kind, key_hash FROM privacy_suppressions ORDER BY kind, key_hash")
    return [(kind, bytes(key_hash)) for kind, key_hash in rows]


def has_list(conn: Connection) -> bool:
    """Return whether the database has the list's table. A database from an old backup may not have it."""
    return conn.execute("SELECT to_regclass('privacy_suppressions')").fetchone() != (None,)


def add_hashes_of_key(conn: Connection, hashed: Iterable[tuple[str, bytes]]) -> None:
    """Add hashes to the list and store the fingerprint of their key. The caller opens a transaction.

    Raises PipelineError if the list has entries and the key is missing or is another one.
    """
    add_hashes(conn, hashed)
    if has_no_entries(conn):
        return
    key = key_in_use(conn)
    conn.execute(
        "INSERT INTO privacy_key (fingerprint) VALUES (%s) ON CONFLICT (one) DO UPDATE"
        " SET fingerprint = EXCLUDED.fingerprint",
        (fingerprint_of(key),),
    )


def is_key_of(conn: Connection, key: bytes | None) -> bool:
    """Return whether the database stores the fingerprint of this key."""
    row = conn.execute("SELECT fingerprint FROM privacy_key").fetchone()
    return key is not None and row is not None and bytes(row[0]) == fingerprint_of(key)


def identity_test(conn: Connection) -> NameTest | None:
    """Return a function that checks whether a canonical identity is on the list, without further queries.

    Returns None for an empty list.
    """
    return _entry_test(conn, "identity")


def contact_test(conn: Connection) -> Callable[[str], bool] | None:
    """Return a function that checks whether an ERP id, as text, is on the list, without further queries.

    Returns None for an empty list.
    """
    return _entry_test(conn, "contact")


def _entry_test(conn: Connection, kind: Kind) -> Callable[[str], bool] | None:
    if has_no_entries(conn):
        return None
    key = key_in_use(conn)
    hashes = {value for listed, value in entries(conn) if listed == kind}
    known: dict[str, bool] = {}

    def is_erased(value: str) -> bool:
        if value not in known:
            if len(known) > _MAX_CACHED:
                known.clear()
            known[value] = hash_of(key, kind, value) in hashes
        return known[value]

    return is_erased


def erased_file_chats(conn: Connection) -> Callable[[str, int], bool]:
    """Return a function that checks whether a chat (path, chat number) is on the list, without queries."""
    if has_no_entries(conn):
        return lambda path, number: False
    key = key_in_use(conn)
    hashes = {value for kind, value in entries(conn) if kind == "file"}
    return lambda path, number: hash_of(key, "file", file_value(path, number)) in hashes

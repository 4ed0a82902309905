"""Exporting and erasing one person's data in the pipeline's tables.

What belongs here: the tables of contacts, chats, links and summaries, and the audit log. What does not:
webhook tables (privacy_webhooks.py), other people's chats and texts (privacy_chats.py, privacy_texts.py),
files (steps/operations/privacy.py), and the list of erased people (suppression.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import dict_row

from whatsapp_pipeline.domain.redaction import name_of_key, name_words
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.chats import duplicates
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import privacy_chats, privacy_texts, qa_results, suppression
from whatsapp_pipeline.store.operations.privacy_webhooks import (
    Person,
    person_of_contact,
    person_of_conversation,
    person_of_phone,
)

# Columns of contatos with personal data. An erasure does not clear columns that other programs added.
_PERSONAL = (
    "nome",
    "codigo",
    "fantasia",
    "cpf_cnpj",
    "inscricao_estadual",
    "rg",
    "telefone",
    "celular",
    "email",
    "telefone_normalizado",
    "celular_normalizado",
)


TABLES = (
    "contatos",
    "contact_phones",
    "contact_phone_inputs",
    "contact_sources",
    "chat_files",
    "chat_phones",
    "chat_sessions",
    "chat_messages",
    "match_candidates",
    "order_candidates",
    "customer_chat_summaries",
    "customer_conversations",
    "commitments",
    "search_words",
    "customer_notes",
    "handled_cases",
    "stale_summaries",
    "exceptions",
    "ignored_files",
    "link_overrides",
    "review_verdicts",
    "qa_results",
    "conversations",
    "conversation_identities",
    "conversation_messages",
    "conversation_candidates",
    "message_statuses",
    "leads",
    "webhook_inbox",
    "webhook_events",
)
"""Tables in which an erasure deletes a person's rows or removes their personal values."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The person of an export or erasure, with their phones and chats.

    `id_contato` is None if the person is no contact. `phone_keys` are the keys of phones that no other
    contact has. `shared_phones` is the number of phones that another contact has, too.
    """

    id_contato: int | None
    phone_keys: tuple[str, ...]
    shared_phones: int
    chat_ids: tuple[int, ...]
    person: Person


def find_contact(conn: Connection, id_contato: int) -> Subject | None:
    """Find a contact by its ERP id. Return None if there is no such contact.

    A phone that another contact has, too, does not identify the person. Of its chats, only those that are
    linked to this contact belong to the person. For its live conversations, see `person_of_contact`.
    """
    if conn.execute("SELECT 1 FROM contatos WHERE id = %s", (id_contato,)).fetchone() is None:
        return None
    row = conn.execute(
        """
        SELECT count(DISTINCT key) FROM contact_phones p WHERE id_contato = %s AND EXISTS (
            SELECT FROM contact_phones o WHERE o.key = p.key AND o.id_contato <> p.id_contato)
        """,
        (id_contato,),
    ).fetchone()
    shared = int(row[0]) if row else 0
    return _subject(conn, id_contato, person_of_contact(conn, id_contato), shared)


def find_phone(conn: Connection, key: str) -> Subject:
    """Find a person who is no contact by a phone key. Raises PipelineError if a contact has that phone."""
    rows = conn.execute(
        "SELECT DISTINCT id_contato FROM contact_phones WHERE key = %s ORDER BY 1", (key,)
    ).fetchall()
    if rows:
        ids = " and ".join(str(row[0]) for row in rows)
        raise PipelineError(f"this phone belongs to contact {ids}; give --contact instead")
    return _subject(conn, None, person_of_phone(conn, key), 0)


def find_conversation(conn: Connection, conversation_id: int) -> Subject:
    """Find a person who is no contact by a conversation.

    Raises PipelineError if the conversation does not exist, is a group, or is linked to a contact.
    """
    row = conn.execute(
        "SELECT is_group, id_contato FROM conversations WHERE id = %s", (conversation_id,)
    ).fetchone()
    if row is None:
        raise PipelineError(f"there is no conversation {conversation_id}")
    if row[0]:
        raise PipelineError(
            f"conversation {conversation_id} is a group; give --phone to select one person in it"
        )
    if row[1] is not None:
        raise PipelineError(
            f"conversation {conversation_id} is linked to contact {row[1]}; give --contact {row[1]} instead"
        )
    return _subject(conn, None, person_of_conversation(conn, conversation_id), 0)


def _subject(conn: Connection, id_contato: int | None, person: Person, shared_phones: int) -> Subject:
    # The key of a phone without an area code in a title begins with `xx`.
    keys = {*person.phone_keys, *(f"xx{key[2:]}" for key in person.phone_keys if key.isdigit())}
    chats = conn.execute(
        """
        SELECT id FROM chat_files f
        WHERE id_contato = %(id)s
           OR (id_contato IS NULL AND NOT is_group
               AND (phone_key = ANY(%(keys)s) OR chat_key = ANY(%(keys)s)))  -- the only phone of its headers
           OR (id_contato IS NULL AND phone_key IS NULL AND (
               -- Headers with two phones of one person make a chat look like a group.
               SELECT bool_or(p.key = ANY(%(keys)s)) AND CASE WHEN f.is_group
                      THEN bool_and(p.key = ANY(%(keys)s)) AND count(DISTINCT p.key) > 1
                      ELSE NOT bool_or(EXISTS (SELECT FROM contact_phones c WHERE c.key = p.key
                                                AND c.id_contato IS DISTINCT FROM %(id)s::bigint)) END
               FROM chat_phones p WHERE p.id_chat_file = f.id AND p.key IS NOT NULL))
        ORDER BY id
        """,
        {"id": id_contato, "keys": sorted(keys)},
    ).fetchall()
    return Subject(id_contato, tuple(sorted(keys)), shared_phones, tuple(row[0] for row in chats), person)


_EXPORTS: dict[str, LiteralString] = {
    "contatos": "SELECT to_jsonb(t) FROM contatos t WHERE id = %(id)s",
    "contact_sources": "SELECT to_jsonb(t) - 'item_hash' FROM contact_sources t WHERE id_contato = %(id)s",
    "contact_phones": "SELECT to_jsonb(t) FROM contact_phones t WHERE id_contato = %(id)s",
    "ordens_servico": "SELECT to_jsonb(t) FROM ordens_servico t WHERE id_contato = %(id)s ORDER BY id",
    "chat_files": """
        SELECT to_jsonb(t) - '{content_hash,indexed_hash,loaded_hash}'::text[]
        FROM chat_files t WHERE id = ANY(%(chats)s) ORDER BY id""",
    "chat_sessions": """
        SELECT to_jsonb(t) FROM chat_sessions t WHERE id_chat_file = ANY(%(chats)s) ORDER BY id""",
    "chat_phones": "SELECT to_jsonb(t) FROM chat_phones t WHERE id_chat_file = ANY(%(chats)s)",
    "chat_messages": """
        SELECT to_jsonb(t) - '{search,body_hash}'::text[]
        FROM chat_messages t WHERE id_chat_file = ANY(%(chats)s) ORDER BY id_chat_file, ordinal""",
    "match_candidates": "SELECT to_jsonb(t) FROM match_candidates t WHERE id_contato = %(id)s",
    "conversation_candidates": "SELECT to_jsonb(t) FROM conversation_candidates t WHERE id_contato = %(id)s",
    "ignored_files": """
        SELECT to_jsonb(t) FROM ignored_files t
        WHERE file_path IN (SELECT file_path FROM chat_files WHERE id = ANY(%(chats)s))""",
    "link_overrides": """
        SELECT to_jsonb(t) FROM link_overrides t
        WHERE id_contato = %(id)s OR (target_kind = 'phone' AND target = ANY(%(keys)s))""",
    "customer_chat_summaries": "SELECT to_jsonb(t) FROM customer_chat_summaries t WHERE id_contato = %(id)s",
    "customer_conversations": "SELECT to_jsonb(t) FROM customer_conversations t WHERE id_contato = %(id)s",
    "commitments": """
        SELECT to_jsonb(t) FROM commitments t
        WHERE id_contato = %(id)s OR id_chat_file = ANY(%(chats)s)
           OR conversation_id = ANY(%(conversations)s)""",
    "customer_notes": "SELECT to_jsonb(t) FROM customer_notes t WHERE id_contato = %(id)s",
    "handled_cases": "SELECT to_jsonb(t) FROM handled_cases t WHERE id_contato = %(id)s",
    "stale_summaries": "SELECT to_jsonb(t) FROM stale_summaries t WHERE id_contato = %(id)s",
    "review_verdicts": "SELECT to_jsonb(t) FROM review_verdicts t WHERE id_chat_file = ANY(%(chats)s)",
    "exceptions": """
        SELECT to_jsonb(t) FROM exceptions t WHERE file_path = 'contatos/' || %(id)s::text
           OR file_path IN (SELECT file_path FROM chat_files WHERE id = ANY(%(chats)s))""",
}


def export_rows(conn: Connection, subject: Subject) -> dict[str, list[dict[str, Any]]]:
    """Return every row about the person, by table, as JSON values."""
    with conn.cursor() as cursor:
        rows = {
            table: [row[0] for row in cursor.execute(statement, _parameters(subject)).fetchall()]
            for table, statement in _EXPORTS.items()
        }
    rows["messages in group chats"] = privacy_chats.messages_in_others_chats(
        conn, subject.person.has_identity, subject.person.like_patterns(), subject.chat_ids
    )
    return rows


def _parameters(subject: Subject) -> dict[str, Any]:
    return {
        "id": subject.id_contato,
        "keys": list(subject.phone_keys),
        "chats": list(subject.chat_ids),
        "conversations": list(subject.person.conversation_ids),
    }


def suppression_entries(conn: Connection, subject: Subject) -> list[tuple[Any, str]]:
    """Return the entries of the suppression list that identify the person, as (kind, value)."""
    rows = conn.execute(
        "SELECT file_path, chat_number, phone_key, chat_key FROM chat_files WHERE id = ANY(%s)",
        (list(subject.chat_ids),),
    ).fetchall()
    entries = [] if subject.id_contato is None else [("contact", str(subject.id_contato))]
    entries += [("phone", key) for key in subject.phone_keys]
    # Messages from a number that a contact still has will be stored again, unless only this person has it.
    # Messages from the person's user ids will not.
    own = {name_of_key(key) for key in subject.phone_keys}
    entries += [
        ("identity", name) for name in subject.person.canonicals if name in own or not _is_shared(conn, name)
    ]
    entries += [("file", f"{path}#{number}") for path, number, _, _ in rows]
    # A chat with a label instead of a phone may come back under another file name. The label identifies it.
    entries += [("chat", label) for _, _, phone, label in rows if phone is None and label]
    # A new file that has only messages of the staff has no number. Its session starts or its title identify
    # it.
    starts = conn.execute(
        "SELECT DISTINCT started_at FROM chat_sessions WHERE id_chat_file = ANY(%s)",
        (list(subject.chat_ids),),
    ).fetchall()
    entries += [("session", suppression.session_value(start)) for (start,) in starts]
    return entries + [("name", suppression.name_value(words)) for words in _full_names(conn, subject)]


def _full_names(conn: Connection, subject: Subject) -> set[frozenset[str]]:
    """Return each full name of the person in the tables, as a set of words."""
    rows = conn.execute(
        """
        SELECT unnest(ARRAY[nome, fantasia]) FROM contatos WHERE id = %(id)s
        UNION SELECT customer_name FROM chat_files WHERE id = ANY(%(chats)s)
        UNION SELECT profile_name FROM conversations WHERE id = ANY(%(conversations)s)
        UNION SELECT profile_name FROM leads WHERE canonical = ANY(%(names)s)
        """,
        {
            **_parameters(subject),
            "names": sorted(subject.person.canonicals),
        },
    ).fetchall()
    return {words for (name,) in rows if name and (words := name_words(name))}


def erase_rows(conn: Connection, subject: Subject, *, keep_contact_row: bool) -> dict[str, int]:
    """Erase the person's rows. Return how many by table. The caller opens a transaction.

    The row of contatos keeps its id, because orders refer to it, and loses its personal data. With
    `keep_contact_row` it does not change. Overrides are an audit trail, so their rows stay, without the
    person.
    """
    p = _parameters(subject)
    is_person, patterns = subject.person.has_identity, subject.person.like_patterns()
    duplicates.lock(conn)  # take this lock before any row lock, as loading does
    counts = _delete_dependent_rows(conn, p)
    counts["link_overrides"] = _pseudonymise_overrides(conn, p)
    counts["messages in group chats"] = privacy_chats.erase_mentions(
        conn, is_person, patterns, subject.chat_ids
    )
    counts["exceptions"] += privacy_chats.forget_paths(conn, is_person, patterns)
    counts["chat_phones"] = _rows(
        conn,
        "DELETE FROM chat_phones WHERE key = ANY(%(keys)s) AND NOT id_chat_file = ANY(%(chats)s)",
        p,
    )
    counts["texts about others"] = privacy_texts.erase_from_texts(conn, is_person, patterns)
    qa_results.forget_samples(conn)
    keys = conn.execute(
        "DELETE FROM chat_files WHERE id = ANY(%(chats)s) RETURNING chat_key", p
    ).fetchall()  # the foreign keys delete sessions, phones, candidates and verdicts
    counts["chat_files"] = len(keys)
    duplicates.mark(conn, sorted({key for (key,) in keys if key}))
    if subject.id_contato is not None and not keep_contact_row:
        counts["contact_phones"] = _rows(conn, "DELETE FROM contact_phones WHERE id_contato = %(id)s", p)
        _rows(conn, "DELETE FROM contact_phone_inputs WHERE id_contato = %(id)s", p)
        counts["contact_sources"] = _rows(conn, "DELETE FROM contact_sources WHERE id_contato = %(id)s", p)
        counts["contatos"] = _blank_contact(conn, subject.id_contato)
    return counts


def _delete_dependent_rows(conn: Connection, p: Mapping[str, Any]) -> dict[str, int]:
    """Delete rows that depend on the person's contact, chats and conversations. Return how many by table."""
    conn.execute("INSERT INTO search_words VALUES ('apagado') ON CONFLICT DO NOTHING")
    return {
        "exceptions": _rows(
            conn,
            """
            DELETE FROM exceptions e WHERE file_path = 'contatos/' || %(id)s::text
               OR EXISTS (SELECT FROM chat_files f WHERE f.id = ANY(%(chats)s) AND f.file_path = e.file_path
                          AND (f.chat_number = e.chat_number  -- only the chat's own in a combined file
                               OR NOT EXISTS (SELECT FROM chat_files o WHERE o.file_path = f.file_path
                                              AND o.id <> ALL(%(chats)s))))""",
            p,
        ),
        "chat_messages": _rows(conn, "DELETE FROM chat_messages WHERE id_chat_file = ANY(%(chats)s)", p),
        "customer_chat_summaries": _rows(
            conn, "DELETE FROM customer_chat_summaries WHERE id_contato = %(id)s", p
        ),
        "customer_conversations": _rows(
            conn, "DELETE FROM customer_conversations WHERE id_contato = %(id)s", p
        ),
        # These words may contain the person's names and numbers. The next summaries fill the table again. One
        # word is kept. For an empty table, the server would keep the old statistics, which contain the
        # deleted words.
        "search_words": _rows(conn, "DELETE FROM search_words WHERE word <> 'apagado'", p)
        + _rows(conn, "DELETE FROM search_words_seen", p),
        "commitments": _rows(
            conn,
            "DELETE FROM commitments WHERE id_contato = %(id)s OR id_chat_file = ANY(%(chats)s)"
            " OR conversation_id = ANY(%(conversations)s)",
            p,
        ),
        "customer_notes": _rows(conn, "DELETE FROM customer_notes WHERE id_contato = %(id)s", p),
        "handled_cases": _rows(conn, "DELETE FROM handled_cases WHERE id_contato = %(id)s", p),
        "stale_summaries": _rows(conn, "DELETE FROM stale_summaries WHERE id_contato = %(id)s", p),
        "match_candidates": _rows(conn, "DELETE FROM match_candidates WHERE id_contato = %(id)s", p),
        "conversation_candidates": _rows(
            conn, "DELETE FROM conversation_candidates WHERE id_contato = %(id)s", p
        ),
        "ignored_files": _rows(
            conn,
            """
            DELETE FROM ignored_files
            WHERE file_path IN (SELECT file_path FROM chat_files WHERE id = ANY(%(chats)s))""",
            p,
        ),
    }


def _rows(conn: Connection, statement: LiteralString, parameters: Mapping[str, Any]) -> int:
    return conn.execute(statement, parameters).rowcount


def _blank_contact(conn: Connection, id_contato: int) -> int:
    """Set the personal columns to NULL, or to '' (0 for a number) where the user's table forbids NULL.

    Return 1 if the row had personal data, otherwise 0.
    """
    columns = conn.execute(
        """
        SELECT a.attname, a.attnotnull, t.typcategory = 'N'
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = 'contatos'::regclass AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attname = ANY(%s)
        """,
        (list(_PERSONAL),),
    ).fetchall()
    blanks = [
        (sql.Identifier(name), sql.SQL(("0" if is_number else "''") if is_required else "NULL"))
        for name, is_required, is_number in columns
    ]
    return conn.execute(
        sql.SQL("UPDATE contatos SET {} WHERE id = {} AND ({})").format(
            sql.SQL(", ").join(sql.SQL("{} = {}").format(*blank) for blank in blanks),
            sql.Literal(id_contato),
            sql.SQL(" OR ").join(sql.SQL("{} IS DISTINCT FROM {}").format(*blank) for blank in blanks),
        )
    ).rowcount


def _pseudonymise_overrides(conn: Connection, parameters: Mapping[str, Any]) -> int:
    """Replace the target and reason of overrides about the person by `erased`.

    The rows are kept as an audit trail. The trigger of the table allows this change.
    """
    return _rows(
        conn,
        """
        UPDATE link_overrides
        SET target_kind = 'title', target = 'erased:' || id, chat_number = NULL, reason = 'erased',
            removed_at = coalesce(removed_at, now()), removed_by = coalesce(removed_by, current_user),
            removed_reason = 'erased'
        WHERE id_contato = %(id)s OR (target_kind = 'phone' AND target = ANY(%(keys)s))
           OR (target_kind = 'file'
               AND target IN (SELECT file_path FROM chat_files WHERE id = ANY(%(chats)s)))
           OR (target_kind = 'title'
               AND target IN (SELECT title_key(title) FROM chat_files WHERE id = ANY(%(chats)s))
               AND target NOT IN (SELECT title_key(title) FROM chat_files
                                  WHERE id <> ALL(%(chats)s) AND title IS NOT NULL))
        """,
        parameters,
    )


def count_orders(conn: Connection, subject: Subject) -> int:
    """Return how many orders the contact has. Tax law requires that they are kept."""
    row = conn.execute(
        "SELECT count(*) FROM ordens_servico WHERE id_contato = %(id)s", _parameters(subject)
    ).fetchone()
    return int(row[0]) if row else 0


def _is_shared(conn: Connection, name: str) -> bool:
    """Return whether any contact has the phone of a canonical identity."""
    key = name.removeprefix("wa:").removeprefix("55")
    row = conn.execute("SELECT EXISTS (SELECT FROM contact_phones WHERE key IN (%s, %s))", (key, f"+{key}"))
    return row.fetchone() == (True,)


def contact_ids(conn: Connection) -> list[int]:
    """Return the ids of all contacts."""
    return [row[0] for row in conn.execute("SELECT id FROM contatos ORDER BY id")]


def chat_identifiers(conn: Connection) -> list[suppression.ChatMarks]:
    """Return the identifiers of every chat, to look them up in the suppression list."""
    rows = conn.execute(
        """
        SELECT f.file_path, f.chat_number, f.phone_key, f.chat_key,
               ARRAY(SELECT p.key FROM chat_phones p WHERE p.id_chat_file = f.id AND p.key IS NOT NULL),
               ARRAY(SELECT s.started_at FROM chat_sessions s WHERE s.id_chat_file = f.id),
               f.title, f.is_group, f.id_contato IS NOT NULL
        FROM chat_files f
        """
    ).fetchall()
    return [suppression.ChatMarks(*row) for row in rows]


def delete_chats(conn: Connection, chats: list[tuple[str, int]]) -> int:
    """Delete chats by (path, chat number), with their dependent rows. Return how many were deleted.

    The caller opens a transaction.
    """
    if not chats:
        return 0
    paths, numbers = zip(*chats, strict=True)
    duplicates.lock(conn)
    rows = conn.execute(
        """
        DELETE FROM chat_files f USING unnest(%s::text[], %s::integer[]) AS g(path, number)
        WHERE f.file_path = g.path AND f.chat_number = g.number RETURNING f.chat_key
        """,
        (list(paths), list(numbers)),
    ).fetchall()
    conn.execute(
        """
        DELETE FROM exceptions e WHERE e.file_path = ANY(%s)
        AND NOT EXISTS (SELECT FROM chat_files f WHERE f.file_path = e.file_path)
        """,
        (list(paths),),
    )
    duplicates.mark(conn, sorted({key for (key,) in rows if key}))
    qa_results.forget_samples(conn)
    return len(rows)


def delete_months_before(conn: Connection, month: str) -> int:
    """Delete the chats of months before `month` (`YYYY-MM`), for the retention rule. Return how many.

    The findings and check results of these months are deleted, too.
    """
    duplicates.lock(conn)  # take this lock before any row lock, as loading does
    rows = conn.execute("DELETE FROM chat_files WHERE month < %s RETURNING chat_key", (month,)).fetchall()
    conn.execute("DELETE FROM exceptions WHERE month < %s", (month,))
    qa_results.forget_months_before(conn, month)
    duplicates.mark(conn, sorted({key for (key,) in rows if key}))
    return len(rows)


def add_audit_row(conn: Connection, action: str, subject: bytes | None, detail: Mapping[str, Any]) -> None:
    """Add a row to the audit log. `subject` is a keyed hash. `detail` has counts and no personal data."""
    conn.execute(
        "INSERT INTO audit_log (action, subject, detail) VALUES (%s, %s, %s)",
        (action, subject, json.dumps(dict(detail))),
    )


def audit_rows(conn: Connection, limit: int = 50) -> list[dict[str, Any]]:
    """Return the newest rows of the audit log."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT at, actor, action, encode(subject, 'hex') AS subject, detail FROM audit_log"
            " ORDER BY id DESC LIMIT %s",
            (limit,),
        ).fetchall()

"""Finding the changes that a dry run would make, by comparing the database before and after the run.

What belongs here: copying the relevant columns of each table, and counts and examples of changes. What does
not: showing them.

Both states are read in the transaction of the dry run. Examples are masked unless names are requested.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, LiteralString

from whatsapp_pipeline.domain.masking import mask_title
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts.labels import contact_labels

EXAMPLES = 5
_CONTACT = re.compile(r"\bcontact (\d+)")

_REMEMBER: LiteralString = """
DROP TABLE IF EXISTS before_contacts, before_orders, before_chats, before_sessions, before_messages,
    before_summaries;
CREATE TEMP TABLE before_contacts ON COMMIT DROP AS SELECT id, md5(t::text) AS content FROM contatos t;
CREATE TEMP TABLE before_orders ON COMMIT DROP AS SELECT id, md5(t::text) AS content FROM ordens_servico t;
CREATE TEMP TABLE before_chats ON COMMIT DROP AS
    SELECT id, match_status, id_contato, processing_status, content_hash FROM chat_files;
CREATE TEMP TABLE before_sessions ON COMMIT DROP AS SELECT id, id_ordem_servico FROM chat_sessions;
CREATE TEMP TABLE before_messages ON COMMIT DROP AS
    SELECT id_chat_file, count(*) AS messages FROM chat_messages GROUP BY 1;
CREATE TEMP TABLE before_summaries ON COMMIT DROP AS
    SELECT id_contato, md5(summary) AS content FROM customer_chat_summaries;
"""

# By kind of rows: the statement that returns (change, text, month, title) of each changed row.
_COMPARE: dict[str, LiteralString] = {
    "contacts": """
        SELECT CASE WHEN a.id IN (SELECT id FROM before_contacts WHERE id IS NOT NULL)
                    THEN 'changed' ELSE 'inserted' END, 'contact ' || a.id, NULL, NULL
        FROM contatos a LEFT JOIN before_contacts b ON b.id = a.id AND b.content = md5(a::text)
        WHERE a.id IS NOT NULL AND b.id IS NULL ORDER BY a.id
    """,
    "orders": """
        SELECT CASE WHEN a.id IN (SELECT id FROM before_orders WHERE id IS NOT NULL)
                    THEN 'changed' ELSE 'inserted' END, 'order ' || a.id, NULL, NULL
        FROM ordens_servico a LEFT JOIN before_orders b ON b.id = a.id AND b.content = md5(a::text)
        WHERE a.id IS NOT NULL AND b.id IS NULL ORDER BY a.id
    """,
    "chats": """
        SELECT CASE WHEN b.id IS NULL THEN 'inserted'
                    WHEN a.processing_status = 'vanished' THEN 'vanished' ELSE 'changed' END,
               'chat ' || a.id, a.month, a.title
        FROM chat_files a LEFT JOIN before_chats b USING (id)
        WHERE b.id IS NULL OR b.content_hash IS DISTINCT FROM a.content_hash
           OR (a.processing_status = 'vanished') <> (b.processing_status = 'vanished') ORDER BY a.id
    """,
    "links to contacts": """
        SELECT CASE WHEN b.id_contato IS NULL THEN 'linked'
                    WHEN a.id_contato IS NULL THEN 'unlinked' ELSE 'changed' END,
               coalesce('contact ' || b.id_contato, coalesce(b.match_status, 'new')) || ' → '
               || coalesce('contact ' || a.id_contato, a.match_status)
               || ' (' || coalesce(a.match_method, 'none')
               || coalesce(' ' || round(a.match_confidence::numeric, 2), '') || ')',
               a.month, a.title
        FROM chat_files a LEFT JOIN before_chats b USING (id)
        WHERE a.id_contato IS DISTINCT FROM b.id_contato ORDER BY a.month, a.id
    """,
    "links to orders": """
        SELECT CASE WHEN b.id_ordem_servico IS NULL THEN 'linked'
                    WHEN a.id_ordem_servico IS NULL THEN 'unlinked' ELSE 'changed' END,
               'session ' || a.number || ': ' || coalesce('order ' || b.id_ordem_servico, 'none') || ' → '
               || coalesce('order ' || a.id_ordem_servico, 'none'),
               f.month, f.title
        FROM chat_sessions a JOIN chat_files f ON f.id = a.id_chat_file
        LEFT JOIN before_sessions b ON b.id = a.id
        WHERE a.id_ordem_servico IS DISTINCT FROM b.id_ordem_servico ORDER BY f.month, f.id, a.number
    """,
    "chats with messages": """
        SELECT CASE WHEN n.messages > coalesce(b.messages, 0) THEN 'inserted' ELSE 'removed' END,
               abs(n.messages - coalesce(b.messages, 0)) || ' messages', f.month, f.title
        FROM (SELECT id_chat_file, count(*) AS messages FROM chat_messages GROUP BY 1) n
        JOIN chat_files f ON f.id = n.id_chat_file LEFT JOIN before_messages b USING (id_chat_file)
        WHERE n.messages <> coalesce(b.messages, 0) ORDER BY f.month, f.id
    """,
    "summaries": """
        SELECT CASE WHEN b.id_contato IS NULL THEN 'inserted' WHEN a.id_contato IS NULL THEN 'removed'
                    ELSE 'changed' END, 'contact ' || coalesce(a.id_contato, b.id_contato), NULL, NULL
        FROM customer_chat_summaries a FULL JOIN before_summaries b USING (id_contato)
        WHERE b.content IS DISTINCT FROM md5(a.summary) ORDER BY 2
    """,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of rows of one kind: the number of rows, and a few of them as text."""

    what: str
    change: str
    count: int
    examples: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        return {
            "what": self.what,
            "change": self.change,
            "count": self.count,
            "examples": list(self.examples),
        }


def remember(conn: Connection) -> None:
    """Copy the current state. Call it at the beginning of the dry run's transaction."""
    conn.execute(_REMEMBER)


def list_changes(conn: Connection, *, show_names: bool = False) -> list[Change]:
    """Return the changes since `remember`, in the order of the pipeline. Call it before the rollback.

    With `show_names`, examples have titles and names of contacts.
    """
    changes = []
    for what, statement in _COMPARE.items():
        counts: dict[str, int] = {}
        examples: dict[str, list[str]] = {}
        for change, words, month, title in conn.execute(statement):
            counts[change] = counts.get(change, 0) + 1
            shown = examples.setdefault(change, [])
            if len(shown) < EXAMPLES:
                place = f"{month} {title if show_names else mask_title(title)}: " if month else ""
                shown.append(place + words)
        changes += [
            Change(what, name, count, tuple(examples[name])) for name, count in sorted(counts.items())
        ]
    return _with_contact_names(conn, changes) if show_names else changes


def _with_contact_names(conn: Connection, changes: list[Change]) -> list[Change]:
    ids = {int(id_) for change in changes for words in change.examples for id_ in _CONTACT.findall(words)}
    labels = contact_labels(conn, ids)

    def named(match: re.Match[str]) -> str:
        label = labels.get(int(match[1]), "")
        return f"{match[0]} ({label})" if label else match[0]

    return [
        replace(change, examples=tuple(_CONTACT.sub(named, words) for words in change.examples))
        for change in changes
    ]

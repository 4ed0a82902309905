"""The work tables of commitments in chats and live conversations that are linked to no customer.

What belongs here: finding such chats with changed messages, staging their messages, and deleting the
commitments of chats that have a customer now. What does not: writing commitments (commitments.py), and the
tables themselves, which one run shares with the customers' summaries (summary_work.py).

The key of a chat in `work_unlinked` is its id. The key of a live conversation is its negative id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from whatsapp_pipeline.store import statistics
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.overrides import ABOUT, ABOUT_CONVERSATION
from whatsapp_pipeline.store.queries import load
from whatsapp_pipeline.store.summaries.summary_work import prepare_batch_tables

# The chats for which a person decided that they belong to no customer, for example to a supplier. Chats of a
# customer who is not registered yet are not among them. Among several decisions, the narrowest counts, and of
# these the newest (domain/matching/overrides.py).
_NOBODYS = """
    SELECT f.id FROM {table} f
     WHERE f.match_status = 'manual' AND f.id_contato IS NULL
       AND coalesce((
           SELECT o.nobody_kind FROM link_overrides o
            WHERE o.removed_at IS NULL AND o.decision IN ('contact', 'no_contact') AND {about}
            ORDER BY array_position(ARRAY['file', 'conversation', 'phone', 'title'], o.target_kind),
                     o.chat_number IS NULL, o.id DESC
            LIMIT 1), '') NOT IN ('unregistered', 'new_customer')
"""
_NOBODYS_CHATS = _NOBODYS.format(table="chat_files", about=ABOUT)
_NOBODYS_CONVERSATIONS = _NOBODYS.format(table="conversations", about=ABOUT_CONVERSATION)


class UnlinkedScope(NamedTuple):
    """The chats without a customer that a run examines, and the inputs of their commitments.

    `options_digest` is a hash of all inputs except the messages. `started` is the start of the run by the
    server's clock. With `live_only`, the run examines only live conversations that changed since they were
    read. Chats of `held_months` are not changed.
    """

    options_digest: str
    started: datetime
    live_only: bool = False
    held_months: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class UnlinkedChats:
    """The staged chats without a customer."""

    conn: Connection
    scope: UnlinkedScope

    def remove_missing(self) -> int:
        """Delete commitments of chats that may not have them any more. Return how many.

        These are chats that now have a customer, that a person decided to be nobody's, or that have no
        message. With `live_only`, chats of the archive and chats without a message are not examined.
        """
        values = {"held": list(self.scope.held_months)}
        linked = """
            conversation_id IN (
                SELECT id FROM conversations
                 WHERE is_group OR id_contato IS NOT NULL AND match_status IN ('linked', 'manual')
                UNION ALL SELECT -key FROM work_nobodys WHERE key < 0)
        """
        missing_chat = """
            id_chat_file IS NOT NULL AND NOT EXISTS (SELECT FROM work_unlinked w WHERE w.key = id_chat_file)
            AND NOT EXISTS (SELECT FROM chat_files f WHERE f.id = id_chat_file AND f.month = ANY (%(held)s))
        """
        self.conn.execute(f"DELETE FROM unlinked_chats_read WHERE {linked}", values)
        if self.scope.live_only:
            self._note_empty_conversations()
            return self.conn.execute(f"DELETE FROM commitments WHERE {linked}", values).rowcount
        self.conn.execute(f"DELETE FROM unlinked_chats_read WHERE {missing_chat}", values)
        self._note_empty_conversations()
        missing_conversation = """
            conversation_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM work_unlinked w WHERE w.key = -conversation_id)
        """
        return self.conn.execute(
            f"DELETE FROM commitments WHERE {missing_chat} OR {missing_conversation}", values
        ).rowcount

    def _note_empty_conversations(self) -> None:
        """Store that live conversations were read whose messages are all in exports, or that have none."""
        self.conn.execute(
            """
            INSERT INTO unlinked_chats_read AS kept (conversation_id, input_hash, read_at)
            SELECT c.id, 'empty', %(started)s FROM conversations c
             WHERE NOT c.is_group AND (c.id_contato IS NULL OR c.match_status NOT IN ('linked', 'manual'))
               AND NOT EXISTS (SELECT FROM work_unlinked w WHERE w.key = -c.id)
               AND NOT EXISTS (SELECT FROM work_nobodys n WHERE n.key = -c.id)
               AND NOT EXISTS (SELECT FROM unlinked_chats_read r
                                WHERE r.conversation_id = c.id AND r.read_at >= c.changed_at
                                  AND (%(live_only)s OR r.input_hash = 'empty'))
            ON CONFLICT (conversation_id) DO UPDATE SET input_hash = 'empty', read_at = excluded.read_at
            """,
            {"started": self.scope.started, "live_only": self.scope.live_only},
        )

    def divide(self, *, rebuild: bool, batch_size: int) -> list[int]:
        """Divide the chats whose messages changed into batches. Return the numbers of the batches.

        A batch has about `batch_size` messages. With `rebuild`, all chats are divided.
        """
        if not rebuild:
            self.conn.execute(
                """
                UPDATE unlinked_chats_read r SET read_at = %(started)s
                  FROM work_unlinked w, conversations c
                 WHERE w.key = r.key AND c.id = r.conversation_id AND w.input_hash = r.input_hash
                   AND c.changed_at > r.read_at
                """,
                {"started": self.scope.started},
            )
            self.conn.execute(
                """
                DELETE FROM work_unlinked w USING unlinked_chats_read r
                 WHERE w.key = r.key AND w.input_hash = r.input_hash
                """
            )
        self.conn.execute(
            """
            WITH cut AS (
                SELECT key, (sum(messages) OVER (ORDER BY key) - messages)::bigint / %(size)s AS batch
                  FROM work_unlinked
            )
            UPDATE work_unlinked w SET batch = cut.batch FROM cut WHERE cut.key = w.key
            """,
            {"size": batch_size},
        )
        rows = self.conn.execute("SELECT DISTINCT batch FROM work_unlinked ORDER BY batch").fetchall()
        return [number for (number,) in rows]

    def stage(self, batch: int) -> list[int]:
        """Stage the messages of one batch. Return the keys of its chats."""
        prepare_batch_tables(self.conn)
        rows = self.conn.execute("SELECT key FROM work_unlinked WHERE batch = %s ORDER BY key", (batch,))
        keys = [key for (key,) in rows.fetchall()]
        values = {
            "chats": [key for key in keys if key > 0],
            "conversations": [-key for key in keys if key < 0],
        }
        self.conn.execute(load("summaries/unlinked_messages"), values)
        statistics.analyze_sample(self.conn, "work_messages")
        return keys

    def note_read(self, batch: int) -> None:
        """Store that the messages of the batch's chats were read."""
        self.conn.execute(
            "DELETE FROM unlinked_chats_read r USING work_unlinked w"
            " WHERE w.batch = %(batch)s AND w.key = r.key",
            {"batch": batch},
        )
        self.conn.execute(
            """
            INSERT INTO unlinked_chats_read (id_chat_file, conversation_id, input_hash, read_at)
            SELECT CASE WHEN key > 0 THEN key END, CASE WHEN key < 0 THEN -key END, input_hash, %(started)s
              FROM work_unlinked WHERE batch = %(batch)s
            """,
            {"batch": batch, "started": self.scope.started},
        )


def stage_unlinked(conn: Connection, scope: UnlinkedScope) -> UnlinkedChats:
    """Stage the chats and live conversations that are linked to no customer, with their input hashes.

    Chats without a customer by a person's decision are left out.
    """
    conn.execute("TRUNCATE work_unlinked, work_nobodys")
    conn.execute(
        f"INSERT INTO work_nobodys SELECT id FROM ({_NOBODYS_CHATS}) f WHERE NOT %s".encode(),
        (scope.live_only,),
    )
    conn.execute(f"INSERT INTO work_nobodys SELECT -id FROM ({_NOBODYS_CONVERSATIONS}) f".encode())
    conn.execute("ANALYZE work_nobodys")
    conn.execute(
        load("summaries/unlinked_inputs"),
        {
            "options": scope.options_digest,
            "live_only": scope.live_only,
            "held": list(scope.held_months),
        },
    )
    conn.execute("ANALYZE work_unlinked")
    return UnlinkedChats(conn, scope)


def unlinked_change(conn: Connection, *, quiet: timedelta) -> datetime | None:
    """Return the latest change of unlinked live conversations that were not read since, or None.

    Conversations that a person decided to be nobody's, or that changed within the time `quiet`, do not count.
    """
    row = conn.execute(
        f"""
        SELECT max(c.changed_at) FROM conversations c
          LEFT JOIN unlinked_chats_read r ON r.conversation_id = c.id
         WHERE NOT c.is_group AND (c.id_contato IS NULL OR c.match_status NOT IN ('linked', 'manual'))
           AND c.changed_at <= now() - %(quiet)s AND (r.read_at IS NULL OR r.read_at < c.changed_at)
           AND c.id NOT IN ({_NOBODYS_CONVERSATIONS})
        """.encode(),
        {"quiet": quiet},
    ).fetchone()
    return row[0] if row else None

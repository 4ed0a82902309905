"""A test of the conversation functions on a live database. Everything that it writes is rolled back."""

from __future__ import annotations

from uuid import uuid4

import psycopg

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import accounts
from whatsapp_pipeline.store.conversations.conversations import (
    add_conversation_message,
    get_last_messages,
    get_or_create_conversation,
)


def verify_conversations(conn: Connection) -> list[str]:
    """Test the conversation functions with a new tenant, account and conversation; return one line per check.

    Everything happens in one transaction that is rolled back. Raises PipelineError when a check fails.
    """
    account = f"verify-{uuid4().hex[:12]}"
    lines: list[str] = []

    def expect(found: bool, words: str) -> None:
        if not found:
            raise PipelineError(f"verify failed: {words}")
        lines.append(f"ok: {words}")

    with conn.transaction() as outer:
        tenant_id = accounts.ensure_tenant(conn, account)
        accounts.add_account(conn, account, tenant_id)
        first = get_or_create_conversation(conn, tenant_id, account, "5541999990000")
        second = get_or_create_conversation(conn, tenant_id, account, "554199990000")
        expect(first == second, "one conversation for one number, with and without its ninth digit")
        add_conversation_message(conn, first, "user", "primeira")
        expect(len(get_last_messages(conn, first)) == 1, "one message after the first")
        add_conversation_message(conn, first, "assistant", "segunda")
        texts = [message.text for message in get_last_messages(conn, first)]
        expect(len(texts) == 2, "two messages after the second")
        expect(texts == ["primeira", "segunda"], "oldest first")
        raise psycopg.Rollback(outer)
    lines.append("ok: all test data was removed")
    return lines

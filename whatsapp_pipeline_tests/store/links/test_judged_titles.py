"""What the name model learns from: the titles whose contact a person decided, and those that do not count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import models

ANA, BIA, DELETED = 1, 2, 3

# Chats: path, chat number, title, whether it is a group's, and the contact that it is linked to.
CHATS: tuple[tuple[str, int, str | None, bool, int | None], ...] = (
    ("chosen", 1, "chosen", False, None),
    ("nobody", 1, "nobody", False, None),
    ("refused", 1, "refused", False, None),
    ("chosen after a refusal", 1, "mended", False, None),
    ("both chats", 1, "first of both", False, None),
    ("both chats", 2, "second of both", False, None),
    ("one chat", 1, "first of one", False, None),
    ("one chat", 2, "second of one", False, None),
    ("no title", 1, None, False, None),
    ("group", 1, "group", True, None),
    ("chosen contact is deleted", 1, "lost", False, None),
    ("refused contact is deleted", 1, "lost refusal", False, None),
    ("taken back", 1, "taken back", False, None),
    ("about an order", 1, "about an order", False, None),
    ("a path that is a title", 1, "its chat", False, None),
    ("same a", 1, "same", False, None),
    ("same b", 1, "same", False, None),
    ("same c", 1, "same", False, None),
    ("same d", 1, "same", False, None),
    ("right", 1, "said to be right", False, ANA),
    ("unjudged", 1, "unjudged", False, ANA),
    ("wrong", 1, "said to be wrong", False, ANA),
    ("unsure", 1, "said to be unsure", False, ANA),
    ("withdrawn", 1, "withdrawn", False, ANA),
    ("was a proposal", 1, "was a proposal", False, ANA),
    ("linked to another since", 1, "linked to another since", False, BIA),
    ("right without a title", 1, None, False, ANA),
    ("right in a group", 1, "right in a group", True, ANA),
)
# Decisions in order: kind, target, decision, contact or order, and the chat of the file.
DECISIONS: tuple[tuple[str, str, str, int | None, int | None], ...] = (
    ("title", "Title Chosen", "contact", ANA, None),
    ("title", "Title Nobody", "no_contact", None, None),
    ("title", "Title Refused", "not_contact", ANA, None),
    ("title", "Title Lost", "contact", DELETED, None),
    ("title", "Title Order", "order", 9, None),
    ("title", "a path that is a title", "contact", BIA, None),
    ("phone", "4199990001", "contact", ANA, None),
    ("conversation", "acc/wa:554199990001", "contact", ANA, None),
    ("file", "chosen", "contact", BIA, None),
    ("file", "nobody", "no_contact", None, None),
    ("file", "refused", "not_contact", ANA, None),
    ("file", "chosen after a refusal", "not_contact", ANA, None),
    ("file", "chosen after a refusal", "contact", BIA, None),
    ("file", "both chats", "contact", ANA, None),
    ("file", "one chat", "contact", ANA, 2),
    ("file", "no title", "contact", ANA, None),
    ("file", "group", "contact", ANA, None),
    ("file", "chosen contact is deleted", "contact", DELETED, None),
    ("file", "refused contact is deleted", "not_contact", DELETED, None),
    ("file", "about an order", "no_order", None, None),
    ("file", "same a", "contact", BIA, None),
    ("file", "same b", "contact", ANA, None),
    ("file", "same c", "contact", BIA, None),
    ("file", "same d", "no_contact", None, None),
    ("file", "not in the archive", "contact", ANA, None),
)
# Verdicts: the path of the chat, the verdict, and what the chat was at that time.
VERDICTS = (
    ("right", "right", "linked", ANA),
    ("wrong", "wrong", "linked", ANA),
    ("unsure", "unsure", "linked", ANA),
    ("was a proposal", "right", "proposed", ANA),
    ("linked to another since", "right", "linked", ANA),
    ("right without a title", "right", "linked", ANA),
    ("right in a group", "right", "linked", ANA),
)


@pytest.fixture(scope="module")
def judged(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        for id_ in (ANA, BIA, DELETED):
            conn.execute("INSERT INTO contatos (id, nome) VALUES (%s, 'x')", (id_,))
        conn.execute("INSERT INTO ordens_servico (id, id_contato) VALUES (9, %s)", (ANA,))
        for path, number, title, is_group, contact in CHATS:
            conn.execute(
                "INSERT INTO chat_files (filename, file_path, chat_number, month, title, is_group,"
                " id_contato, match_status) VALUES (%s, %s, %s, '2025-01', %s, %s, %s, %s)",
                (path, path, number, title, is_group, contact, "linked" if contact else "unmatched"),
            )
        for kind, target, decision, decided, of_chat in DECISIONS:
            conn.execute(
                "SELECT override_link(%s, %s, %s, %s, 'why', 'vera', %s)",
                (kind, target, decision, decided, of_chat),
            )
        conn.execute(
            "SELECT remove_override(override_link('file', 'taken back', 'contact', %s, 'why'), 'why')", (ANA,)
        )
        for path, verdict, status, contact in (*VERDICTS, ("withdrawn", "right", "linked", ANA)):
            conn.execute(
                "INSERT INTO review_verdicts (id_chat_file, verdict, match_status, id_contato, withdrawn_at)"
                " SELECT id, %s, %s, %s, CASE WHEN %s = 'withdrawn' THEN now() END"
                " FROM chat_files WHERE file_path = %s",
                (verdict, status, contact, path, path),
            )
        conn.execute("DELETE FROM contatos WHERE id = %s", (DELETED,))
        yield conn


def test_the_titles_that_people_decided(judged: Connection) -> None:
    assert models.decided_titles(judged) == [
        ("a path that is a title", BIA),
        ("chosen", BIA),
        ("first of both", ANA),
        ("mended", BIA),  # the refusal counts only where no contact was chosen
        ("nobody", None),
        ("refused", None),
        ("said to be right", ANA),
        ("same", ANA),  # three chats of one title: each contact once
        ("same", BIA),
        ("same", None),
        ("second of both", ANA),
        ("second of one", ANA),
        ("title chosen", ANA),
        ("title nobody", None),
    ]

"""Which index a search follows: the one over words, or the one over times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from whatsapp_pipeline.store.chats.search import MessageSearch, find_messages, parse_words
from whatsapp_pipeline.store.chats.search_words import add_new_words
from whatsapp_pipeline.store.connection import Connection, connect

MESSAGES = 20_000
# A prepared statement is planned anew five times, and may then keep one plan for all words.
OFTEN = 12


@pytest.fixture
def filled(fresh_database_url: str) -> Iterator[Connection]:
    """A database in which every message has `comum` and one in 2,000 has `raro`."""
    with connect(fresh_database_url) as conn:
        conn.execute(
            """
            WITH chat AS (
                INSERT INTO chat_files (filename, file_path, month, title, processing_status)
                VALUES ('a', 'a', '2024-01', 'a', 'loaded') RETURNING id)
            INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,
                                       message_text, line, body_hash)
            SELECT chat.id, n, timestamp '2024-01-01' + n * interval '1 minute', 'from', 'text',
                   'palavra' || n %% 300 || ' comum' || CASE WHEN n %% 2000 = 0 THEN ' raro' ELSE '' END, n, n
              FROM chat, generate_series(1, %s) n
            """,
            (MESSAGES,),
        )
        conn.execute("VACUUM ANALYZE chat_messages")
        # As after a load: the words are known, so hits are compared with the word as it was typed.
        add_new_words(conn)
        assert parse_words(conn, "comum").recheck is not None
        yield conn


def _read_from(conn: Connection, index: str) -> int:
    """Return how many entries of an index this transaction has read."""
    row = conn.execute("SELECT pg_stat_get_xact_tuples_returned(%s::regclass)", (index,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("since", "until"), [(None, None), (datetime(2024, 1, 3), datetime(2024, 1, 9))], ids=["ever", "a week"]
)
def test_the_newest_hits_of_a_common_word_end_the_search(
    filled: Connection, since: datetime | None, until: datetime | None
) -> None:
    wanted = MessageSearch("comum", sort="date", since=since, until=until, limit=20)
    with filled.transaction():
        for _ in range(OFTEN):
            hits = find_messages(filled, wanted)
            assert [hit.at for hit in hits] == sorted((hit.at for hit in hits), reverse=True)
            assert len(hits) == 21
        assert _read_from(filled, "chat_messages_search_idx") == 0
        assert _read_from(filled, "chat_messages_timestamp_idx") < OFTEN * 100


def test_ranked_hits_are_compared_until_a_page_is_full(filled: Connection) -> None:
    """Each hit that is compared is looked up once, and one in 2,000 of all messages has the word `raro`."""
    with filled.transaction():
        assert len(find_messages(filled, MessageSearch("comum", limit=20))) == 21
        # Some are looked up for the comparison and some again for the page.
        assert _read_from(filled, "chat_messages_pkey") < 100


def test_a_page_is_filled_although_most_hits_do_not_fit(filled: Connection) -> None:
    """`casa` and `caso` have one stem; only the one that was typed may be shown."""
    filled.execute(
        "UPDATE chat_messages SET message_text = CASE WHEN ordinal % 800 = 0 THEN 'casa' ELSE 'caso' END"
        " WHERE ordinal % 10 = 0"
    )
    filled.execute("INSERT INTO search_words (word) VALUES ('cas')")
    seen: list[int] = []
    after = None
    while True:
        hits = find_messages(filled, MessageSearch("casa", after=after, limit=9))
        seen += [hit.message_id for hit in hits[:9]]
        if len(hits) <= 9:
            break
        after = (hits[8].score, hits[8].source, hits[8].message_id)
    rows = filled.execute(
        "SELECT id FROM chat_messages WHERE message_text = 'casa' ORDER BY message_timestamp DESC"
    )
    assert seen == [row[0] for row in rows]
    assert len(seen) == MESSAGES // 800


def test_a_rare_word_is_found_by_the_index_over_words(filled: Connection) -> None:
    with filled.transaction():
        for _ in range(OFTEN):
            hits = find_messages(filled, MessageSearch("raro", sort="date"))
            assert len(hits) == MESSAGES // 2000
        assert _read_from(filled, "chat_messages_timestamp_idx") == 0
        assert _read_from(filled, "chat_messages_search_idx") > 0

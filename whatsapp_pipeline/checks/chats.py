"""QA of the chats: every file of the archive is indexed, every line accounted for, every time explained."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope, rule
from whatsapp_pipeline.store.operations.backlog import erased_paths
from whatsapp_pipeline.store.operations.checks import Findings, find, indexed_paths


def _files_not_indexed(scope: Scope) -> Findings:
    chats = scope.archive.open()
    missing: list[dict[str, object]] = []
    by_month: dict[str, int] = {}
    examined = 0
    for month in sorted(set(scope.months) & set(chats.months())):
        known = indexed_paths(scope.conn, month)
        on_disk = [file.path for file in chats.listing(month).files]
        examined += len(on_disk)
        absent = [path for path in on_disk if path not in known]
        erased = erased_paths(scope.conn, absent)
        absent = [path for path in absent if path not in erased]
        if absent:
            by_month[month] = len(absent)
            missing += [{"month": month, "file": path} for path in absent]
    return Findings.of(examined, missing, by_month)


def _index_exceptions(scope: Scope) -> Findings:
    # Files, not findings nor chats: a file may have several of each. What vanished has a check of its own.
    return find(
        scope.conn,
        """
        SELECT count(*) FROM (
            SELECT file_path FROM chat_files WHERE month = ANY(%(months)s)
            UNION SELECT file_path FROM exceptions
            WHERE stage = 'chat_file_index' AND severity <> 'info' AND kind <> 'vanished'
              AND (month = ANY(%(months)s) OR month IS NULL)
        ) AS files
        """,
        """
        SELECT min(month) AS month, file_path AS file, string_agg(DISTINCT kind, ', ') AS kinds,
               left(min(detail), 120) AS detail
        FROM exceptions
        WHERE stage = 'chat_file_index' AND severity <> 'info' AND kind <> 'vanished'
          AND (month = ANY(%(months)s) OR month IS NULL)
        GROUP BY file_path
        ORDER BY month, kinds, file_path
        """,
        {"months": scope.months},
    )


def _not_loaded(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM chat_files WHERE month = ANY(%(months)s)",
        """
        SELECT month, id AS chat, file_path AS file, processing_status AS status
        FROM chat_files
        WHERE month = ANY(%(months)s) AND processing_status NOT IN ('loaded', 'vanished')
        ORDER BY month, id
        """,
        {"months": scope.months},
    )


def _lines_lost(scope: Scope) -> Findings:
    return find(
        scope.conn,
        """
        SELECT coalesce(sum(line_count), 0) FROM chat_files
        WHERE month = ANY(%(months)s) AND processing_status = 'loaded'
        """,
        """
        SELECT month, file_path AS file, line, kind, left(detail, 120) AS detail
        FROM exceptions
        WHERE stage = 'chat_messages' AND severity = 'error' AND month = ANY(%(months)s)
        ORDER BY month, file_path, line
        """,
        {"months": scope.months},
    )


def _counts_differ(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM chat_files WHERE month = ANY(%(months)s) AND processing_status = 'loaded'",
        """
        SELECT f.month, f.id AS chat, f.title, f.message_count AS in_file, count(m.id) AS in_table
        FROM chat_files f LEFT JOIN chat_messages m ON m.id_chat_file = f.id
        WHERE f.month = ANY(%(months)s) AND f.processing_status = 'loaded'
        GROUP BY f.id HAVING count(m.id) IS DISTINCT FROM f.message_count
        ORDER BY f.month, f.id
        """,
        {"months": scope.months},
    )


def _times_out_of_order(scope: Scope) -> Findings:
    # Two thirds of real files hold an inversion, nearly all from notifications: those are explained.
    return find(
        scope.conn,
        """
        SELECT count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
        WHERE f.month = ANY(%(months)s) AND m.direction <> 'notification'
        """,
        """
        SELECT month, chat, title, line, time, before
        FROM (
            SELECT f.month, f.id AS chat, f.title, m.line, m.message_timestamp AS time,
                   lag(m.message_timestamp) OVER (PARTITION BY f.id ORDER BY m.ordinal) AS before
            FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
            WHERE f.month = ANY(%(months)s) AND m.direction <> 'notification'
        ) ordered
        WHERE time < before
        ORDER BY month, chat, line
        """,
        {"months": scope.months},
    )


_CHATS = """
    SELECT count(*) FROM chat_files WHERE month = ANY(%(months)s) AND processing_status <> 'vanished'
"""
_MESSAGES = """
    SELECT count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s)
"""
_vanished = rule(
    "SELECT count(*) FROM chat_files WHERE month = ANY(%(months)s)",
    """
    SELECT month, id AS chat, file_path AS file, message_count AS messages FROM chat_files
    WHERE month = ANY(%(months)s) AND processing_status = 'vanished' ORDER BY month, id
    """,
)
_nothing_in_title = rule(
    _CHATS,
    """
    SELECT month, id AS chat, file_path AS file FROM chat_files
    WHERE month = ANY(%(months)s) AND processing_status NOT IN ('vanished', 'failed') AND NOT is_group
      AND phone_number IS NULL AND btrim(coalesce(customer_name, '')) = '' AND reference_os IS NULL
    ORDER BY month, id
    """,
)
_empty_chats = rule(
    _CHATS,
    """
    SELECT month, id AS chat, file_path AS file, size_bytes AS bytes FROM chat_files
    WHERE month = ANY(%(months)s) AND processing_status NOT IN ('vanished', 'failed')
      AND coalesce(message_count, 0) = 0
    ORDER BY month, id
    """,
)
_whole_duplicates = rule(
    _CHATS,
    """
    SELECT month, id AS chat, title, duplicate_of FROM chat_files
    WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' AND duplicate_of IS NOT NULL
    ORDER BY month, id
    """,
)
# A month is compared with the median of the others, and only where there are three of them and it is over.
_unusual_volume = rule(
    "SELECT count(DISTINCT month) FROM chat_files WHERE month = ANY(%(months)s)",
    """
    WITH files AS (
        SELECT month, count(*) AS files FROM chat_files WHERE processing_status <> 'vanished' GROUP BY month
    )
    SELECT f.month, f.files, o.usual
    FROM files f CROSS JOIN LATERAL (
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY files) AS usual, count(*) AS months
        FROM files o WHERE o.month <> f.month
    ) o
    WHERE f.month = ANY(%(months)s) AND o.months >= 3 AND f.month < to_char(current_date, 'YYYY-MM')
      AND (f.files < o.usual * 0.4 OR f.files > o.usual * 2.5)
    ORDER BY f.month
    """,
)
_impossible_times = rule(
    _MESSAGES,
    """
    SELECT f.month, f.id AS chat, f.title, m.line, m.message_timestamp::text AS time
    FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s)
      AND (m.message_timestamp < '2009-02-01' OR m.message_timestamp > now()::timestamp + interval '1 day'
           OR m.timestamp_utc IS NULL)
    ORDER BY f.month, f.id, m.line
    """,
)
_no_direction = rule(
    _MESSAGES,
    """
    SELECT f.month, f.id AS chat, f.title, f.format, count(*) AS messages
    FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s) AND m.direction IS NULL
    GROUP BY f.id ORDER BY f.month, f.id
    """,
)
_gaps_in_order = rule(
    "SELECT count(*) FROM chat_files WHERE month = ANY(%(months)s) AND processing_status = 'loaded'",
    """
    SELECT f.month, f.id AS chat, f.title, count(*) AS messages, max(m.ordinal) AS last_ordinal
    FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s) AND f.processing_status = 'loaded'
    GROUP BY f.id HAVING max(m.ordinal) <> count(*) OR min(m.ordinal) <> 1 ORDER BY f.month, f.id
    """,
)
_open_replies = rule(
    """
    SELECT count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s) AND (m.reply_timestamp IS NOT NULL OR m.responding_to IS NOT NULL)
    """,
    """
    SELECT f.month, f.id AS chat, f.title, m.line
    FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s) AND m.reply_to_id IS NULL
      AND (m.reply_timestamp IS NOT NULL OR m.responding_to IS NOT NULL)
    ORDER BY f.month, f.id, m.line
    """,
)
_empty_texts = rule(
    _MESSAGES,
    """
    SELECT f.month, f.id AS chat, f.title, m.line
    FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s) AND m.type = 'text' AND btrim(coalesce(m.message_text, '')) = ''
      AND m.attachment_name IS NULL
    ORDER BY f.month, f.id, m.line
    """,
)


CHECKS = [
    QaCheck(
        name="no_file_vanished",
        asset="chat_file_index",
        description="Files that were indexed and are no longer in the archive; what was read stays.",
        how_to_fix="Put the file back, or leave it: its messages are kept.",
        why="A file that was lost by mistake can't be loaded again.",
        find=_vanished,
    ),
    QaCheck(
        name="titles_say_something",
        asset="chat_file_index",
        description="Chats whose title has no phone, no name and no order number.",
        how_to_fix="Rename the file after the customer, or `whatsapp-pipeline override add`.",
        why="Only the phones inside such a chat can tell whose it is.",
        find=_nothing_in_title,
        tolerated=0.02,
    ),
    QaCheck(
        name="chats_are_not_empty",
        asset="chat_file_index",
        description="Readable files in which no message was found.",
        how_to_fix="Look at the file; `whatsapp-pipeline reparse` corrects a format that was not recognised.",
        why="An unknown format looks like an empty chat.",
        find=_empty_chats,
        tolerated=0.02,
    ),
    QaCheck(
        name="files_are_not_copies",
        asset="chat_file_index",
        description="Files all of whose messages an earlier file of the same chat holds.",
        how_to_fix="Nothing is counted twice; remove the copy from the archive to save time.",
        find=_whole_duplicates,
        tolerated=0.20,
    ),
    QaCheck(
        name="as_many_files_as_usual",
        asset="chat_file_index",
        description="Closed months with less than 40 % or more than 250 % of the usual number of chats.",
        how_to_fix="See whether an export is missing or was copied twice.",
        why="A month that was exported in part passes every other check.",
        find=_unusual_volume,
    ),
    QaCheck(
        name="times_are_possible",
        asset="chat_messages",
        description="Messages from before WhatsApp, from the future, or without an instant in UTC.",
        how_to_fix="`whatsapp-pipeline reparse` with the right date order or format.",
        why="A wrong date order moves messages by months, and all metrics with them.",
        find=_impossible_times,
        severity="error",
        tolerated=0.001,
    ),
    QaCheck(
        name="side_is_known",
        asset="chat_messages",
        description="Chats with messages that are neither from nor to the customer.",
        how_to_fix="Set CHAT_OWNER to the names or numbers that staff write under, and index again.",
        why="Sentiment and response times need to know who wrote.",
        find=_no_direction,
        tolerated=0.01,
    ),
    QaCheck(
        name="messages_have_no_gaps",
        asset="chat_messages",
        description="Chats whose messages are not numbered from 1 to their count.",
        how_to_fix="Materialize chat_messages for the month again.",
        why="A gap is a message that was lost after it was read.",
        find=_gaps_in_order,
        severity="error",
    ),
    QaCheck(
        name="replies_are_resolved",
        asset="chat_messages",
        description="Replies whose message was not found in the same chat.",
        how_to_fix="Usually the original is in an older export: load that month too.",
        find=_open_replies,
        tolerated=0.30,
    ),
    QaCheck(
        name="texts_are_not_empty",
        asset="chat_messages",
        description="Text messages without text.",
        how_to_fix="Look at the line; `whatsapp-pipeline reparse` corrects a format.",
        why="An empty body is usually one that was cut off.",
        find=_empty_texts,
        tolerated=0.02,
    ),
    QaCheck(
        name="files_on_disk_are_indexed",
        asset="chat_file_index",
        description="Every chat file in the month's folder has its row.",
        how_to_fix="Materialize chat_file_index again; a sample run leaves files out on purpose.",
        find=_files_not_indexed,
    ),
    QaCheck(
        name="files_are_readable_and_in_place",
        asset="chat_file_index",
        description="Files that could not be read, have no archive name, or lie in another month's folder.",
        how_to_fix="Rename, move or export the file again; `whatsapp-pipeline exceptions list` shows it.",
        find=_index_exceptions,
        tolerated=0.02,
    ),
    QaCheck(
        name="every_chat_is_loaded",
        asset="chat_messages",
        description="Chats of the month whose messages are not in the table.",
        how_to_fix="Materialize chat_messages for the month again; `exceptions list` says why a file failed.",
        find=_not_loaded,
        severity="error",
    ),
    QaCheck(
        name="lines_accounted_for",
        asset="chat_messages",
        description="Lines that are no separator, label, header or body of a message.",
        how_to_fix="`whatsapp-pipeline exceptions list` shows them; `reparse` corrects a format.",
        find=_lines_lost,
        severity="error",
        blocking=True,
        tolerated=0.01,
    ),
    QaCheck(
        name="message_counts_agree",
        asset="chat_messages",
        description="Chats whose rows in chat_messages differ from the messages counted in the file.",
        how_to_fix="Materialize chat_file_index and chat_messages for the month again.",
        find=_counts_differ,
        severity="error",
    ),
    QaCheck(
        name="times_in_order",
        asset="chat_messages",
        description="Messages dated before the one above them, notifications aside.",
        how_to_fix="Usually the exporter's: look at the lines; nothing is reordered in the table.",
        find=_times_out_of_order,
        tolerated=0.05,
    ),
]

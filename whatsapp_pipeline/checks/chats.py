"""QA of the chats: every file of the archive is indexed, every line accounted for, every time explained."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope
from whatsapp_pipeline.store.checks import Findings, find, indexed_paths


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
        if absent:
            by_month[month] = len(absent)
            missing += [{"month": month, "file": path} for path in absent]
    return Findings.of(examined, missing, by_month)


def _index_exceptions(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM chat_files WHERE month = ANY(%(months)s)",
        """
        SELECT month, file_path AS file, kind, severity, left(detail, 120) AS detail
        FROM exceptions
        WHERE stage = 'chat_file_index' AND severity <> 'info' AND (month = ANY(%(months)s) OR month IS NULL)
        ORDER BY month, kind, file_path
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


CHECKS = [
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

"""Checks of chats: every file is indexed, every line is accounted for, every time is possible.

What belongs here: rules as data. What does not: their statements (sql/queries/chats/check_<name>.sql).
"""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import CheckScope, QaCheck
from whatsapp_pipeline.domain.quality import Month
from whatsapp_pipeline.store.chats.ignored import ignored_paths
from whatsapp_pipeline.store.operations.backlog import erased_paths
from whatsapp_pipeline.store.operations.checks import Findings, Row, indexed_paths


def _files_not_indexed(scope: CheckScope) -> Findings:
    chats = scope.archive.open()
    examined: dict[Month, int] = {}
    missing: list[Row] = []
    ignored = ignored_paths(scope.conn)
    for month in sorted(set(scope.months) & set(chats.months())):
        known = indexed_paths(scope.conn, month)
        on_disk = [file.path for file in chats.listing(month).files if file.path not in ignored]
        examined[month] = len(on_disk)
        absent = [path for path in on_disk if path not in known]
        erased = erased_paths(scope.conn, absent)
        missing += [{"month": month, "file": path} for path in absent if path not in erased]
    return Findings.of(examined, missing)


CHECKS = [
    QaCheck(
        name="no_file_vanished",
        subject="chats",
        asset="chat_file_index",
        description="Files that were indexed and are no longer in the archive; their messages are kept.",
        how_to_fix="Put the file back. If it was deleted on purpose, do nothing.",
        why="A file that was lost by mistake can't be loaded again.",
    ),
    QaCheck(
        name="titles_say_something",
        subject="chats",
        asset="chat_file_index",
        description="Chats whose title has no phone, no name and no order number.",
        how_to_fix="Rename the file after the customer, or `whatsapp-pipeline override add --file FILE "
        "--contact ID --reason WHY`.",
        why="Only the phones inside such a chat can identify its contact.",
        tolerated=0.02,
    ),
    QaCheck(
        name="chats_are_not_empty",
        subject="chats",
        asset="chat_file_index",
        description="Readable files in which no message was found.",
        how_to_fix="Look at the file; `whatsapp-pipeline reparse --file FILE --format block` corrects a "
        "format that was not recognised.",
        why="An unknown format looks like an empty chat.",
        tolerated=0.02,
    ),
    QaCheck(
        name="files_are_not_copies",
        subject="chats",
        asset="chat_file_index",
        description="Files whose messages are all in an earlier file of the same chat.",
        how_to_fix="No message is counted twice. Remove the copy from the archive to save time.",
        tolerated=0.20,
    ),
    QaCheck(
        name="as_many_files_as_usual",
        subject="chats",
        asset="chat_file_index",
        description="Closed months with less than 40 % or more than 250 % of the usual number of chats.",
        how_to_fix="Check whether an export is missing or was copied twice.",
        why="A month of which only a part was exported passes every other check.",
    ),
    QaCheck(
        name="times_are_possible",
        subject="chats",
        asset="chat_messages",
        description="Messages from before WhatsApp, from the future, or without a time in UTC.",
        how_to_fix="`whatsapp-pipeline reparse --file FILE --date-order dmy` with the right order, or "
        "`--format`.",
        why="A wrong date order moves messages by months, and all metrics with them.",
        severity="error",
        tolerated=0.001,
    ),
    QaCheck(
        name="side_is_known",
        subject="chats",
        asset="chat_messages",
        description="Chats with messages that are neither from nor to the customer.",
        how_to_fix="Set CHAT_OWNER to the names or numbers that staff write under, and index again.",
        why="Sentiment and response times need to know who wrote.",
        tolerated=0.01,
    ),
    QaCheck(
        name="messages_have_no_gaps",
        subject="chats",
        asset="chat_messages",
        description="Chats whose messages are not numbered from 1 to their count.",
        how_to_fix="Materialize chat_messages for the month again.",
        why="A gap is a message that was lost after it was read.",
        severity="error",
    ),
    QaCheck(
        name="replies_are_resolved",
        subject="chats",
        asset="chat_messages",
        description="Replies whose original message was not found in the same chat.",
        how_to_fix="Usually the original message is in an older export; load that month, too.",
        tolerated=0.30,
    ),
    QaCheck(
        name="texts_are_not_empty",
        subject="chats",
        asset="chat_messages",
        description="Text messages without text.",
        how_to_fix="Look at the line; `whatsapp-pipeline reparse --file FILE --format block` corrects a "
        "wrong format.",
        why="A message without text was usually cut off.",
        tolerated=0.02,
    ),
    QaCheck(
        name="files_on_disk_are_indexed",
        subject="chats",
        asset="chat_file_index",
        description="Every chat file in the month's folder has a row in chat_files.",
        how_to_fix="Materialize chat_file_index again without `sample`; a sample omits files on purpose.",
        finder=_files_not_indexed,
    ),
    QaCheck(
        name="files_are_readable_and_in_place",
        subject="chats",
        asset="chat_file_index",
        description="Files that could not be read or stored, have no message, or are not in the folder of "
        "their month.",
        how_to_fix="`whatsapp-pipeline exceptions list` shows the reason. Rename or move the file, or export "
        "it again. `exceptions ignore --file` excludes a file that is not a chat.",
        tolerated=0.02,
    ),
    QaCheck(
        name="every_chat_is_loaded",
        subject="chats",
        asset="chat_messages",
        description="Chats of the month whose messages are not in chat_messages.",
        how_to_fix="Materialize chat_messages for the month again; `exceptions list` shows why a file "
        "failed.",
        severity="error",
    ),
    QaCheck(
        name="lines_accounted_for",
        subject="chats",
        asset="chat_messages",
        description="Lines that are no separator, label, header or body of a message.",
        how_to_fix="`whatsapp-pipeline exceptions list` shows them; `reparse` corrects a wrong format.",
        severity="error",
        blocking=True,
        tolerated=0.01,
    ),
    QaCheck(
        name="message_counts_agree",
        subject="chats",
        asset="chat_messages",
        description="Chats whose rows in chat_messages differ from the messages counted in the file.",
        how_to_fix="Materialize chat_file_index and chat_messages for the month again.",
        severity="error",
    ),
    QaCheck(
        name="times_in_order",
        subject="chats",
        asset="chat_messages",
        description="Messages with an earlier time than the message above them; notifications do not count.",
        how_to_fix="Usually the exporting program wrote these times. Look at the lines; the table keeps the "
        "order of the file.",
        tolerated=0.05,
    ),
]

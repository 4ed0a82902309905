"""Checks of conversations: no delivery waits too long or is stuck, no message is stored twice.

What belongs here: rules as data. What does not: statements (sql/queries/conversations/check_<name>.sql).
"""

from __future__ import annotations

from whatsapp_pipeline import settings
from whatsapp_pipeline.checks.qa import CheckScope, QaCheck
from whatsapp_pipeline.store.operations.checks import Findings, run_check_query
from whatsapp_pipeline.webhook import drainer, spool

MAX_AGE_SECONDS = 300


def _old_deliveries(scope: CheckScope) -> Findings:
    params = {"now": scope.now, "seconds": MAX_AGE_SECONDS}
    return run_check_query(
        scope.conn, "conversations/check_webhooks_processed_in_time", params, monthly=False
    )


def _spool(_: CheckScope) -> Findings:
    directory = spool.spool_directory(settings.load_settings())
    held = spool.segments(directory) if directory.exists() else []
    damaged, strays = drainer.damaged(directory), spool.list_stray(directory)
    # The receiver is writing to one segment; the others wait for the database.
    return Findings.of(
        len(held) + len(damaged) + len(strays),
        [
            *({"file": path.name, "state": "damaged"} for path in damaged),
            *({"file": path.name, "state": "stray"} for path in strays),
            *({"file": path.name, "state": "waiting"} for path in held[:-1]),
        ],
    )


CHECKS = [
    QaCheck(
        name="webhooks_processed_in_time",
        subject="conversations",
        asset="conversations",
        description=f"No delivery waits for more than {MAX_AGE_SECONDS // 60} minutes.",
        how_to_fix="Check that the sensor webhook_inbox_sensor is running and that its last runs succeeded.",
        finder=_old_deliveries,
    ),
    QaCheck(
        name="no_dead_webhooks",
        subject="conversations",
        asset="conversations",
        description="No delivery failed at every attempt.",
        how_to_fix="Read the error, correct its cause, then `whatsapp-pipeline webhook replay --dead`.",
        severity="error",
    ),
    QaCheck(
        name="questions_are_answered",
        subject="conversations",
        asset="conversations",
        description="No question waits for the assistant for more than ten minutes, and none of the last "
        "seven days ended without a reply.",
        how_to_fix="`reason` shows what failed: correct ASSISTANT_API_KEY or ASSISTANT_BASE_URL, or wait for "
        "the endpoint; then run `whatsapp-pipeline webhook answers retry`. A question that is a day old is "
        "not asked again.",
    ),
    QaCheck(
        name="no_parked_accounts",
        subject="conversations",
        asset="conversations",
        description="Every account that received messages is known and active.",
        how_to_fix="Run `whatsapp-pipeline webhook account add --phone-number-id ID`; the waiting deliveries "
        "are then processed automatically.",
    ),
    QaCheck(
        name="live_review_queue_is_current",
        subject="conversations",
        asset="conversations",
        description="The stored review queue agrees with the links of the live conversations.",
        how_to_fix="`whatsapp-pipeline webhook process` links all live conversations and repairs their rows.",
        why="Reviewers would miss open items, or see items that are already decided.",
        severity="error",
    ),
    QaCheck(
        name="no_duplicate_messages",
        subject="conversations",
        asset="conversations",
        description="Each message is stored once per account, and each correspondent has one conversation "
        "per account.",
        how_to_fix="The unique constraints of the migrations prevent this; restore them.",
        severity="error",
    ),
    QaCheck(
        name="spool_drained",
        subject="conversations",
        asset="conversations",
        description="The spool has only the segment that is being written, no damaged segment and no stray "
        "file.",
        how_to_fix="Check that the receiver runs and reaches the database. The complete records of a damaged "
        "segment were stored: look at the file in corrupt/, then delete it. A stray file was not created by "
        "the receiver: look at it in stray/, then delete it.",
        finder=_spool,
    ),
]

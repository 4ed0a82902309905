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
        how_to_fix="See that the sensor webhook_inbox_sensor is running and that its last runs succeeded.",
        finder=_old_deliveries,
    ),
    QaCheck(
        name="no_dead_webhooks",
        subject="conversations",
        asset="conversations",
        description="No delivery was given up.",
        how_to_fix="Read the error, mend its cause, then `whatsapp-pipeline webhook replay --dead`.",
        severity="error",
    ),
    QaCheck(
        name="questions_are_answered",
        subject="conversations",
        asset="conversations",
        description="No question waits for the assistant for over ten minutes, and none ended unanswered.",
        how_to_fix="The reason says what failed: correct ASSISTANT_API_KEY or ASSISTANT_BASE_URL, or wait for"
        " the endpoint; then `whatsapp-pipeline webhook answers retry`. After a day nothing is asked again.",
    ),
    QaCheck(
        name="no_parked_accounts",
        subject="conversations",
        asset="conversations",
        description="Every account that messages came for is known and active.",
        how_to_fix="`whatsapp-pipeline webhook account add --phone-number-id ID`; what waits is then "
        "processed"
        " by itself.",
    ),
    QaCheck(
        name="live_review_queue_is_current",
        subject="conversations",
        asset="conversations",
        description="The review queue has the live conversations that their links say should be in it.",
        how_to_fix="`whatsapp-pipeline webhook process` links all live conversations and repairs their rows.",
        why="Reviewers would miss what waits for them, or see what is decided.",
        severity="error",
    ),
    QaCheck(
        name="no_duplicate_messages",
        subject="conversations",
        asset="conversations",
        description="Each message once an account, and one conversation a correspondent.",
        how_to_fix="This cannot happen while the unique constraints of the migration stand: restore them.",
        severity="error",
    ),
    QaCheck(
        name="spool_drained",
        subject="conversations",
        asset="conversations",
        description="The spool is empty but for the segment being written, and no segment is damaged.",
        how_to_fix="See that the receiver runs and reaches the database; whole records of a damaged segment "
        "were saved, look at the file under corrupt/ and delete it.",
        finder=_spool,
    ),
]

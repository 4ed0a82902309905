"""QA of the conversations: nothing waits too long, nothing is stuck, nothing is there twice."""

from __future__ import annotations

from whatsapp_pipeline import settings
from whatsapp_pipeline.checks.qa import QaCheck, Scope
from whatsapp_pipeline.store.operations.checks import Findings, find
from whatsapp_pipeline.webhook import spool

MAX_AGE_SECONDS = 300


def _old_deliveries(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM webhook_inbox WHERE status = 'pending'",
        """
        SELECT id AS inbox_id, received_at::text AS received_at, attempts, error
        FROM webhook_inbox
        WHERE status = 'pending' AND received_at < now() - make_interval(secs => %(seconds)s)
        ORDER BY id
        """,
        {"seconds": MAX_AGE_SECONDS},
    )


def _dead_letters(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM webhook_inbox",
        """
        SELECT id AS inbox_id, received_at::text AS received_at, attempts, error
        FROM webhook_inbox WHERE status = 'dead' ORDER BY id DESC
        """,
        {},
    )


def _parked(scope: Scope) -> Findings:
    return find(
        scope.conn,
        "SELECT count(*) FROM webhook_inbox",
        """
        SELECT account AS phone_number_id, count(*) AS deliveries, min(received_at)::text AS since
        FROM webhook_inbox, unnest(waiting_for) AS account
        WHERE status = 'parked' GROUP BY account ORDER BY account
        """,
        {},
    )


def _duplicates(scope: Scope) -> Findings:
    # The constraints forbid both; this looks at the data all the same, by what makes them one to a reader.
    return find(
        scope.conn,
        "SELECT count(*) FROM conversation_messages",
        """
        SELECT 'message' AS what, min(id) AS first_id, count(*) AS copies
        FROM conversation_messages WHERE provider_id IS NOT NULL
        GROUP BY phone_number_id, provider_id HAVING count(*) > 1
        UNION ALL
        SELECT 'conversation', min(conversation_id), count(DISTINCT conversation_id)
        FROM conversation_identities GROUP BY channel, phone_number_id, canonical
        HAVING count(DISTINCT conversation_id) > 1
        """,
        {},
    )


def _spool(_: Scope) -> Findings:
    directory = spool.spool_directory(settings.load())
    held = spool.segments(directory) if directory.exists() else []
    damaged = sorted((directory / "corrupt").glob("*"))
    rows = [{"file": path.name, "state": "damaged"} for path in damaged]
    # One segment is the one being written; the others wait for the database.
    rows += [{"file": path.name, "state": "waiting"} for path in held[:-1]]
    return Findings(len(held) + len(damaged), len(rows), rows[:50])


CHECKS = [
    QaCheck(
        name="webhooks_processed_in_time",
        asset="conversations",
        description=f"No delivery waits for more than {MAX_AGE_SECONDS // 60} minutes.",
        how_to_fix="See that the sensor webhook_inbox_sensor is running and that its last runs succeeded.",
        find=_old_deliveries,
    ),
    QaCheck(
        name="no_dead_webhooks",
        asset="conversations",
        description="No delivery was given up.",
        how_to_fix="Read the error, mend its cause, then `whatsapp-pipeline webhook replay --dead`.",
        find=_dead_letters,
        severity="error",
    ),
    QaCheck(
        name="no_parked_accounts",
        asset="conversations",
        description="Every account that messages came for is known and active.",
        how_to_fix="`whatsapp-pipeline webhook account add --phone-number-id …`; what waits is then processed"
        " by itself.",
        find=_parked,
    ),
    QaCheck(
        name="no_duplicate_messages",
        asset="conversations",
        description="Each message once an account, and one conversation a correspondent.",
        how_to_fix="This cannot happen while the unique constraints of the migration stand: restore them.",
        find=_duplicates,
        severity="error",
    ),
    QaCheck(
        name="spool_drained",
        asset="conversations",
        description="The spool is empty but for the segment being written, and no segment is damaged.",
        how_to_fix="See that the receiver runs and reaches the database; whole records of a damaged segment "
        "were saved, look at the file under corrupt/ and delete it.",
        find=_spool,
    ),
]

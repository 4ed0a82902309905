"""Conditions before a step: no pause, no red blocking check, and checkpoints. Pauses also end a running step.

What belongs here: the conditions and their texts. What does not: their data (store/operations/gates.py).

A blocking check ends its own run before the next asset. While such a check is red, other runs hold each asset
that depends on the examined data: its rows stay unchanged. A month that a person accepted is not red.

A checkpoint is a condition before an asset, for example that the contacts were read completely. If it does
not hold, the step ends with an error that states what to do. `whatsapp-pipeline checkpoint waive` lets the
step run, and stores the person and the reason. The setting CHECKPOINTS lists the checkpoints that are
required.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from whatsapp_pipeline import settings
from whatsapp_pipeline.domain.personal_text import hide_personal
from whatsapp_pipeline.domain.quality import Rule
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.operations.quality import standing_of
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import verdicts
from whatsapp_pipeline.store.operations import gates

# Asset → its checkpoint.
BEFORE = {
    "chat_file_index": "contacts_complete",
    "contact_links": "files_indexed",
    "customer_summaries": "links_reviewed",
}

# The check of the pass over the ERP's orders.
ORDERS_COMPLETE = "erp_order_pass_complete"


class PausedError(PipelineError):
    """The pipeline is paused. Finished work is kept, and the next run continues."""


class HeldError(PausedError):
    """A blocking check of another run is red. The rows of this asset do not change until the check passes."""


def check(conn: Connection, asset: str, months: list[str], *, required: Collection[str]) -> None:
    """Raise PausedError during a pause, and PipelineError if the asset's checkpoint does not hold."""
    refuse_pause(conn)
    checkpoint = BEFORE.get(asset)
    if checkpoint is None or checkpoint not in required:
        return
    reason = unmet(conn, checkpoint, months)
    if reason:
        raise PipelineError(
            f"checkpoint {checkpoint}: {reason}; or waive it with "
            f"`whatsapp-pipeline checkpoint waive {checkpoint} --reason WHY`"
        )


def refuse_pause(conn: Connection) -> None:
    """Raise PausedError during a pause."""
    if words := pause_in_words(conn):
        raise PausedError(words)


def refuse_red(conn: Connection, blockers: Sequence[Rule]) -> None:
    """Raise HeldError while a check of `blockers` is red."""
    if words := held_in_words(conn, blockers):
        raise HeldError(words)


def held_in_words(conn: Connection, blockers: Sequence[Rule]) -> str | None:
    """Return a text with the first red blocking check and what to do; None if none is red."""
    for rule in blockers:
        standing = standing_of(conn, rule)
        found = None if standing.passed else standing.words()
        if found is None and rule.name == ORDERS_COMPLETE and not standing.of("accepted"):
            found = _broken_order_pass(conn)
        if found is not None:
            return (
                f"held, its rows stay unchanged: the check {rule.name} of {rule.asset} is red "
                f"({found}). {rule.how_to_fix} Then `whatsapp-pipeline qa evaluate --check "
                f"{rule.name}`; or accept it with `whatsapp-pipeline qa accept`"
            )
    return None


def _broken_order_pass(conn: Connection) -> str | None:
    """Return a text if the last pass over the ERP's orders was not completed, otherwise None.

    An interrupted pass ends its run, so the check of that run was not evaluated.
    """
    broken = gates.broken_pass(conn, "ordem-servico")
    if broken is None:
        return None
    status, items, _ = broken
    return f"the last pass over the ERP's orders is {status} after {items:,} orders"


def red_months(conn: Connection, blockers: Sequence[Rule]) -> dict[str, str]:
    """Return the months with a red blocking check, each with the name of one such check."""
    return {
        verdict.month: rule.name
        for rule in blockers
        for verdict in standing_of(conn, rule).of("red")
        if verdict.month is not None
    }


def pause_in_words(conn: Connection) -> str | None:
    """Return a text with time, person and reason of the pause; None without a pause."""
    pause = gates.current_pause(conn)
    if pause is None:
        return None
    # Dagster stores this text, and an erasure does not change what Dagster has stored.
    why = f" ({hide_personal(pause.reason)})" if pause.reason else ""
    return (
        f"paused since {pause.began_at.astimezone():%Y-%m-%d %H:%M %Z} by {pause.made_by}{why}; "
        "`whatsapp-pipeline resume` ends the pause"
    )


def is_paused(conn: Connection) -> bool:
    """Return whether there is a pause; a step calls this between batches."""
    return gates.current_pause(conn) is not None


def unmet(conn: Connection, checkpoint: str, months: list[str]) -> str | None:
    """Return why a checkpoint does not hold for `months` and what to do; None if it holds or is waived."""
    waived = gates.waived_months(conn, checkpoint, months)
    if checkpoint == "contacts_complete":
        return None if _waived_for_all(conn, checkpoint) else _contacts(conn)
    if checkpoint == "files_indexed":
        open_ = {m: n for m, n in gates.chats_without_evidence(conn, months).items() if m not in waived}
        if not open_:
            return None
        first = min(open_)
        return (
            f"{open_[first]:,} chats of {first} were not read yet; materialize chat_file_index for {first} "
            "first"
        )
    return _links_reviewed(conn)


def _waived_for_all(conn: Connection, checkpoint: str) -> bool:
    return any(w.checkpoint == checkpoint and w.month is None for w in gates.waivers(conn))


def _contacts(conn: Connection) -> str | None:
    if broken := gates.broken_pass(conn, "contatos"):
        status, items, expected = broken
        return (
            f"the last pass over the ERP's contacts is {status} after {items:,} of "
            f"{'?' if expected is None else f'{expected:,}'}; materialize tiny_contacts again; it resumes"
        )
    if gates.no_contact_normalized(conn):
        return "no contact's phone was normalized yet; materialize normalized_contacts"
    return None


def _links_reviewed(conn: Connection) -> str | None:
    months = gates.loaded_months(conn)
    waived = gates.waived_months(conn, "links_reviewed", months)
    for month in months:
        if month in waived:
            continue
        found = verdicts.count_verdicts(conn, month)
        if found.reviewed < found.sampled:
            return (
                f"{found.sampled - found.reviewed} of {found.sampled} chats in the review sample of {month} "
                f"have no verdict; see `whatsapp-pipeline report --month {month}` and `review record`"
            )
        if found.sampled and (reason := _disagreement(found, month)):
            return reason
    return None


def _disagreement(found: verdicts.Agreement, month: str) -> str | None:
    """Return a text if too few verdicts on a month's sample agree with the links; otherwise None."""
    if found.rate is None:
        return (
            f"no verdict on the review sample of {month} is right or wrong; `review --sample` asks for "
            "verdicts"
        )
    least = 1 - dict(settings.load_settings().check_tolerances).get(
        "reviewers_agree", verdicts.TOLERATED_DISAGREEMENT
    )
    if found.rate >= least:
        return None
    return (
        f"reviewers agree with {found.rate:.1%} of the links in the review sample of {month} "
        f"({found.wrong} of {found.right + found.wrong} are wrong), but at least {least:.0%} are required; "
        f"`whatsapp-pipeline review --month {month}` lets you correct links"
    )

"""customer_summaries: figures and sentences about the messages of each customer.

Only contacts whose messages, orders or links changed, or whose frequency class changed with time, are
computed. Each batch of about 100,000 messages is one transaction. A summary depends only on the content of
the database and on the options, not on earlier runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from whatsapp_pipeline.domain.commitments.status import Followed, follow, national_holidays
from whatsapp_pipeline.domain.summaries.metrics import (
    BusinessHours,
    FrequencyBounds,
    MetricOptions,
    business_days,
)
from whatsapp_pipeline.domain.summaries.sentiment import OPINION, sentiment_label
from whatsapp_pipeline.domain.summaries.text import TEXT_VERSION, Facts, compose
from whatsapp_pipeline.domain.summaries.text_reading import TEXT_LIMIT, MessageReader
from whatsapp_pipeline.domain.summaries.wording import Claim
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.steps.progress import Progress
from whatsapp_pipeline.steps.summaries.read_texts import TextReader
from whatsapp_pipeline.steps.summaries.unlinked import UnlinkedReport, settle_unlinked
from whatsapp_pipeline.store.chats import search_words
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import named_lock
from whatsapp_pipeline.store.summaries import commitments, live_summaries
from whatsapp_pipeline.store.summaries import summaries as store
from whatsapp_pipeline.store.summaries.commitments import Owner
from whatsapp_pipeline.store.summaries.summary_work import (
    ContactFacts,
    MeasuredBatch,
    StagedBatch,
    StagedContacts,
    open_work,
)
from whatsapp_pipeline.store.summaries.unlinked_work import UnlinkedScope

# Part of the input hash. Increase it when a statement computes other values from the same messages.
METRICS_VERSION = "7"
_BATCH_MESSAGES = 100_000
_TOPICS_KEPT = 5
_SPEAKERS = {"from": "customer", "to": "staff"}


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """Options for summarising customers.

    `as_of` is the local, naive time at which frequency windows end. None means the time of the latest
    message, so that the same content always gives the same summaries. `taxonomy` replaces the packaged
    taxonomy. `contacts` are the only contacts to compute; None means all. `held_months` are the months in
    which a blocking check is red, with the check's name. The summaries of their customers do not change.
    """

    rebuild: bool = False
    gap: timedelta = timedelta(hours=24)
    zone: str = "America/Sao_Paulo"
    as_of: datetime | None = None
    reply_limit: timedelta = timedelta(days=30)
    hours: BusinessHours = field(default_factory=BusinessHours)
    frequency: FrequencyBounds = field(default_factory=FrequencyBounds)
    taxonomy: Path | None = None
    batch_messages: int = _BATCH_MESSAGES
    contacts: tuple[int, ...] | None = None
    held_months: Mapping[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> MetricOptions:
        """The options that define the figures."""
        return MetricOptions(self.gap, self.reply_limit, self.hours, self.frequency)

    def digest(self, rules: str) -> str:
        """Return a hash of the code versions and options that a summary depends on.

        `rules` is the version of the rules of the text reader.
        """
        parts = (METRICS_VERSION, TEXT_VERSION, rules, self.zone, repr(self.metrics))
        return sha256("/".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SummaryReport:
    """Counts of contacts, summaries, messages, texts, commitments and chats."""

    contacts: int = 0
    contacts_changed: int = 0
    contacts_aged: int = 0
    contacts_held: int = 0
    summaries_written: int = 0
    summaries_removed: int = 0
    messages_measured: int = 0
    texts_read: int = 0
    commitments_changed: int = 0
    chats_without_customer_read: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def summarize(conn: Connection, options: SummaryOptions, *, log: logging.Logger) -> SummaryReport:
    """Bring customer_chat_summaries and customer_conversations up to date with the messages."""
    with (
        TextReader(options.taxonomy) as texts,
        named_lock(conn, "customer_summaries", on_wait=lambda: log.info("waiting for another run")),
    ):
        as_of = options.as_of or store.latest_message(conn, options.zone)
        started = live_summaries.server_time(conn)
        with open_work(conn, options.digest(texts.reader.rules), options.contacts) as staged:
            with conn.transaction():
                removed = staged.remove_missing()
            held = _exclude_held_months(staged, options, log)
            report = SummaryReport(contacts=staged.count, contacts_held=held, summaries_removed=removed)
            unlinked = _settle_unlinked(staged.conn, options, texts, started)
            if as_of is not None:
                report = _compute(staged, options, as_of, texts, report, log)
            report = _with_unlinked(report, unlinked)
            live_summaries.note_summarized(conn, started, options.contacts)
            staged.delete_stale_rows()
            search_words.add_new_words(conn)
    log.info(
        "%d contacts, %d changed, %d summaries written, %d removed, %d messages measured",
        report.contacts,
        report.contacts_changed,
        report.summaries_written,
        report.summaries_removed,
        report.messages_measured,
        extra=fields(counts=report.counts()),
    )
    return report


def _settle_unlinked(
    conn: Connection, options: SummaryOptions, texts: TextReader, started: datetime
) -> UnlinkedReport:
    """Bring the commitments of chats without a customer up to date.

    This is done before the customers are computed. So the commitments of a newly linked chat move to its
    customer in the same run. A run for chosen customers reads only live conversations.
    """
    return settle_unlinked(
        conn,
        texts,
        UnlinkedScope(
            options.digest(texts.reader.rules),
            started,
            live_only=options.contacts is not None,
            held_months=sorted(options.held_months),
        ),
        holidays=national_holidays(options.hours.state),
        rebuild=options.rebuild,
        batch_messages=options.batch_messages,
    )


def _with_unlinked(report: SummaryReport, unlinked: UnlinkedReport) -> SummaryReport:
    return replace(
        report,
        texts_read=report.texts_read + unlinked.texts_read,
        commitments_changed=report.commitments_changed + unlinked.commitments_changed,
        chats_without_customer_read=unlinked.chats_read,
    )


def _exclude_held_months(staged: StagedContacts, options: SummaryOptions, log: logging.Logger) -> int:
    """Exclude the customers of held months from this run; return how many of them have new inputs."""
    if not options.held_months:
        return 0
    held = staged.exclude_months(list(options.held_months))
    why = ", ".join(f"{name} is red in {month}" for month, name in sorted(options.held_months.items()))
    log.warning(
        "%d summaries with new inputs are not updated: %s",
        held,
        why,
        extra=fields(reason=why, counts={"summaries_held": held}),
    )
    return held


def stale_contacts(conn: Connection, options: SummaryOptions) -> tuple[int, list[int]]:
    """Return the number of contacts with messages, and the ids of contacts whose summary is stale."""
    reader = MessageReader(options.taxonomy)
    with open_work(conn, options.digest(reader.rules)) as staged:
        return staged.count, staged.stale()


def _compute(
    staged: StagedContacts,
    options: SummaryOptions,
    as_of: datetime,
    texts: TextReader,
    report: SummaryReport,
    log: logging.Logger,
) -> SummaryReport:
    batches = staged.divide(
        as_of, options.frequency, rebuild=options.rebuild, batch_size=options.batch_messages
    )
    report = replace(report, contacts_changed=batches.changed, contacts_aged=batches.aged)
    numbers = batches.numbers()
    progress = Progress(log, "customer_summaries", len(numbers), "batches")
    for number in numbers:
        with staged.conn.transaction():
            batch = batches.stage(number, gap=options.gap)
            count, written, promised = _compute_batch(batch, options, texts)
        report = replace(
            report,
            summaries_written=report.summaries_written + written,
            messages_measured=report.messages_measured + batch.messages,
            texts_read=report.texts_read + count,
            commitments_changed=report.commitments_changed + promised,
        )
        progress.advance(1, batch.messages)
    return report


def _compute_batch(batch: StagedBatch, options: SummaryOptions, texts: TextReader) -> tuple[int, int, int]:
    """Compute one batch; return (texts read, summaries written, commitments changed)."""
    read = batch.analyse(texts.reader.rules, texts.read, limit=TEXT_LIMIT)
    measured = read.measure(
        lambda first, last: business_days(first, last, options.hours),
        reply_limit=options.reply_limit,
        opinion=OPINION,
        customer_only=sorted(texts.reader.taxonomy.customer_only),
    )
    settled = _follow_commitments(measured, options)
    promised = commitments.save_commitments(
        measured, ((Owner(contact), one) for contact, found in settled.items() for one in found.commitments)
    )
    rows = [summary_row(facts, settled.get(facts.id_contato)) for facts in measured.facts()]
    return read.texts, store.save_summaries(measured, rows), promised


def _follow_commitments(batch: MeasuredBatch, options: SummaryOptions) -> dict[int, Followed]:
    """Return, by customer, the commitments of the customer and of the staff with their state."""
    closed = commitments.orders_closed(batch)
    holidays = national_holidays(options.hours.state)
    turned_down = commitments.orders_turned_down(batch)
    return {
        contact: follow(said, closed, holidays, turned_down)
        for contact, said in commitments.staged_mentions(batch.conn)
    }


def _rounded(value: Decimal | None) -> float | None:
    return None if value is None else float(round(value, 3))


def _facts(row: ContactFacts, mood: float | None, change: float | None) -> Facts:
    refs = [*(row.median_refs or ()), *(row.p90_refs or ())]
    return Facts(
        messages=row.messages,
        customer=row.customer,
        staff=row.staff,
        conversations=row.conversations,
        first_at=row.first_at,
        last_at=row.last_at,
        first_ref=row.first_ref,
        last_ref=row.last_ref,
        last_speaker=_SPEAKERS.get(row.last_direction or ""),
        frequency=row.frequency,
        topics=row.topics or (),
        terms=row.terms or (),
        sentiment=sentiment_label(mood or 0.0),
        mood=mood,
        mood_change=change,
        mood_ref=row.mood_ref,
        reply_median=row.reply_median,
        reply_p90=row.reply_p90,
        reply_median_business=row.reply_median_business,
        reply_refs=refs,
        orders=row.orders or (),
        waiting_since=row.waiting_since,
        waiting_ref=row.waiting_ref,
        replies=row.replies or 0,
        case=row.case_terms or (),
        urgent_ref=row.urgent_ref,
        types=row.types,
        last_staff_at=row.last_staff_at,
        last_customer_at=row.last_customer_at,
    )


def _evidence(claims: Sequence[Claim], source: str) -> list[int]:
    prefix = f"{source}:"
    return sorted(
        {int(ref[len(prefix) :]) for claim in claims for ref in claim["messages"] if ref.startswith(prefix)}
    )


def _open_state(row: ContactFacts, facts: Facts) -> tuple[datetime | None, list[str]]:
    """Return since when the customer waits or has an open order, and the reasons "unanswered" and "order"."""
    reasons = []
    if facts.waiting_since is not None:
        reasons.append("unanswered")
    if any(order["open"] for order in facts.orders):
        reasons.append("order")
    return min(filter(None, (row.waiting_since, row.order_open_since)), default=None), reasons


def _stored_facts(
    row: ContactFacts, facts: Facts, last: float | None, before: float | None
) -> dict[str, Any]:
    """Return the facts that are stored as JSON. `last` and `before` are the sentiments that are compared."""
    return {
        "types": row.types,
        "case": facts.case,
        "urgent": facts.urgent_ref,
        "topics": facts.topics,
        "terms": facts.terms,
        "orders": facts.orders,
        "sentiment": {
            "score": facts.mood,
            "last_conversation": last,
            "before": before,
            "evidence": row.mood_ref,
            "evidence_start": row.mood_start,
            "evidence_end": row.mood_end,
        },
        "replies": {"count": row.replies or 0, "median": row.median_refs, "p90": row.p90_refs},
        "first_responses": row.first_responses or 0,
        "waiting": row.waiting_ref,
        "resolution": next((order["closed"] for order in facts.orders if order["status"] == "3"), None),
    }


def summary_row(row: ContactFacts, promised: Followed | None = None) -> store.SummaryRow:
    """Return the row to store for one contact: figures, the sentences of the summary, and their evidence."""
    mood, last, before = _rounded(row.mood), _rounded(row.mood_last), _rounded(row.mood_before)
    change = round(last - before, 3) if last is not None and before is not None else None
    facts = _facts(row, mood, change)._replace(followed=promised or Followed([]))
    claims = compose(facts)
    open_since, open_reasons = _open_state(row, facts)
    return store.SummaryRow(
        id_contato=row.id_contato,
        first_interaction_date=row.first_at,
        last_interaction_date=row.last_at,
        communication_frequency=row.frequency,
        common_topics=[topic["name"] for topic in facts.topics[:_TOPICS_KEPT]],
        sentiment_analysis=facts.sentiment,
        sentiment_score=mood,
        sentiment_change=change,
        summary=" ".join(claim["text"] for claim in claims),
        message_count=row.messages,
        customer_messages=row.customer,
        staff_messages=row.staff,
        other_messages=row.other,
        conversation_count=row.conversations,
        last_speaker=facts.last_speaker,
        first_response_median_s=row.first_median,
        first_response_p90_s=row.first_p90,
        first_response_median_business_s=row.first_median_business,
        first_response_p90_business_s=row.first_p90_business,
        reply_median_s=row.reply_median,
        reply_p90_s=row.reply_p90,
        reply_median_business_s=row.reply_median_business,
        reply_p90_business_s=row.reply_p90_business,
        open_since=open_since,
        open_reasons=open_reasons,
        facts=Jsonb(_stored_facts(row, facts, last, before)),
        claims=Jsonb(claims),
        evidence_message_ids=_evidence(claims, "chat"),
        evidence_webhook_ids=_evidence(claims, "webhook"),
        input_hash=row.input_hash,
    )

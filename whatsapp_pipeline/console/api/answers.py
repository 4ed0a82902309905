"""The classes of the API's answers and request bodies.

What belongs here: one class per JSON object. What does not: filling them (reading.py, reviewing.py,
managing.py).

Times of messages are local times of the archive's zone, written with its offset.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

Item = TypeVar("Item")
BIGINT = 2**63 - 1
REF = r"^(chat|webhook):[0-9]{1,19}$"
# Text of one line, without blanks at the ends.
_ONE_LINE = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"


def _number(value: object) -> object:
    """Refuse a JSON value that is no number. 7.0 is accepted as the integer 7; true and "7" are refused."""
    if isinstance(value, (bool, str)):
        raise ValueError("Input should be a valid integer")
    return value


Id = Annotated[int, Field(ge=1, le=BIGINT)]
# For bodies only: the numbers of a query arrive as text and are converted.
BodyId = Annotated[Id, BeforeValidator(_number)]


def _day(value: object) -> object:
    """Refuse a text that is no ISO date. pydantic would accept "0.0" as seconds since 1970."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("Input should be a valid date, such as 2025-01-31")
    return value


Day = Annotated[date, BeforeValidator(_day)]


class Listing(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="`cursor` of the next page; null: this is the last page")


class ApiRefusal(BaseModel):
    """The reason for refusing a request."""

    error: str = Field(description="the kind of error, for programs")
    message: str = Field(description="the error as a sentence, for people")
    fields: list[dict[str, str]] = Field(description="values that are missing or invalid: `where`, `message`")


class ApiCustomer(BaseModel):
    """A customer in a list. Phone and trade name are null for the level reader."""

    id: int
    name: str | None
    trade_name: str | None
    phone: str | None
    last_message_on: date | None


class ApiOrder(BaseModel):
    """A service order."""

    id: int
    number: str
    status: str = Field(description="in Portuguese, with the words of the pages; empty: unknown")
    device: str | None
    opened_on: date | None
    closed_on: date | None
    customer_id: int | None
    customer_name: str | None
    page: str = Field(description="path of the order's page in the console")


class ApiSession(BaseModel):
    """A session that is linked to an order."""

    id: int
    chat: str = Field(description="ref of the chat or live conversation")
    customer_id: int | None
    started_at: datetime
    ended_at: datetime
    messages: int
    link_status: str = Field(description="linked (by the rules) or manual (by a person)")
    link_method: str | None
    link_confidence: float | None


class ApiOrderDetail(ApiOrder):
    """A service order with the sessions that are linked to it."""

    sessions: list[ApiSession]


class ApiClaim(BaseModel):
    """A sentence of a summary and the messages that it cites."""

    text: str
    messages: list[str]


class ApiSummary(BaseModel):
    """The summary of a customer."""

    text: str
    claims: list[ApiClaim]
    sentiment: str | None
    first_message_at: datetime | None
    last_message_at: datetime | None
    messages: int
    open_since: datetime | None
    open_reasons: list[str]
    stale_since: datetime | None = Field(
        description="when a decision changed the customer's links after this was computed; null: none has"
    )


class ApiCustomerDetail(BaseModel):
    """A customer with orders, summary and note. Phones are null for the level reader."""

    id: int
    name: str | None
    trade_name: str | None
    phones: list[str]
    note: str | None
    summary: ApiSummary | None
    orders: list[ApiOrder] = Field(description="the newest 100 orders")
    page: str


class ApiQuote(BaseModel):
    """The message to which a message replies."""

    text: str | None
    ref: str | None = Field(description="ref of the quoted message; null: unknown")


class ApiMessage(BaseModel):
    """A message."""

    ref: str
    at: datetime
    side: str | None = Field(description="from (the customer), to (the shop), unsent, notification")
    type: str
    text: str | None
    sender: str | None = Field(description="in groups: name of the author")
    customer_id: int | None
    order_id: int | None
    chat: str
    attachment_kind: str | None
    attachment_name: str | None
    quote: ApiQuote | None
    status: str | None
    edited_at: datetime | None
    page: str


class ApiHit(BaseModel):
    """A message that was found. In `snippet` the matching words are between « and »."""

    ref: str
    at: datetime
    side: str | None
    type: str
    snippet: str
    customer_id: int | None
    customer_name: str | None
    chat: str
    page: str


class ApiCase(BaseModel):
    """A customer with an open case."""

    customer_id: int
    customer_name: str | None
    open_since: datetime
    business_hours: int
    reasons: list[str] = Field(description="unanswered, order")
    last_message_at: datetime | None
    handled_until: date | None
    handled_by: str | None
    handled_note: str | None
    stale_since: datetime | None = Field(
        description="when a decision changed the customer's links after this was computed; null: none has"
    )


class ApiCommitment(BaseModel):
    """A price, deadline, decision, pick-up, payment or warranty in a message."""

    customer_id: int | None = Field(description="null: the customer of `chat` is not known")
    customer_name: str | None
    chat: str | None = Field(
        description="ref of the chat or live conversation; null if the customer is known"
    )
    kind: str
    side: str = Field(description="the side that promised: staff or customer")
    status: str = Field(
        description="open, due (today), overdue, noted, superseded, approved, refused, kept, broken"
    )
    said_at: datetime
    amount: str | None = Field(description="in reais, such as 350.00")
    length: str | None = Field(description="length of a warranty: 90d, 2w, 3m, 1y")
    due_on: date | None
    due_time: str | None = Field(description="HH:MM; null: no time was named")
    order_id: int | None
    order_number: str | None
    message: str = Field(description="ref of the message with the commitment")
    outcome: str | None = Field(
        description="evidence of the outcome: the ref of a message, or `order:` and an id"
    )
    text: str = Field(description="in Portuguese, as the pages say it")


class ApiQueuedItem(BaseModel):
    """An item that waits for a decision: on the customer of a chat, or on the order of a session."""

    item: str = Field(description="ref of the chat or live conversation")
    session: int | None = Field(
        description="the session whose order must be decided; null: the customer of the chat must be decided"
    )
    title: str | None
    status: str
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    value: float = Field(description="the list is sorted by this value, highest first")
    customer_name: str | None
    best: str | None = Field(description="name or number of the best candidate")
    confidence: float | None


class ApiBlindCustomer(BaseModel):
    """A customer to choose from."""

    id: int
    name: str | None
    trade_name: str | None
    phones: list[str]


class ApiBlindItem(BaseModel):
    """A chat whose link is judged without seeing it.

    One of the customers is linked; the answer does not show which.
    """

    item: str = Field(description="ref of the chat")
    month: str
    title: str | None
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    customers: list[ApiBlindCustomer]


class ApiPrecision(BaseModel):
    """Lower bound of the share of right links, computed from the verdicts of all months."""

    at_least: float = Field(description="rounded down to a thousandth")
    confidence: float
    verdicts: int
    wrong: int = Field(description="judged wrong or unsure")
    links: int


class ApiSample(BaseModel):
    """The next link to judge (null: all links have a verdict), and the precision so far."""

    item: ApiBlindItem | None
    precision: ApiPrecision | None = Field(description="null: there are no verdicts yet")


class _NewVerdict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)


class CustomerVerdict(_NewVerdict):
    """The chat belongs to this customer."""

    answer: Literal["customer"]
    id: Id


class NobodyVerdict(_NewVerdict):
    """The chat belongs to no customer."""

    answer: Literal["nobody"]


class UnsureVerdict(_NewVerdict):
    """The reviewer can't decide."""

    answer: Literal["unsure"]


NewVerdict = CustomerVerdict | NobodyVerdict | UnsureVerdict


class GivenVerdict(BaseModel):
    """The verdict that was stored, and the link of the rules that was judged."""

    item: str
    verdict: str = Field(description="right, wrong or unsure")
    customer_id: int = Field(description="the customer whom the rules had linked")
    method: str | None
    confidence: float | None
    is_kept: bool = Field(
        description="false: the link is refused, but the customer of the answer could not be linked instead"
    )


class ApiReason(BaseModel):
    """One piece of evidence: its log odds, and the sum of the log odds after it."""

    name: str
    words: str = Field(description="in Portuguese, as the pages say it")
    weight: float
    sum: float


class ApiCandidate(BaseModel):
    """A candidate for an item: a customer or, for a session, an order."""

    id: int
    label: str | None
    detail: dict[str, Any]
    probability: float
    log_odds: float
    reasons: list[ApiReason]


class ApiItem(BaseModel):
    """An item of the review with its candidates."""

    item: str
    session: int | None
    title: str | None
    status: str
    flags: list[str]
    customer_id: int | None
    order_id: int | None
    messages: int
    first_at: datetime | None
    last_at: datetime | None
    candidates: list[ApiCandidate]
    state: str = Field(
        description="send it back with a decision; the decision is refused if the item has changed"
    )


class ApiLinkedNow(BaseModel):
    """The number of a scope's chats that are linked to a customer now.

    `customer_id` is null for chats without a customer.
    """

    customer_id: int | None
    chats: int


class ApiScopeEffect(BaseModel):
    """The effect of a decision in a scope: it would be in force on `chats` with `messages`."""

    chats: int
    messages: int
    moved: list[ApiLinkedNow] = Field(description="number of those `chats` that have another customer now")
    pending: int = Field(description="number of chats that the rules would have to decide")
    kept: int = Field(description="number of chats on which another decision is in force")


class ApiScope(BaseModel):
    """A possible target of a decision, with all its chats and live conversations."""

    scope: str
    target: str = Field(description="the chat's file, the phone or the title")
    chats: int
    messages: int
    months: list[str]
    linked_now: list[ApiLinkedNow]
    effect: ApiScopeEffect | None = Field(
        description="effect of the `decision` in the query; null: the query has no `decision`"
    )


class _NewDecision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)
    state: str = Field(max_length=500, description="`state` of the item that the reviewer saw")


Scope = Annotated[
    Literal["chat", "phone", "title"] | None,
    Field(
        description="chats to which the decision applies; null: those of the phone or, without a phone, "
        "the chat"
    ),
]
SessionNumber = Annotated[
    int, Field(ge=1, le=2**31 - 1, description="number of the session"), BeforeValidator(_number)
]


class ContactDecision(_NewDecision):
    """The chat belongs to this customer."""

    decision: Literal["contact"]
    id: BodyId
    scope: Scope = None


class NobodyDecision(_NewDecision):
    """The chat belongs to no customer."""

    decision: Literal["no_contact"]
    scope: Scope = None
    nobody_kind: Literal["unregistered", "new_customer", "private_or_supplier", "wrong_number"] | None = None


class NotContactDecision(_NewDecision):
    """The chat does not belong to this customer; the rules decide again."""

    decision: Literal["not_contact"]
    id: BodyId


class NewOrderDecision(_NewDecision):
    """The session is about this order."""

    decision: Literal["order"]
    id: BodyId
    session: SessionNumber


class NoOrderDecision(_NewDecision):
    """The session is about no order."""

    decision: Literal["no_order"]
    session: SessionNumber


NewDecision = ContactDecision | NobodyDecision | NotContactDecision | NewOrderDecision | NoOrderDecision


class MadeDecision(BaseModel):
    """The decision that was stored, and the chats that it changed."""

    id: int
    chats: list[str]
    outranked: list[str] = Field(description="chats on which another decision or link is in force instead")
    pending: list[str] = Field(description="chats that the rules must decide again")


class UndoneDecision(BaseModel):
    """The decision that was withdrawn, and the chats that this changed."""

    id: int
    chats: list[str]


class UndoReason(BaseModel):
    """The reason for withdrawing a decision."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)


class ApiDecision(BaseModel):
    """A stored decision."""

    id: int
    decision: str
    nobody_kind: str | None
    target_kind: str
    target: str
    session: int | None
    customer_id: int | None
    order_id: int | None
    reason: str
    made_by: str
    made_at: datetime
    removed_at: datetime | None
    removed_by: str | None
    removed_reason: str | None
    superseded_by: int | None


class ApiMonth(BaseModel):
    """The number of chats of a month, and of those with a customer. Groups and copies are not counted."""

    month: str
    chats: int
    linked: int


class ApiCheck(BaseModel):
    """The newest result of a check with failing rows. `month` is null for a check without months."""

    check: str
    month: str | None
    failing: int
    examined: int
    severity: str
    run_id: str | None


class ApiState(BaseModel):
    """The state of the pipeline: the newest 24 months, at most 100 failing checks, and counts.

    The counts are of files that could not be read and of deliveries that wait or failed.
    """

    months: list[ApiMonth]
    failing_checks: list[ApiCheck]
    unread_files: int
    unread_findings: int
    deliveries_waiting: int
    oldest_waiting_seconds: int
    deliveries_parked: int = Field(description="deliveries that wait until their business number is added")
    deliveries_dead: int


class ApiUnreadFile(BaseModel):
    """A file of the archive with findings. `kinds` are the kinds of its findings."""

    file: str
    month: str | None
    findings: int
    lines: int
    severity: str
    kinds: list[str]


class ApiLine(BaseModel):
    """A line of a file of the archive."""

    line: int
    text: str


class ApiFinding(BaseModel):
    """A finding about a part of a file that could not be read.

    `line` is null if it is about the whole file.
    """

    kind: str
    words: str = Field(description="in Portuguese, as the pages say it")
    severity: str
    line: int | None
    detail: str
    near: list[ApiLine] = Field(
        description="the line and the lines around it; empty if the file can't be opened"
    )


class ApiReread(BaseModel):
    """The reading options that a person chose for a file. `read_at` is null until a run has used them."""

    file: str
    options: dict[str, Any] = Field(
        description="`format`, `date_order` and `owner`; null: the reader decides again"
    )
    requested_by: str
    requested_at: datetime
    read_at: datetime | None
    can_be_read: bool = Field(description="false: the file is missing, or could not be opened or loaded")


class ApiUnreadDetail(BaseModel):
    """A file's findings, those about the whole file first, and the last choice of reading options."""

    file: str
    month: str | None
    findings: list[ApiFinding] = Field(description="the first 100 findings")
    has_more: bool
    reread: ApiReread | None


_CHOICES = ("format", "date_order", "owner")


class NewReread(BaseModel):
    """Reading options for a file. An option that is not given is not changed. At least one must be given."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"anyOf": [{"required": [name]} for name in _CHOICES]}
    )

    file: str = Field(min_length=1, max_length=4000, description="path of the file in the archive")
    format: Literal["auto", "block", "android", "ios"] | SkipJsonSchema[None] = Field(
        None, description="auto: the reader decides again"
    )
    date_order: Literal["auto", "dmy", "mdy", "ymd"] | SkipJsonSchema[None] = Field(
        None, description="auto: the reader decides again"
    )
    owner: Annotated[str, Field(max_length=200, pattern=_ONE_LINE)] | SkipJsonSchema[None] = Field(
        None, description="name of the shop in the file"
    )

    @model_validator(mode="before")
    @classmethod
    def _chosen(cls, given: object) -> object:
        """Refuse a body without an option, and null, which the OpenAPI document does not allow."""
        if isinstance(given, dict):
            chosen = [given[name] for name in _CHOICES if name in given]
            if not chosen or None in chosen:
                raise ValueError("give format, date_order or owner, and not null")
        return given


class ApiDeadLetter(BaseModel):
    """A webhook delivery that failed too often. `error` contains nothing of its content."""

    id: int
    received_at: datetime
    attempts: int
    error: str
    can_be_replayed: bool = Field(description="false: its content was deleted meanwhile")


# Ids up to the largest integer that JavaScript can represent exactly. No inbox has larger ids.
_Delivery = Annotated[int, Field(ge=1, le=2**53 - 1), BeforeValidator(_number)]


class ReplayWanted(BaseModel):
    """The dead letters to process again."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[_Delivery], Field(min_length=1, max_length=1000)] | None = Field(
        description="null: all dead letters"
    )


class Replayed(BaseModel):
    """The number of dead letters that will be processed again.

    Deliveries that already wait are not counted.
    """

    replayed: int


class ApiTenant(BaseModel):
    """A tenant and its business numbers."""

    id: int
    name: str
    accounts: int
    active_accounts: int


class NewTenant(BaseModel):
    """A tenant to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=_ONE_LINE)


class ApiAccount(BaseModel):
    """A business number."""

    phone_number_id: str
    tenant_id: int | None
    tenant: str | None
    is_active: bool


class NewAccount(BaseModel):
    """A business number to add, or to enable again."""

    model_config = ConfigDict(extra="forbid")

    phone_number_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="Meta's id of the number")
    tenant_id: BodyId | None = Field(None, description="null: the tenant is not changed")


class AddedAccount(ApiAccount):
    """A business number that is active now, and the number of its deliveries that will be processed."""

    deliveries_in_line: int

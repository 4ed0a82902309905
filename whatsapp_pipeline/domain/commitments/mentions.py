"""A mention of a commitment in one message, and its kinds.

What belongs here: the types that the rules return. What does not: the rules themselves (`*_rules`), and the
outcome of a commitment (status.py).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "price_quoted",
    "deadline_promised",
    "warranty_given",
    "quote_approved",
    "quote_refused",
    "pickup_agreed",
    "payment_announced",
    # These are no commitments. They show that a commitment was kept or broken.
    "said_ready",
    "said_late",
    "said_paid",
    "said_collected",
    # These are no commitments, either: the customer brings the device on a day, has not decided yet, or asks
    # for an answer.
    "said_bringing",
    "said_undecided",
    "said_asks",
    # Remarks of both sides, which summaries/remarks.py reads.
    "said_praises",
    "said_blames",
    "said_sells",
    "said_applies",
    "said_misdirected",
    "said_shops",
    "said_hopeless",
    "said_puts_off",
    "said_corrects",
    "said_reconsiders",
    "said_bids",
    "said_consents",
    "said_device",
    "said_invoice",
    "said_declines",
    "said_visits",
    "said_thanks",
    "said_pending",
    "said_locates",
    "said_frauds",
    "said_receipt",
    "said_forgot",
    "said_lowers",
    "said_waives",
    "said_moves",
    "said_amount",
    "said_number",
    "said_agrees",
    "said_asks_fee",
    # Signals of both sides, which summaries/signals.py reads.
    "said_when",
    "said_sum",
    "said_changes",
    "said_returns",
]
REMARK_KINDS = frozenset(
    {
        *("said_praises", "said_blames", "said_sells", "said_applies", "said_misdirected"),
        *("said_shops", "said_hopeless", "said_puts_off", "said_corrects"),
        *("said_reconsiders", "said_bids", "said_consents", "said_device"),
        *("said_invoice", "said_declines", "said_visits", "said_thanks"),
        *("said_pending", "said_locates", "said_frauds", "said_receipt", "said_forgot"),
        *("said_lowers", "said_waives", "said_moves", "said_amount", "said_number", "said_agrees"),
        *("said_asks_fee", "said_when", "said_sum", "said_changes", "said_returns"),
    }
)
EVIDENCE_KINDS = REMARK_KINDS | {
    *("said_ready", "said_late", "said_paid", "said_collected"),
    *("said_bringing", "said_undecided", "said_asks"),
}
Side: TypeAlias = Literal["staff", "customer"]


class Mention(NamedTuple):
    """A mention of a commitment. `amount` is in reais, `due` is a code of when.py, `length` is e.g. `90d`,
    or the name of a device.

    `start`, `end` are the place of the clause in the message. `sort` says of a price that it is a rough
    one, a fee for looking at the device, the total of work that is done or the price of each of several
    devices; of an approval that its words agree to anything ("fechado", "combinado") or to a part of an
    offer; of a refusal that it takes an order back, or calls something off that may be a visit; of a
    request that it is a question. "weak" says of a payment, a pick-up and the news that work is ready
    that the words alone are doubtful ("paguei 90", "pode buscar"), and of a deadline that it only adds
    days ("mais 2 dias"). "to_come" says of a payment that its words do not say that it was made.
    """

    kind: Kind
    side: Side
    start: int
    end: int
    amount: Decimal | None = None
    due: str | None = None
    length: str | None = None
    sort: (
        Literal["rough", "fee", "total", "each", "weak", "part"]
        | Literal["cancel", "called_off", "question", "to_come"]
        | None
    ) = None

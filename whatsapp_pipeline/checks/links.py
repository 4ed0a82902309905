"""QA of the links: how many chats found their customer, which are in doubt, which orders don't fit."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope
from whatsapp_pipeline.store.checks import Findings, find

_CHATS = """
    SELECT count(*) FROM chat_files
    WHERE month = ANY(%(months)s) AND match_status <> 'group' AND processing_status <> 'vanished'
"""


def _with_status(scope: Scope, statuses: list[str]) -> Findings:
    return find(
        scope.conn,
        _CHATS,
        """
        SELECT f.month, f.id AS chat, f.title, f.match_status AS status,
               round(f.match_confidence::numeric, 3) AS confidence,
               (SELECT count(*) FROM match_candidates c WHERE c.id_chat_file = f.id) AS candidates
        FROM chat_files f
        WHERE f.month = ANY(%(months)s) AND f.match_status = ANY(%(statuses)s)
          AND f.processing_status <> 'vanished'
        ORDER BY f.month, f.match_confidence DESC NULLS LAST, f.id
        """,
        {"months": scope.months, "statuses": statuses},
    )


def _unlinked(scope: Scope) -> Findings:
    return _with_status(scope, ["unmatched", "pending"])


def _in_doubt(scope: Scope) -> Findings:
    return _with_status(scope, ["ambiguous", "proposed"])


def _contradictions(scope: Scope) -> Findings:
    return find(
        scope.conn,
        _CHATS,
        """
        SELECT month, id AS chat, title, unnest(match_flags) AS flag, match_method AS method
        FROM chat_files
        WHERE month = ANY(%(months)s) AND match_flags <> '{}' AND processing_status <> 'vanished'
        ORDER BY month, id
        """,
        {"months": scope.months},
    )


def _foreign_orders(scope: Scope) -> Findings:
    return find(
        scope.conn,
        """
        SELECT count(*) FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
        WHERE f.month = ANY(%(months)s) AND s.id_ordem_servico IS NOT NULL
        """,
        """
        SELECT f.month, f.id AS chat, f.title, s.number AS session, s.id_ordem_servico,
               o.id_contato AS order_contact, f.id_contato AS chat_contact, s.order_match_method AS method
        FROM chat_sessions s
        JOIN chat_files f ON f.id = s.id_chat_file
        JOIN ordens_servico o ON o.id = s.id_ordem_servico
        WHERE f.month = ANY(%(months)s) AND f.id_contato IS NOT NULL AND o.id_contato IS NOT NULL
          AND o.id_contato <> f.id_contato AND s.order_match_status <> 'manual'
        ORDER BY f.month, f.id, s.number
        """,
        {"months": scope.months},
    )


CHECKS = [
    QaCheck(
        name="chats_are_linked",
        asset="contact_links",
        description="Chats that found no contact at all.",
        how_to_fix="Add the number to the contact in the ERP, or `whatsapp-pipeline override add`; "
        "numbers that are nobody's yet stay unmatched.",
        find=_unlinked,
        tolerated=0.5,
    ),
    QaCheck(
        name="links_without_doubt",
        asset="contact_links",
        description="Chats with several plausible contacts, or one that is not sure enough.",
        how_to_fix="`whatsapp-pipeline review --month MONTH` steps through them, most valuable first.",
        find=_in_doubt,
        tolerated=0.25,
    ),
    QaCheck(
        name="evidence_agrees",
        asset="contact_links",
        description="Chats whose title, header phones, name or order number point to different contacts.",
        how_to_fix="`whatsapp-pipeline review --month MONTH`, or an override with the reason.",
        find=_contradictions,
        tolerated=0.10,
    ),
    QaCheck(
        name="orders_belong_to_the_contact",
        asset="order_links",
        description="Sessions linked to an order of another contact than the chat's.",
        how_to_fix="Correct the order's contact in the ERP, or `override add --order ID` with the reason.",
        find=_foreign_orders,
    ),
]

"""QA of the links: how many chats found their customer, which are in doubt, which orders don't fit."""

from __future__ import annotations

from whatsapp_pipeline.checks.qa import QaCheck, Scope, rule
from whatsapp_pipeline.store.links import verdicts
from whatsapp_pipeline.store.operations.checks import Findings, find

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


def _disagreement(scope: Scope) -> Findings:
    rows: list[dict[str, object]] = []
    by_month: dict[str, int] = {}
    decided = 0
    for month in scope.months:
        for row in verdicts.sample(scope.conn, month):
            decided += row.verdict in {"right", "wrong"}
            if row.verdict == "wrong":
                by_month[month] = by_month.get(month, 0) + 1
                rows.append({"month": month, "chat": row.id_chat_file, "title": row.title,
                             "status": row.match_status, "method": row.match_method})  # fmt: skip
    return Findings.of(decided, rows, by_month)


_half_links = rule(
    _CHATS,
    """
    SELECT month, id AS chat, title, match_status AS status, match_method AS method
    FROM chat_files
    WHERE month = ANY(%(months)s) AND processing_status <> 'vanished'
      AND match_status = 'linked'
      AND (id_contato IS NULL OR match_method IS NULL OR match_method = 'none' OR match_confidence IS NULL)
    ORDER BY month, id
    """,
)
_not_the_best = rule(
    _CHATS,
    """
    SELECT f.month, f.id AS chat, f.title, f.id_contato, c.id_contato AS best_candidate
    FROM chat_files f JOIN match_candidates c ON c.id_chat_file = f.id AND c.rank = 1
    WHERE f.month = ANY(%(months)s) AND f.match_status = 'linked' AND f.match_method <> 'override'
      AND f.id_contato <> c.id_contato AND f.processing_status <> 'vanished'
    ORDER BY f.month, f.id
    """,
)
_overruled_people = rule(
    "SELECT count(*) FROM link_overrides WHERE removed_at IS NULL AND decision = 'contact'",
    """
    SELECT f.month, f.id AS chat, f.title, o.id AS override, o.id_contato AS decided,
           f.id_contato AS linked
    FROM link_overrides o JOIN chat_files f ON f.file_path = o.target
    WHERE o.removed_at IS NULL AND o.target_kind = 'file' AND o.decision = 'contact'
      AND (o.chat_number IS NULL OR o.chat_number = f.chat_number)
      AND f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
      AND f.id_contato IS DISTINCT FROM o.id_contato
      AND EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato)
    ORDER BY f.month, f.id
    """,
)
_linked_groups = rule(
    "SELECT count(*) FROM chat_files WHERE month = ANY(%(months)s) AND is_group",
    """
    SELECT month, id AS chat, title, match_status AS status, match_method AS method FROM chat_files
    WHERE month = ANY(%(months)s) AND is_group AND id_contato IS NOT NULL
      AND match_method IS DISTINCT FROM 'override' AND processing_status <> 'vanished'
    ORDER BY month, id
    """,
)
_half_order_links = rule(
    "SELECT count(*) FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file"
    " WHERE f.month = ANY(%(months)s)",
    """
    SELECT f.month, f.id AS chat, f.title, s.number AS session, s.order_match_status AS status
    FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
    WHERE f.month = ANY(%(months)s) AND s.order_match_status = 'linked'
      AND (s.id_ordem_servico IS NULL OR s.order_match_method IS NULL OR s.order_match_confidence IS NULL)
    ORDER BY f.month, f.id, s.number
    """,
)
_named_orders_missed = rule(
    """
    SELECT count(*) FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
    WHERE f.month = ANY(%(months)s) AND s.order_numbers <> '{}'
    """,
    """
    SELECT f.month, f.id AS chat, f.title, s.number AS session, s.order_numbers::text AS named,
           s.order_match_status AS status
    FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
    WHERE f.month = ANY(%(months)s) AND s.id_ordem_servico IS NULL AND f.processing_status <> 'vanished'
      AND EXISTS (
          SELECT FROM unnest(s.order_numbers) n
          JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = ltrim(n, '0')
          WHERE o.id_contato = f.id_contato)
    ORDER BY f.month, f.id, s.number
    """,
)
# Of the orders issued in the month to customers with a linked chat in it: those that no session is about.
_orders_without_talk = rule(
    """
    SELECT count(*) FROM ordens_servico o
    WHERE to_char(o.data_emissao::date, 'YYYY-MM') = ANY(%(months)s)
      AND EXISTS (SELECT FROM chat_files f WHERE f.id_contato = o.id_contato
                  AND f.month = to_char(o.data_emissao::date, 'YYYY-MM'))
    """,
    """
    SELECT to_char(o.data_emissao::date, 'YYYY-MM') AS month, o.id AS id_ordem_servico, o.id_contato
    FROM ordens_servico o
    WHERE to_char(o.data_emissao::date, 'YYYY-MM') = ANY(%(months)s)
      AND EXISTS (SELECT FROM chat_files f WHERE f.id_contato = o.id_contato
                  AND f.month = to_char(o.data_emissao::date, 'YYYY-MM'))
      AND NOT EXISTS (SELECT FROM chat_sessions s WHERE s.id_ordem_servico = o.id)
    ORDER BY 1, 2
    """,
)


CHECKS = [
    QaCheck(
        name="links_are_whole",
        asset="contact_links",
        description="Chats called linked without a contact, a method or a confidence.",
        how_to_fix="Materialize contact_links for the month again.",
        why="A link without grounds can't be reviewed.",
        find=_half_links,
        severity="error",
    ),
    QaCheck(
        name="links_follow_their_evidence",
        asset="contact_links",
        description="Chats linked to another contact than their best candidate.",
        how_to_fix="Materialize contact_links for the month again; a row that was "
        "changed by hand is decided by `whatsapp-pipeline override add` instead.",
        why="What is shown as evidence must be what decided.",
        find=_not_the_best,
        severity="error",
    ),
    QaCheck(
        name="decisions_of_people_hold",
        asset="contact_links",
        description="Files linked to another contact than a person decided.",
        how_to_fix="Materialize contact_links for the month again.",
        why="An override outranks every rule.",
        find=_overruled_people,
        severity="error",
    ),
    QaCheck(
        name="groups_belong_to_nobody",
        asset="contact_links",
        description="Group chats linked to one contact without anybody having decided it.",
        how_to_fix="Materialize contact_links for the month again.",
        why="Other people's words would stand in that contact's summary.",
        find=_linked_groups,
        severity="error",
    ),
    QaCheck(
        name="reviewers_agree",
        asset="contact_links",
        description="Links of the review sample that a person called wrong.",
        how_to_fix="`whatsapp-pipeline override add` corrects each; many of one method speak of its rules.",
        why="The sample stands for the month.",
        find=_disagreement,
        tolerated=0.05,
    ),
    QaCheck(
        name="order_links_are_whole",
        asset="order_links",
        description="Sessions called linked without an order, a method or a confidence.",
        how_to_fix="Materialize order_links for the month again.",
        why="A link without grounds can't be reviewed.",
        find=_half_order_links,
        severity="error",
    ),
    QaCheck(
        name="named_orders_are_linked",
        asset="order_links",
        description="Sessions that name an order of their contact and are linked to none.",
        how_to_fix="Materialize order_links for the month; or `whatsapp-pipeline override add` decides it.",
        why="A number that was said is the best evidence there is.",
        find=_named_orders_missed,
        tolerated=0.05,
    ),
    QaCheck(
        name="orders_are_talked_about",
        asset="order_links",
        description="Orders of the month, of customers who wrote in it, that no session is linked to.",
        how_to_fix="Review the customer's sessions; orders that are agreed on the phone stay without one.",
        find=_orders_without_talk,
        tolerated=0.60,
    ),
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

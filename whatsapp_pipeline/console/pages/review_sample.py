"""The blind sample: links of the rules that a reviewer judges without seeing them.

What belongs here: the page before a verdict, which shows no score, no waterfall and no current link, and the
result after it. What does not: drawing links (store/links/precision_sample.py) and the effect of a verdict
(steps/links/blind_verdicts.py).
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from starlette.responses import Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page, number_or_none
from whatsapp_pipeline.console.pages.conversation import read_conversation, seen_in
from whatsapp_pipeline.console.pages.search import customers_named
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.contacts.directory import customer_names
from whatsapp_pipeline.store.conversations.message_stream import StreamScope
from whatsapp_pipeline.store.links.precision_sample import BlindItem, next_links, rule_link


class SamplePrecision(NamedTuple):
    """Lower bound of the share of right links, rounded down to a thousandth, with its counts."""

    least: float
    confidence: float
    verdicts: int
    wrong: int
    links: int


def blind_sample(page: Page) -> Response:
    """Redirect to the next link of the sample, or show that none waits for a verdict."""
    judged = number_or_none(page.text("judged"))
    found = next_links(page.conn, None, limit=1)
    if found:
        query = f"?judged={judged}" if judged is not None else ""
        if query and page.text("kept") == "0":
            query += "&kept=0"
        return page.redirect(f"/review/sample/chat:{found[0].id_chat_file}{query}")
    return _sample_page(page, None)


def blind_item(page: Page) -> Response:
    """Show a chat and its possible customers, in an order that does not reveal the linked one."""
    number = page.number("id")
    found = next_links(page.conn, None, limit=1, chat=number)
    if not found:
        raise PageError("not_found")
    return _sample_page(page, found[0])


def judge_link(page: Page) -> Response:
    """Store the reviewer's answer. Only now is it compared with the link."""
    from whatsapp_pipeline.steps.links.blind_verdicts import BlindAnswer, judge_blind
    from whatsapp_pipeline.steps.links.decide import AlreadyDecidedError

    number, fields = page.number("id"), page.form()
    answer = re.fullmatch(r"contact:([0-9]{1,19})|nobody|unsure", fields.get("answer", ""))
    contact = number_or_none(answer[1]) if answer and answer[1] else None
    if answer is None or (answer[1] and (contact is None or not customer_names(page.conn, [contact]))):
        raise PageError("bad_request")
    note = page.clean(fields.get("reason", ""), longest=500) or words.SAMPLE_REASON
    given = BlindAnswer(contact, answer[0] != "unsure", note, page.visitor.name)
    try:
        outcome = judge_blind(page.conn, number, given)
    except AlreadyDecidedError:
        return page.render("review_sample_judged.html", status=409)
    except PipelineError:
        raise PageError("not_found") from None
    lost = "&kept=0" if outcome.not_kept is not None else ""
    return page.redirect(f"/review/sample?judged={number}{lost}")


def _sample_page(page: Page, item: BlindItem | None) -> Response:
    conversation, path = None, "/review/sample"
    if item is not None:
        path = f"/review/sample/chat:{item.id_chat_file}"
        scope = StreamScope("chat", item.id_chat_file)
        conversation, messages = read_conversation(page, scope, path)
        page.record("view", {(None, f"chat:{item.id_chat_file}"), *seen_in(messages)})
    who = page.text("who")
    return page.render(
        "review_sample.html",
        item=item,
        path=path,
        conversation=conversation,
        who=who,
        others=customers_named(page, who) if who and item is not None else None,
        judged=_judged(page),
        is_kept=page.text("kept") != "0",
        precision=sample_precision(page.conn) if item is None or page.text("judged") else None,
    )


def _judged(page: Page) -> dict[str, Any] | None:
    """Return the link of the rules for a chat that this reviewer has just judged; None without one."""
    number = number_or_none(page.text("judged"))
    link = rule_link(page.conn, number) if number is not None else None
    if link is None or link.verdict is None or link.reviewer != page.visitor.name:
        return None
    return {
        "verdict": link.verdict,
        "customer": link.id_contato,
        "name": customer_names(page.conn, [link.id_contato]).get(link.id_contato),
        "method": link.method,
        "confidence": None if link.confidence is None else min(100 * link.confidence, 99.9),
    }


def sample_precision(conn: Connection) -> SamplePrecision | None:
    """Return the lower bound of the share of right links; None without verdicts."""
    from whatsapp_pipeline.steps.links.guaranteed_precision import guaranteed_precision

    bound = guaranteed_precision(conn, None, by_method=False).overall
    if bound is None or not bound.verdicts:
        return None
    least = math.floor(bound.share * 1000) / 1000
    return SamplePrecision(least, bound.confidence, bound.verdicts, bound.wrong, bound.links)

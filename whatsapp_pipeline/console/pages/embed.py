"""One order's page inside another program's screen: read-only, without navigation, opened by a signed link.

What belongs here: checking the link, and the content of the page. What does not: signatures
(signed_links.py).

Browsers send no cookies to a page in another site's frame, so there is no login: each request has the signed
link. Views are recorded under the name of the link's key.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

import psycopg
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from whatsapp_pipeline import clock
from whatsapp_pipeline.console.access import Visitor
from whatsapp_pipeline.console.console_context import ConsoleContext
from whatsapp_pipeline.console.error_pages import PageError, error_response, refusal_of
from whatsapp_pipeline.console.guard import content_policy
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.conversation import read_conversation, seen_in
from whatsapp_pipeline.console.pages.order import shown_order
from whatsapp_pipeline.console.signed_links import BadLinkError, OrderLink, checked_link
from whatsapp_pipeline.store.contacts.directory import order_by_id
from whatsapp_pipeline.store.conversations.message_stream import StreamScope
from whatsapp_pipeline.store.links.order_sessions import sessions_of_order
from whatsapp_pipeline.store.operations import console_access
from whatsapp_pipeline.store.operations.console_logins import ACCESS


class EmbeddedOrder:
    """The endpoint of signed links."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._keys = dict(context.config.link_keys)

    async def page(self, request: Request) -> Response:
        """Answer a signed link. Only the origins in the link may frame the answer."""
        try:
            link = checked_link(request.path_params["number"], request.query_params, self._keys)
        except BadLinkError:
            return error_response("bad_link", is_embedded=True)
        response = await run_in_threadpool(self._answer, request, link)
        response.headers["content-security-policy"] = content_policy(" ".join(link.origins) or "'none'")
        return response

    def _answer(self, request: Request, link: OrderLink) -> Response:
        if link.expires <= clock.now().timestamp():
            return error_response("expired_link", is_embedded=True)
        try:
            visitor = self._visitor(link)
            with self._context.pools.connection(link.level) as conn, conn.transaction():
                return _order_page(self._context.page(request, b"", visitor, conn), link)
        except psycopg.errors.InvalidAuthorizationSpecification:
            return error_response("bad_link", is_embedded=True)  # the key's user was disabled
        except Exception as error:
            return error_response(refusal_of(error), is_embedded=True)

    def _visitor(self, link: OrderLink) -> Visitor:
        """Return the user under whose name views are recorded.

        The hash of the user's session is keyed, so no cookie can refer to this session.
        """
        name = console_access.link_user(link.key)
        said = f"order link:{link.key}:{link.order}:{link.level}:{link.expires}"
        session = hmac.digest(self._context.key, said.encode(), "sha256")
        if link.level == "analyst":
            with self._context.pools.connection(ACCESS) as conn:
                console_access.keep_link_session(conn, name, session, link.expires)
        return Visitor(0, name, link.level, False, session)


def _order_page(page: Page, link: OrderLink) -> Response:
    may_read = page.visitor.may("analyst")
    found = order_by_id(page.conn, link.order, with_device=True)
    if found is None or (found.numero or str(found.id)) != link.number:
        raise PageError("not_found")
    sessions = sessions_of_order(page.conn, found.id, with_messages=may_read)
    days, older, newer = [], None, None
    if may_read:
        conversation, messages = read_conversation(page, StreamScope("order", found.id), "")
        page.record("view", seen_in(messages) or {(found.id_contato, f"order:{found.id}")})
        days = conversation.days
        older = _signed(page, "before", messages[0].ref) if conversation.older else None
        newer = _signed(page, "after", messages[-1].ref) if conversation.newer else None
    return page.render(
        "embed_order.html", order=shown_order(found), sessions=sessions, days=days, older=older, newer=newer
    )


def _signed(page: Page, name: str, ref: str) -> str:
    """Return the address of another page of the conversation, with the same signed link."""
    kept = {key: value for key, value in page.request.query_params.items() if key not in {"before", "after"}}
    return f"{page.request.url.path}?{urlencode({**kept, name: ref})}"

"""The address of one message, which leads to its conversation, and the page of one chat."""

from __future__ import annotations

from starlette.responses import Response

from whatsapp_pipeline.console.addresses import message_address
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.conversation import parse_ref, read_conversation, seen_in
from whatsapp_pipeline.store.conversations.chat_heads import chat_head
from whatsapp_pipeline.store.conversations.message_stream import StreamScope, locate_message


def message(page: Page) -> Response:
    """Redirect to the message on its customer's page or, if it has no customer, on its chat's page."""
    found = locate_message(page.conn, *parse_ref(page.request.path_params["ref"]))
    if found is None:
        raise PageError("not_found")
    ref = f"{found.source}:{found.message_id}"
    if found.id_contato is not None:
        return page.redirect(message_address(ref, customer=found.id_contato))
    chat = found.id_chat_file if found.source == "chat" else found.conversation_id
    return page.redirect(f"/chats/{found.source}:{chat}?around={ref}#{ref}")


def show_chat(page: Page) -> Response:
    """Show one chat or live conversation: its customer, its state, and its messages."""
    source, number = parse_ref(page.request.path_params["ref"])
    scope = StreamScope("chat" if source == "chat" else "webhook", number)
    head = chat_head(page.conn, scope)
    if head is None:
        raise PageError("not_found")
    conversation, messages = read_conversation(page, scope, f"/chats/{source}:{number}")
    page.record("view", {(head.id_contato, f"{source}:{number}"), *seen_in(messages)})
    return page.render("chat.html", head=head, source=source, conversation=conversation)

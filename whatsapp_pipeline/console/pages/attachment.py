"""The attachment of a message, as a download."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.console.pages.conversation import parse_ref
from whatsapp_pipeline.store.conversations.message_stream import attachment_of


def attachment(page: Page) -> Response:
    """Send the file. A browser saves the file and never shows it, whatever its content is."""
    source, number = parse_ref(page.request.path_params["ref"])
    named = attachment_of(page.conn, number) if source == "chat" else None
    if named is None:
        raise PageError("not_found")
    page.record("export", {(named.id_contato, f"chat:{named.id_chat_file}")})
    for path in named.paths:
        found = page.files.open(path, named.name)
        if found is not None:
            return StreamingResponse(
                found.chunks(),
                media_type="application/octet-stream",
                headers={"content-length": str(found.size), "content-disposition": _disposition(named.name)},
            )
    raise PageError("no_attachment")


def _disposition(name: str) -> str:
    """Return the header that makes a browser save the file.

    Characters of the name that are not printable are removed, because they could hide a part of it.
    """
    shown = "".join(filter(str.isprintable, name)) or "anexo"
    return f"attachment; filename*=UTF-8''{quote(shown, safe='')}"

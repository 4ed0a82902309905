"""The argument of a page's function: the request, its user, and the connection of the user's level.

What belongs here: reading parameters safely, recording views, rendering. What does not: the pages (pages/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from whatsapp_pipeline.archive.attachments import AttachmentFiles
from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.access import Access, Visitor
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.message_words import labelled, said_words
from whatsapp_pipeline.console.static_files import static_address
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations.console_views import ViewAction, record_views, view_subject
from whatsapp_pipeline.templates.render import render

_BIGINT = 2**63 - 1
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Page:
    """One request for a page."""

    request: Request
    body: bytes
    visitor: Visitor
    conn: Connection
    access: Access
    config: ConsoleConfig
    key: bytes
    files: AttachmentFiles

    def text(self, name: str, *, longest: int = 200) -> str:
        """Return a query parameter as `clean` returns it; '' if it is missing."""
        return self.clean(self.request.query_params.get(name, ""), longest=longest)

    def clean(self, text: str, *, longest: int = 200) -> str:
        """Return a text of a request, stripped and cut to `longest` characters.

        Control characters are removed, except tab and newline.
        """
        return _CONTROL_CHARACTERS.sub("", text)[:longest].strip()

    def form(self) -> dict[str, str]:
        """Return the fields of a posted form. If a name occurs several times, the last value is returned."""
        return parse_form(self.body)

    def number(self, name: str) -> int:
        """Return a parameter of the path as an id. Raises PageError (not_found) if it is no possible id."""
        value = number_or_none(self.request.path_params.get(name, ""))
        if value is None:
            raise PageError("not_found")
        return value

    def day(self, name: str) -> date | None:
        """Return a parameter as a day (2025-01-31); None if it is missing or no day."""
        try:
            return date.fromisoformat(self.text(name))
        except ValueError:
            return None

    def record(self, action: ViewAction, seen: Iterable[tuple[int | None, str]]) -> None:
        """Record, in the page's transaction, that the user sees messages of these subjects.

        A subject is a pair: the id of a customer, and a chat such as `chat:12`, which is used if the id is
        None.
        """
        subjects = [view_subject(self.key, contact, chat) for contact, chat in seen]
        record_views(self.conn, self.visitor.session, action, subjects)

    def render(self, template: str, *, status: int = 200, **values: object) -> Response:
        """Return a page of `templates/console/`."""
        html = render(
            f"console/{template}",
            t=words,
            visitor=self.visitor,
            static=static_address,
            may_read=self.visitor.may("analyst"),
            said_words=said_words,
            labelled=labelled,
            **values,
        )
        return HTMLResponse(html, status_code=status)

    def redirect(self, path: str) -> Response:
        """Send the browser to another page with a GET."""
        return RedirectResponse(path, status_code=303)

    @property
    def now(self) -> datetime:
        """The current time in the archive's zone."""
        from zoneinfo import ZoneInfo

        return datetime.now(ZoneInfo(self.config.zone))


def number_or_none(text: str) -> int | None:
    """Return a text as a number if it is a possible id, otherwise None."""
    return int(text) if re.fullmatch(r"[0-9]{1,19}", text) and int(text) <= _BIGINT else None


def parse_form(body: bytes) -> dict[str, str]:
    """Return the fields of an urlencoded form, without NUL characters.

    Starlette's `request.form()` is not used, because it needs python-multipart, a dependency for file
    uploads, which the console does not have. The guard has already limited the size of the body.
    """
    pairs = parse_qsl(
        body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=50, errors="replace"
    )
    return {name: value.replace("\x00", "") for name, value in pairs}

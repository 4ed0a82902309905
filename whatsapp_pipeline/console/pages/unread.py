"""Files and lines of the archive that could not be read, and choosing other reading options for a file.

What belongs here: the list of such files, the findings of one file with the lines around them, and storing
reading options. What does not: reading a file again, which a run of its month does (automation/rereading.py
requests such a run).
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from starlette.responses import Response

from whatsapp_pipeline.archive.raw_lines import lines_near
from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.store.chats.rereads import request_reread, reread_of_file, waiting_files
from whatsapp_pipeline.store.exceptions import findings_of_file, unread_files

FORMATS, DATE_ORDERS = ("block", "android", "ios"), ("dmy", "mdy", "ymd")
CONTEXT = 2
"""Lines that are shown before and after a line that could not be read."""
_LISTED, _FINDINGS = 50, 10
_PATH_LENGTH = 4000


def unread(page: Page) -> Response:
    """List the files that could not be read, completely or in part."""
    month = page.text("month") if re.fullmatch(r"[0-9]{4}-[0-9]{2}", page.text("month")) else None
    after = page.text("after", longest=_PATH_LENGTH) or None
    found = unread_files(page.conn, month=month, after=after, limit=_LISTED + 1)
    shown = found[:_LISTED]
    more = {"month": month or "", "after": shown[-1].file_path} if len(found) > _LISTED else None
    return page.render(
        "unread.html",
        files=[(one, _address(one.file_path)) for one in shown],
        month=month,
        more=f"/unread?{urlencode(more)}" if more else None,
        waiting=[(one, _address(one)) for one in waiting_files(page.conn, _LISTED)],
    )


def unread_file(page: Page) -> Response:
    """Show one file's findings, each with the lines around it.

    The lines are messages, so the view is recorded.
    """
    path = page.text("path", longest=_PATH_LENGTH)
    findings = findings_of_file(page.conn, path, limit=_FINDINGS + 1)
    reread = reread_of_file(page.conn, path)
    if not findings and reread is None:
        raise PageError("not_found")
    shown = findings[:_FINDINGS]
    root = page.config.archive
    lines = {one.line for one in shown if one.line is not None}
    near = lines_near(root, path, lines, context=CONTEXT) if root else {}
    page.record("view", {(None, f"file:{path}")})
    return page.render(
        "unread_file.html",
        path=path,
        findings=[(one, near.get(one.line or 0, [])) for one in shown],
        is_more=len(findings) > _FINDINGS,
        month=findings[0].month if findings else None,
        reread=reread,
        formats=FORMATS,
        date_orders=DATE_ORDERS,
        may_choose=page.visitor.may("reviewer"),
        saved=page.text("saved"),
        has_archive=root is not None,
    )


def save_reading_options(page: Page) -> Response:
    """Store reading options for a file. The choice waits until a run of the file's month has used them."""
    fields = page.form()
    path = page.clean(fields.get("path", ""), longest=_PATH_LENGTH)
    form, date_order = fields.get("format", ""), fields.get("date_order", "")
    if form not in {"", "auto", *FORMATS} or date_order not in {"", "auto", *DATE_ORDERS}:
        raise PageError("bad_request")
    options = reading_options(form, date_order, page.clean(fields.get("owner", "")))
    if not options:
        raise PageError("bad_request")
    stored = request_reread(page.conn, path, options, requested_by=page.visitor.name)
    return page.redirect(_address(path) + ("&saved=1" if stored else "&saved=0"))


def reading_options(form: str, date_order: str, owner: str) -> dict[str, object]:
    """Return the reading options that a form changes.

    An empty field changes no option. `auto` becomes None: the reader decides again.
    """
    options: dict[str, object] = {
        name: None if value == "auto" else value
        for name, value in (("format", form), ("date_order", date_order))
        if value
    }
    if owner:
        options["owner"] = [owner]
    return options


def _address(path: str) -> str:
    return f"/unread/file?{urlencode({'path': path})}"

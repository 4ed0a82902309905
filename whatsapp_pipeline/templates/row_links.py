"""The links of values in tables of rows.

What belongs here: the address of a chat, a message, a customer or an order, for all pages and for Dagster's
metadata. What does not: the pages, and the rights to open them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

# Column name in checks and previews → the console's page for its value.
_PAGES = {
    "chat": "/chats/chat:{}",
    "duplicate_of": "/chats/chat:{}",
    "conversation": "/chats/webhook:{}",
    "contact": "/customers/{}",
    "id_contato": "/customers/{}",
    "first_contact": "/customers/{}",
    "best_candidate": "/customers/{}",
    "linked": "/customers/{}",
    "decided": "/customers/{}",
    "id_ordem_servico": "/orders/-?id={}",
}
_LISTED = 20


def row_link(column: str, row: Mapping[str, object], on_page: Container[object], console: str) -> str | None:
    """Return the address for a cell, or None if there is no page for it.

    Args:
        column: The column as a check names it, such as `chat` or `id_contato`.
        row: The whole row; the address of a message depends on its column `source`.
        on_page: Ids of the chats that the page itself lists.
        console: The address that links to the console begin with (CONSOLE_URL).
    """
    value = row.get(column)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if column == "chat" and value in on_page:
        return f"#chat-{value}"
    if column == "message_id":
        # Only rows about live messages have no column with the source of the message.
        return f"{console}/messages/{row.get('source', 'webhook')}:{value}"
    return console + _PAGES[column].format(value) if column in _PAGES else None


def console_links(rows: Iterable[Mapping[str, object]], console: str) -> str:
    """Return a line of Markdown with links to the pages for the values in rows, at most 20."""
    links = {
        f"[{column} {row[column]}]({address})": None
        for row in rows
        for column in row
        if (address := row_link(column, row, (), console))
    }
    return ", ".join(list(links)[:_LISTED])

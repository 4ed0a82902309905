"""Links of the values in a table of failing rows.

What belongs here: the address of a chat, a customer or an order, the same for every page. What does not: the
pages themselves, and who may open them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

# Column, as a check names it → the console's page of what it holds.
_PAGES = {
    "chat": "/chats/chat:{}",
    "conversation": "/chats/webhook:{}",
    "contact": "/customers/{}",
    "id_contato": "/customers/{}",
    "id_ordem_servico": "/orders/-?id={}",
}
_LISTED = 20


def row_link(column: str, value: object, on_page: Container[object], console: str) -> str | None:
    """Return the address that a cell leads to, or None where there is no page for it.

    Args:
        column: The column as a check names it, such as `chat` or `id_contato`.
        value: What the cell holds.
        on_page: Ids of the chats that the page itself lists.
        console: The address that links to the console begin with (CONSOLE_URL).
    """
    if column == "chat" and value in on_page:
        return f"#chat-{value}"
    if column in _PAGES and isinstance(value, int) and not isinstance(value, bool):
        return console + _PAGES[column].format(value)
    return None


def console_links(rows: Iterable[Mapping[str, object]], console: str) -> str:
    """Return a line of Markdown with a link for each chat, customer and order of the rows, at most 20."""
    links = {
        f"[{column} {value}]({address})": None
        for row in rows
        for column, value in row.items()
        if (address := row_link(column, value, (), console))
    }
    return ", ".join(list(links)[:_LISTED])

"""Where a value in a table of failing rows leads.

What belongs here: the address of a chat, a customer or an order, the same for every page. What does not: the
pages themselves, and who may open them.
"""

from __future__ import annotations

from collections.abc import Container


def row_link(column: str, value: object, on_page: Container[object]) -> str | None:
    """Return the address that a cell leads to, or None where there is no page for it.

    Args:
        column: The column as a check names it, such as `chat` or `id_contato`.
        value: What the cell holds.
        on_page: Ids of the chats that the page itself lists.
    """
    if column == "chat" and value in on_page:
        return f"#chat-{value}"
    return None

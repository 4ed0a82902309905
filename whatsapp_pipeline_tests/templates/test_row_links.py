"""Where values in tables of failing rows lead."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.templates.row_links import console_links, row_link

BASE = "https://console.example.com"


@pytest.mark.parametrize(
    ("column", "row", "address"),
    [
        ("chat", {"chat": 5}, "#chat-5"),
        ("chat", {"chat": 6}, f"{BASE}/chats/chat:6"),
        ("duplicate_of", {"chat": 6, "duplicate_of": 5}, f"{BASE}/chats/chat:5"),
        ("contact", {"contact": 7}, f"{BASE}/customers/7"),
        ("id_contato", {"id_contato": 7}, f"{BASE}/customers/7"),
        ("best_candidate", {"best_candidate": 7}, f"{BASE}/customers/7"),
        ("id_ordem_servico", {"id_ordem_servico": 8}, f"{BASE}/orders/-?id=8"),
        ("conversation", {"conversation": 9}, f"{BASE}/chats/webhook:9"),
        ("message_id", {"message_id": 3}, f"{BASE}/messages/webhook:3"),
        ("message_id", {"source": "chat", "message_id": 3}, f"{BASE}/messages/chat:3"),
        ("line", {"line": 5}, None),
        ("contact", {"contact": "Ana"}, None),
        ("contact", {"contact": None}, None),
        ("contact", {"contact": True}, None),
        ("contact", {}, None),
    ],
)
def test_a_cell_leads_to_its_page(column: str, row: dict[str, object], address: str | None) -> None:
    assert row_link(column, row, {5}, BASE) == address


def test_a_check_lists_each_page_once() -> None:
    rows = [{"chat": 1, "line": 2}, {"chat": 1, "line": 3}, {"id_contato": 4}]
    assert console_links(rows, BASE) == f"[chat 1]({BASE}/chats/chat:1), [id_contato 4]({BASE}/customers/4)"
    assert console_links([{"line": 3}], BASE) == ""
    assert console_links([{"chat": n} for n in range(50)], BASE).count("](") == 20

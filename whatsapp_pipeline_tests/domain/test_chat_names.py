from __future__ import annotations

from datetime import datetime

import pytest

from whatsapp_pipeline.domain.chat_names import ChatName, chat_key, read_chat_name


@pytest.mark.parametrize(
    ("path", "member", "expected"),
    [
        (
            "2025/01/WhatsApp - 2025-01-20 09 12 01 - Maria Silva OS 30415.txt",
            None,
            ChatName(datetime(2025, 1, 20, 9, 12, 1), "Maria Silva OS 30415", True),
        ),
        ("2025/01/Conversa do WhatsApp com Ana.txt", None, ChatName(None, "Ana", True)),
        ("2025/01/Conversa do WhatsApp com Ana (2).zip", None, ChatName(None, "Ana", True)),
        ("2025/01/WhatsApp Chat - Ana.zip", "_chat.txt", ChatName(None, "Ana", True)),
        ("2025/01/WhatsApp Chat - Ana/_chat.txt", "_chat.txt", ChatName(None, "Ana", True)),
        ("2025/01/_chat.txt", None, ChatName(None, None, True)),
        ("2025/01/export.zip", "WhatsApp Chat - Ana/_chat.txt", ChatName(None, "Ana", True)),
        ("2025/01/export.zip", "WhatsApp Chat with Bia/chat.txt", ChatName(None, "Bia", True)),
        ("2025/01/export.zip", "Ana Prado/_chat.txt", ChatName(None, "Ana Prado", False)),
        ("2025/01/WhatsApp Chat - Ana.zip", "media/_chat.txt", ChatName(None, "Ana", True)),
        ("2025/01/export.zip", "media/_chat.txt", ChatName(None, None, True)),
        ("2025/01/export.zip", "WhatsApp Chat with Bia.txt", ChatName(None, "Bia", True)),
        ("2025/01/WhatsApp - 844 sesiones de chat.txt", None, ChatName(None, None, True, is_combined=True)),
        *(
            (f"{general}.zip", f"{general}/_chat.txt", ChatName(None, None, True))
            for general in (".", "WhatsApp", "chat", "Chats", "export", "exports", "backup", "media")
        ),
        # The innermost folder whose name is known counts, else the innermost that names anything.
        ("x.zip", "WhatsApp Chat - Ana/WhatsApp Chat - Bia/_chat.txt", ChatName(None, "Bia", True)),
        ("x.zip", "WhatsApp Chat - Ana/WhatsApp Chat with Bia.txt", ChatName(None, "Bia", True)),
        ("x.zip", "Ana/Bia/_chat.txt", ChatName(None, "Bia", False)),
        ("a/b/x.zip", "Ana/media/_chat.txt", ChatName(None, "Ana", False)),
        ("x.zip", "Ana/qualquer coisa.txt", ChatName(None, "qualquer coisa", False)),
        ("WhatsApp Chat - Ana/_chat.txt", None, ChatName(None, "Ana", True)),
        ("x.zip", "Ana/chat.txt", ChatName(None, "Ana", False)),
        ("x.zip", "Ana/Conversa do WhatsApp.txt", ChatName(None, "Ana", False)),
        ("x.zip", "Ana/2025/01/mensagens.txt", ChatName(None, "Ana", False)),
        ("x.zip", "2025-01-15 10 00 00 - Ana/_chat.txt", ChatName(None, "Ana", False)),
        ("x.zip", "2025/01/_chat.txt", ChatName(None, None, True)),
        ("x.zip", "chat/chat.txt", ChatName(None, None, False)),
        # The number of an order is a name, a year or a month is none.
        ("x.zip", "30123/_chat.txt", ChatName(None, "30123", False)),
        ("x.zip", "OS/30123/_chat.txt", ChatName(None, "30123", False)),
        ("x.zip", "Clientes/30123.txt", ChatName(None, "30123", False)),
        ("x.zip", "Ana/2025.txt", ChatName(None, "Ana", False)),
        ("x.zip", "Ana/2025-01.txt", ChatName(None, "Ana", False)),
        ("x.zip", "Ana/12/_chat.txt", ChatName(None, "Ana", False)),
        *(
            ("x.zip", f"Ana/{date}/_chat.txt", ChatName(None, "Ana", False))
            for date in ("01-2025", "2025_01", "202501", "01_25", "2025/01/31", "2025-01-31", "15.01.2025")
        ),
        ("x.zip", "2025/01/31/_chat.txt", ChatName(None, None, True)),
        ("x.zip", "Ana/15.txt", ChatName(None, "Ana", False)),
        ("x.zip", "Ana/301.txt", ChatName(None, "301", False)),
        ("x.zip", "99999-0000/_chat.txt", ChatName(None, "99999-0000", False)),
        ("x.zip", "3333-0000/_chat.txt", ChatName(None, "3333-0000", False)),
        ("WhatsApp Chat - Ana.zip", "chat.txt", ChatName(None, "Ana", True)),
        ("WhatsApp Chat - Ana/chat.txt", None, ChatName(None, "Ana", True)),
        ("2025/01/chat.txt", None, ChatName(None, None, False)),
        ("2025/01/30123.txt", None, ChatName(None, "30123", False)),
        ("2025/WhatsApp Chat - Ana/x/_chat.txt", None, ChatName(None, None, True)),
        (
            "2025/01/WhatsApp Chat - Ana.zip",
            "WhatsApp - 844 sesiones de chat.txt",
            ChatName(None, None, True, is_combined=True),
        ),
        ("2025/01/qualquer coisa.txt", None, ChatName(None, "qualquer coisa", False)),
        ("2025/01/WhatsApp - 2025-13-45 10 00 00 - Ana.txt", None, None),
    ],
)
def test_names(path: str, member: str | None, expected: ChatName | None) -> None:
    found = read_chat_name(path, member)
    if expected is None:
        assert found.time is None
        assert not found.is_known
    else:
        assert found == expected


def test_a_chat_is_named_by_its_phone_else_by_its_label() -> None:
    assert chat_key("+55 41 99999-0000", "4199990000", is_group=False) == "4199990000"
    assert chat_key("  Maria   SILVA ", None, is_group=False) == "label:maria silva"
    assert chat_key("Equipe", "4199990000", is_group=True) == "group:equipe"
    assert chat_key(None, None, is_group=False) is None

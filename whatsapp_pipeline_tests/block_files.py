"""Small archives in the block format, written by hand for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

PHONE = "+55 41 99999-0000"
START = datetime(2025, 1, 5, 10, 0, 0)


class Said(NamedTuple):
    """One message: `minute` after START, who (`from`, `to`, `notification`), the text, the status."""

    minute: int
    who: str
    text: str
    status: str = "Lida"


def block(
    said: Sequence[Said], *, label: str = PHONE, phone: str = "+554199990000", start: datetime = START
) -> str:
    """Return a chat in the block format."""
    parts = []
    for message in said:
        at = start + timedelta(minutes=message.minute)
        header = {
            "from": f"{at} from aB3xYz09GIAA= ({phone}) - {message.status}",
            "to": f"{at} to {label} - {message.status}",
            "notification": f"{at} notification",
        }[message.who]
        parts.append(f"{'-' * 52}\n{label}\n{header}\n\n{message.text}\n\n")
    return "".join(parts)


def talk(count: int, *, first: int = 0) -> list[Said]:
    """Return `count` messages, a minute apart, of customer and staff in turns."""
    return [
        Said(first + at, "to" if at % 2 else "from", f"mensagem de teste {first + at}\nsegunda linha")
        for at in range(count)
    ]


def write_chat(
    root: Path, text: str, *, title: str = PHONE, month: str = "2025/01", time: str = "2025-01-05 10 00 00"
) -> Path:
    """Write a chat file under the archive's name for it and return its path."""
    path = root / month / f"WhatsApp - {time} - {title}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path

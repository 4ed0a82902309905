"""The overview that the page of the code location shows.

What belongs here: one page of text. What does not: the guides (docs/), and the descriptions of single assets.
The commands `up` and `serve` use this text without loading Dagster.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whatsapp_pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

_OVERVIEW = """\
# WhatsApp Pipeline

Chat exports and webhooks become linked, checked, searchable rows in PostgreSQL.

1. **Contacts and orders**: `tiny_contacts` and `tiny_orders` read the ERP, if one is set;
   `normalized_contacts` makes phones comparable.
2. **Chats, month by month**: `chat_file_index` lists the exports, `contact_links` finds each chat's
   customer, `order_links` its service orders, `chat_messages` stores every message.
3. **Live**: `conversations` has the messages that the webhook received.
4. **Customers**: `customer_summaries` summarises the messages of each customer, and `commitments` lists
   promises.

*Materialize* months on the asset `chat_messages`, or let the schedules do it. A red check names the rows and
the way to correct them. `qa_report` is the page to read every morning.
"""


def overview_lines(configured: Settings) -> dict[str, str]:
    """Return the overview for the page of the code location: plain lines, each with a key."""
    _, *paragraphs = re.split(r"\n\n|\n(?=\d\. )", re.sub(r"[*`]", "", _OVERVIEW).strip())
    lines = {f"overview {place}": " ".join(text.split()) for place, text in enumerate(paragraphs, start=1)}
    return {**lines, "console": configured.console_url}


def overview(configured: Settings) -> dict[str, dg.MetadataValue]:
    """Return the metadata of the definitions: the text above and the addresses of the other pages."""
    import dagster as dg

    return {
        "overview": dg.MetadataValue.md(_OVERVIEW),
        "console": dg.MetadataValue.url(configured.console_url),
        "first month": dg.MetadataValue.text(configured.first_month),
    }

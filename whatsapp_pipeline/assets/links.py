"""contact_links and order_links: the contact of each chat, and the service order of each session.

What belongs here: the assets and their configuration. What does not: the work (steps/links/).
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
# Steps are imported in the functions that use them, because their libraries take longer to load than Dagster.
from collections import Counter

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets import lineage
from whatsapp_pipeline.assets.charts import bars
from whatsapp_pipeline.assets.chats import chat_file_index
from whatsapp_pipeline.assets.contacts import (
    TABLES_AND_ERP,
    normalized_contacts,
    tiny_orders,
    without_erp,
)
from whatsapp_pipeline.assets.declare import month_asset
from whatsapp_pipeline.assets.materialize import (
    Events,
    Metadata,
    StepConfig,
    preview,
    run_months,
)
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.steps.operations.gates import refuse_red
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import status


class ContactLinkConfig(StepConfig):
    """Thresholds of a link."""

    link_at: float = Field(default=0.95, ge=0.5, le=1, description="Minimum confidence of a link.")
    propose_at: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Minimum confidence of a proposal for review. With a lower confidence, the chat is "
        "unmatched.",
    )


class OrderLinkConfig(StepConfig):
    """The method by which a session gets its order."""

    method: str = Field(
        default="model",
        pattern="^(model|temporal_match)$",
        description="`model`, or `temporal_match`, which chooses the order with the nearest date of issue, "
        "at most 15 days away.",
    )
    refit: bool = Field(
        default=False,
        description="Fit the order model again first, even if the number of linked sessions has hardly "
        "changed since the last fit. All months become stale; `backfill` plans them.",
    )


def _review_link() -> Metadata:
    """Return the address of the console's review queue."""
    return {"review_queue": dg.MetadataValue.url(f"{settings.load_settings().console_url}/review")}


@month_asset(
    "links",
    table="chat_files",
    deps=[chat_file_index, normalized_contacts, "ordens_servico", tiny_orders],
    metadata=lineage.CONTACT_LINKS,
)
def contact_links(
    context: dg.AssetExecutionContext,
    config: ContactLinkConfig,
    database: Database,
    rule_book: dg.ResourceParam[RuleBook],
) -> Events:
    """The contact of each chat, with method, confidence, candidates and reasons.

    People's decisions come first, then phones, order numbers, names and equipment. If several candidates are
    likely, the chat is ambiguous and not linked. A group is never linked to a person by its name.
    """
    from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions

    options = LinkOptions(
        link_at=config.link_at,
        propose_at=config.propose_at,
        default_area_code=settings.load_settings().default_area_code,
    )

    def more(conn: Connection, months: list[str]) -> Metadata:
        rows = status.link_methods(conn, months)
        by_method: Counter[str] = Counter()
        for _, state, method, count in rows:
            by_method[f"{state}: {method}" if method != "none" else state] += count
        return {
            "chart": bars("links by status and method", dict(by_method.most_common())),
            **_review_link(),
            "links": preview(
                [
                    {"month": month, "status": state, "method": method, "chats": count}
                    for month, state, method, count in rows
                ]
            ),
        }

    yield from run_months(
        context,
        database,
        config,
        table="chat_files",
        month_rows=status.chat_files_in,
        more=more,
        step=ContactLinking(options, log=context.log).link,
        before=lambda conn, _: refuse_red(conn, rule_book.blocking(*TABLES_AND_ERP)),
    )


@month_asset(
    "links",
    table="chat_sessions",
    deps=[contact_links, "ordens_servico", tiny_orders],
    metadata=lineage.ORDER_LINKS,
)
def order_links(
    context: dg.AssetExecutionContext,
    config: OrderLinkConfig,
    database: Database,
    rule_book: dg.ResourceParam[RuleBook],
) -> Events:
    """The service order of each session: by a number that fits the contact, otherwise by time and device."""
    from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions

    options = OrderLinkOptions(method=config.method, refit=config.refit)

    def more(conn: Connection, months: list[str]) -> Metadata:
        return {
            "orders": preview(
                [
                    {"month": month, "status": state, "method": method, "sessions": count}
                    for month, state, method, count in status.order_methods(conn, months)
                ]
            ),
            **_review_link(),
        }

    yield from run_months(
        context,
        database,
        config,
        table="chat_sessions",
        month_rows=status.sessions_in,
        more=more,
        step=OrderLinking(options, log=context.log).link,
        before=lambda conn, _: refuse_red(conn, rule_book.blocking(*TABLES_AND_ERP)),
    )


def build_link_assets(*, with_erp: bool) -> list[dg.AssetsDefinition]:
    """Return the assets of this module. If an ERP is set, they run after the pass over its orders."""
    assets = [contact_links, order_links]
    return assets if with_erp else [without_erp(asset) for asset in assets]

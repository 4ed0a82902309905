"""Contacts and orders: the tables that linking reads, the assets that fill them from an ERP, and phones.

What belongs here: `contatos` and `ordens_servico` as external assets, tiny_contacts and tiny_orders if an ERP
is set, and normalized_contacts. What does not: the choice of the ERP (resources/sources.py).
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
# Steps are imported in the functions that use them, because their libraries take longer to load than Dagster.
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets import lineage
from whatsapp_pipeline.assets.declare import pipeline_asset
from whatsapp_pipeline.assets.materialize import (
    GROUP,
    OWNERS,
    Events,
    Metadata,
    StepConfig,
    is_dry_run,
    open_in_console,
    preview,
    run_table,
)
from whatsapp_pipeline.domain.masking import mask_name, mask_phone
from whatsapp_pipeline.resources import table_frames
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.resources.sources import Erp
from whatsapp_pipeline.steps.operations.gates import refuse_red
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import status

if TYPE_CHECKING:
    from whatsapp_pipeline.shared_folder import FileFolder

# Red blocking checks of these assets stop the assets that read contacts and orders.
TABLES_AND_ERP = ("contatos", "ordens_servico", "tiny_contacts", "tiny_orders")
# Red blocking checks of these assets stop the assets that read only contacts.
CONTACTS_AND_ERP = ("contatos", "tiny_contacts")


class ErpConfig(StepConfig):
    """Options of reading the ERP."""

    full: bool = Field(
        default=False,
        description="Read all rows again, not only those changed since the last pass; also read saved "
        "pages again.",
    )
    since: str | None = Field(
        default=None,
        description="Orders only: the first date of issue to read, YYYY-MM-DD. Default: the first day of "
        "FIRST_MONTH.",
    )
    backup: bool = Field(
        default=True,
        description="Save pages as JSON before they are loaded (in SHARED_DIR or .local). The newest "
        "passes are kept.",
    )


def _backup_dir(config: ErpConfig) -> "FileFolder | None":
    from whatsapp_pipeline.steps.operations.local_copies import page_folder

    return page_folder(settings.load_settings()) if config.backup else None


def _remove_old_pages(context: dg.AssetExecutionContext, config: ErpConfig) -> None:
    from whatsapp_pipeline.steps.contacts.erp_backup import remove_old_passes

    root = _backup_dir(config)
    if root is not None and not is_dry_run(context, config):
        remove_old_passes(root, settings.load_settings().erp_backup_keep, log=context.log)


@pipeline_asset("contacts", table="contatos", tags={"source": "tiny"}, output_required=False)
def tiny_contacts(
    context: dg.AssetExecutionContext, config: ErpConfig, database: Database, erp: Erp
) -> Events:
    """The ERP's contacts of every status in `contatos`. Their number is compared with the ERP's count.

    A contact that the ERP no longer lists is never deleted.
    """
    from whatsapp_pipeline.steps.contacts.erp_sync import sync_contacts

    def more(conn: Connection) -> Metadata:
        rows = status.contact_preview(conn)
        return {
            "preview": preview(
                [{"id": i, "nome": mask_name(n), "celular": mask_phone(c)} for i, n, c in rows]
            ),
            **open_in_console({"contact": row[0]} for row in rows),
        }

    with erp.open() as source:
        yield from run_table(
            context,
            database,
            config,
            table="contatos",
            more=more,
            step=lambda conn: sync_contacts(
                conn, source, full=config.full, backup_dir=_backup_dir(config), log=context.log
            ),
        )
    _remove_old_pages(context, config)


@pipeline_asset(
    "contacts", table="ordens_servico", tags={"source": "tiny"}, deps=[tiny_contacts], output_required=False
)
def tiny_orders(context: dg.AssetExecutionContext, config: ErpConfig, database: Database, erp: Erp) -> Events:
    """The ERP's service orders in `ordens_servico`, for databases that no other program fills.

    Orders are read by date of issue. Earlier orders that are still open are read again in every pass, because
    the ERP can't list orders by date of change.
    """
    from whatsapp_pipeline.steps.contacts.erp_sync import sync_orders

    since = date.fromisoformat(config.since or f"{settings.load_settings().first_month}-01")

    with erp.open() as source:
        yield from run_table(
            context,
            database,
            config,
            table="ordens_servico",
            step=lambda conn: sync_orders(
                conn, source, since=since, backup_dir=_backup_dir(config), log=context.log, full=config.full
            ),
        )
    _remove_old_pages(context, config)


@pipeline_asset(
    "contacts",
    table="contact_phones",
    deps=["contatos", tiny_contacts],
    output_required=False,
    metadata=lineage.NORMALIZED_CONTACTS,
)
def normalized_contacts(
    context: dg.AssetExecutionContext,
    config: StepConfig,
    database: Database,
    rule_book: dg.ResourceParam[RuleBook],
) -> Events:
    """Every phone of every contact as a key for matching: area code and last eight digits.

    A field may have several numbers. `celular_normalizado` and `telefone_normalizado` of `contatos` get the
    last 11 digits of the first one, unless the user filled them. Only contacts whose fields changed are read.
    """
    from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts

    def more(conn: Connection) -> Metadata:
        return {
            "phones_by_kind": preview(
                [{"field": f, "kind": k, "phones": n} for f, k, n in status.phones_by_kind(conn)]
            )
        }

    yield from run_table(
        context,
        database,
        config,
        table="contact_phones",
        more=more,
        step=lambda conn: normalize_contacts(
            conn, default_area_code=settings.load_settings().default_area_code, log=context.log
        ),
        before=lambda conn: refuse_red(conn, rule_book.blocking(*CONTACTS_AND_ERP)),
    )


FILLED_BY: Mapping[str, dg.AssetsDefinition] = {"contatos": tiny_contacts, "ordens_servico": tiny_orders}


def build_contact_assets(*, with_erp: bool) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return the assets of this module; tiny_contacts and tiny_orders only if an ERP is set."""
    if not with_erp:
        return [_table("contatos"), _table("ordens_servico"), without_erp(normalized_contacts)]
    return [
        tiny_contacts,
        tiny_orders,
        _table("contatos", filled_by=tiny_contacts),
        _table("ordens_servico", filled_by=tiny_orders),
        normalized_contacts,
    ]


def without_erp(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """Return `asset` without its dependencies on the assets that read the ERP.

    Assets depend on both the table and the asset that fills it, because an external asset between two others
    does not order them within a run. This function removes dependencies, because a dependency that
    map_asset_specs adds has no effect on the order (Dagster 1.13.27).
    """
    erp_keys = {filler.key for filler in FILLED_BY.values()}
    return asset.map_asset_specs(
        lambda spec: spec.replace_attributes(deps=[dep for dep in spec.deps if dep.asset_key not in erp_keys])
    )


def _table(name: str, *, filled_by: dg.AssetsDefinition | None = None) -> dg.AssetSpec:
    """Return the spec of one of the user's tables, which Dagster shows but never materializes."""
    rows = "contacts" if name == "contatos" else "service orders"
    filler = filled_by.key.to_user_string() if filled_by else "the user's own programs"
    return dg.AssetSpec(
        name,
        deps=[filled_by] if filled_by else [],
        group_name=GROUP,
        tags={"subject": "contacts"},
        kinds={"postgres"},
        owners=OWNERS,
        description=f"The table of {rows}, filled by {filler}.",
        metadata={"dagster/table_name": name, "dagster/io_manager_key": table_frames.KEY},
    )

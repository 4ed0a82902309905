"""tiny_contacts, tiny_orders and normalized_contacts: the ERP's rows, ready to be matched."""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
# Steps are imported where they run: they bring libraries that take longer to load than Dagster itself.
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets import lineage
from whatsapp_pipeline.assets.materialize import (
    GROUP,
    OWNERS,
    Events,
    Metadata,
    StepConfig,
    preview,
    run_table,
)
from whatsapp_pipeline.domain.masking import mask_name, mask_phone
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Erp
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import status


class ErpConfig(StepConfig):
    """How the ERP is read."""

    full: bool = Field(
        default=False,
        description="Read every row again, not only those changed since the last pass; saved pages too.",
    )
    since: str | None = Field(
        default=None,
        description="Orders only: the first emission date to read, YYYY-MM-DD. Left out: the first month's.",
    )
    backup: bool = Field(
        default=True,
        description="Save each page as JSON under .local/ before it is loaded; the newest passes stay.",
    )


def _backup_dir(config: ErpConfig) -> Path | None:
    return settings.load().local_dir / "erp_backup" if config.backup else None


def _forget_old_pages(context: dg.AssetExecutionContext, config: ErpConfig) -> None:
    from whatsapp_pipeline.steps.contacts.erp_backup import remove_old

    root = _backup_dir(config)
    if root is not None and not config.dry_run:
        remove_old(root, settings.load().erp_backup_keep, log=context.log)


@dg.asset(
    group_name=GROUP,
    tags={"subject": "contacts", "source": "tiny"},
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version="1",
    output_required=False,
    metadata={"dagster/table_name": "contatos"},
)
def tiny_contacts(
    context: dg.AssetExecutionContext, config: ErpConfig, database: Database, erp: Erp
) -> Events:
    """The ERP's contacts in `contatos`, whatever their status: pages backed up, upserted, verified.

    A contact that the ERP no longer lists is never deleted.
    """
    from whatsapp_pipeline.steps.contacts.erp_sync import sync_contacts

    def more(conn: Connection) -> Metadata:
        rows = status.contact_preview(conn)
        return {
            "preview": preview(
                [{"id": i, "nome": mask_name(n), "celular": mask_phone(c)} for i, n, c in rows]
            )
        }

    with erp.open() as source:
        yield from run_table(
            context, database, config, table="contatos", more=more,
            step=lambda conn: sync_contacts(
                conn, source, full=config.full, backup_dir=_backup_dir(config), log=context.log
            ),
        )  # fmt: skip
    _forget_old_pages(context, config)


@dg.asset(
    group_name=GROUP,
    tags={"subject": "contacts", "source": "tiny"},
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version="1",
    output_required=False,
    deps=[tiny_contacts],
    metadata={"dagster/table_name": "ordens_servico"},
)
def tiny_orders(context: dg.AssetExecutionContext, config: ErpConfig, database: Database, erp: Erp) -> Events:
    """The ERP's service orders in `ordens_servico`; for databases that no other program fills.

    Read by emission window, open orders again at every pass, since the ERP has no updated-since filter.
    """
    from whatsapp_pipeline.steps.contacts.erp_sync import sync_orders

    since = date.fromisoformat(config.since or f"{settings.load().first_month}-01")

    with erp.open() as source:
        yield from run_table(
            context, database, config, table="ordens_servico",
            step=lambda conn: sync_orders(
                conn, source, since=since, backup_dir=_backup_dir(config), log=context.log, full=config.full
            ),
        )  # fmt: skip
    _forget_old_pages(context, config)


@dg.asset(
    group_name=GROUP,
    tags={"subject": "contacts"},
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version="1",
    output_required=False,
    deps=[tiny_contacts],
    metadata={"dagster/table_name": "contact_phones", **lineage.NORMALIZED_CONTACTS},
)
def normalized_contacts(context: dg.AssetExecutionContext, config: StepConfig, database: Database) -> Events:
    """Every phone of every contact as a key for matching: area code and last eight digits.

    A field can hold several numbers; `celular_normalizado` and `telefone_normalizado` of `contatos` hold the
    first. Only contacts whose fields changed are read again.
    """
    from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts

    def more(conn: Connection) -> Metadata:
        return {
            "phones_by_kind": preview(
                [{"field": f, "kind": k, "phones": n} for f, k, n in status.phones_by_kind(conn)]
            )
        }

    yield from run_table(
        context, database, config, table="contact_phones", more=more,
        step=lambda conn: normalize_contacts(
            conn, default_area_code=settings.load().default_area_code, log=context.log
        ),
    )  # fmt: skip


# Orders that another program keeps in the database: the catalog shows them, nobody has to materialize them.
ordens_servico = dg.AssetSpec(
    "ordens_servico",
    deps=[tiny_orders],
    group_name=GROUP,
    tags={"subject": "contacts"},
    kinds={"postgres"},
    owners=OWNERS,
    description="The table of service orders, filled by the user's own programs or by tiny_orders.",
    metadata={"dagster/table_name": "ordens_servico"},
)

ASSETS: list[dg.AssetsDefinition | dg.AssetSpec] = [
    tiny_contacts,
    tiny_orders,
    normalized_contacts,
    ordens_servico,
]

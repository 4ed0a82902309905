"""chat_file_index and chat_messages: the archive's files, and every message in them.

What belongs here: the assets and their configuration. What does not: the work (steps/chats/).
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
# Steps are imported in the functions that use them, because their libraries take longer to load than Dagster.

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets import lineage
from whatsapp_pipeline.assets.declare import month_asset
from whatsapp_pipeline.assets.materialize import (
    Events,
    Metadata,
    StepConfig,
    months_of,
    open_in_console,
    preview,
    run_months,
)
from whatsapp_pipeline.domain.masking import mask_text, mask_title
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.operations import gates
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import status


class IndexConfig(StepConfig):
    """Options of indexing the archive."""

    sample: int | None = Field(
        default=None,
        ge=1,
        description="Index only a stratified sample of at most this number of files per month, for a first "
        "test.",
    )
    seed: int = Field(
        default=0,
        description="Seed of the sample. With the same seed and the same files, the sample is the same.",
    )
    verify_hashes: bool = Field(
        default=False,
        description="Read every file again, even if its size and modification time are unchanged.",
    )
    accept_missing: bool = Field(
        default=False,
        description="Set the status of missing files even if there are many of them. If this is off and more "
        "than MAX_MISSING_SHARE of a month's known files are missing from the archive, the run stops and "
        "writes nothing.",
    )


class LoadConfig(StepConfig):
    """Options of loading messages."""

    batch_size: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Number of files per transaction. Default: LOAD_BATCH_SIZE (800). Use 50 to 100 if other "
        "people use the database.",
    )
    writers: int = Field(
        default=2,
        ge=1,
        le=8,
        description="Largest number of parallel connections. A month gets one connection per 5,000 messages "
        "to load, and at least one.",
    )
    delay_seconds: float | None = Field(
        default=None,
        ge=0,
        description="Seconds to pause between batches, if other people use the database. With a pause, only "
        "one connection loads. Default: LOAD_DELAY_SECONDS (0).",
    )


@month_asset("chats", table="chat_files", kinds=("python", "file", "postgres"))
def chat_file_index(
    context: dg.AssetExecutionContext, config: IndexConfig, database: Database, archive: Archive
) -> Events:
    """One row per chat of the month's folder, with the evidence for linking.

    The evidence is the title, the phones of headers, and the sessions. A session has the order numbers, the
    devices and the words about the stage of an order (ready, approved) in its messages. Unchanged files are
    skipped. Missing files get the status `vanished`.
    """
    from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
    from whatsapp_pipeline.steps.chats.missing_files import refuse_wrong_archive

    configured = settings.load_settings()
    options = IndexOptions(
        sample=config.sample,
        seed=config.seed,
        verify_hashes=config.verify_hashes,
        zone=configured.zone,
        locale=configured.locale,
        owner=configured.owner,
        default_area_code=configured.default_area_code,
    )
    chats = archive.open()

    def before(conn: Connection, months: list[str]) -> None:
        if not config.accept_missing:
            refuse_wrong_archive(conn, chats, months, max_missing_share=configured.max_missing_share)

    def more(conn: Connection, months: list[str]) -> Metadata:
        rows: list[dict[str, str | int | float | bool | None]] = [
            {"month": month, "chat": i, "title": mask_title(title), "messages": messages, "format": form}
            for i, month, title, messages, form in status.chat_preview(conn, months)
        ]
        return {"preview": preview(rows), **open_in_console(rows)}

    yield from run_months(
        context,
        database,
        config,
        table="chat_files",
        month_rows=status.chat_files_in,
        more=more,
        before=before,
        step=lambda conn, month: index_month(conn, chats, month, options, log=context.log),
    )


@month_asset(
    "chats",
    table="chat_messages",
    kinds=("python", "file", "postgres"),
    deps=[chat_file_index, "order_links"],
    metadata=lineage.CHAT_MESSAGES,
)
def chat_messages(
    context: dg.AssetExecutionContext, config: LoadConfig, database: Database, archive: Archive
) -> Events:
    """Every message of the month's chats; unreadable lines are rows in `exceptions`.

    Each batch of files is one transaction, so after a killed run the next run loads only the files that were
    not committed. When a chat is exported again, its messages keep their ids.
    """
    from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, MessageLoading

    configured = settings.load_settings()
    options = LoadOptions(
        batch_size=configured.load_batch_size if config.batch_size is None else config.batch_size,
        delay_seconds=configured.load_delay_seconds if config.delay_seconds is None else config.delay_seconds,
        writers=config.writers,
        zone=configured.zone,
        owner=configured.owner,
        locale=configured.locale,
        should_stop=gates.is_paused,
    )

    with MessageLoading(archive.open(), months_of(context), options, log=context.log) as loading:
        yield from run_months(
            context,
            database,
            config,
            table="chat_messages",
            month_rows=status.messages_in,
            more=_message_metadata,
            step=loading.load,
        )


def _message_metadata(conn: Connection, months: list[str]) -> Metadata:
    """Return a masked preview of the messages, links to them, and their number by type."""
    rows = status.message_preview(conn, months)
    return {
        "preview": preview(
            [
                {
                    "time": f"{time:%Y-%m-%d %H:%M}",
                    "direction": direction,
                    "type": kind,
                    "text": mask_text(text),
                }
                for _, time, direction, kind, text in rows
            ]
        ),
        **open_in_console({"source": "chat", "message_id": row[0]} for row in rows),
        "messages_by_type": preview(
            [{"type": kind, "messages": count} for kind, count in status.messages_by_type(conn, months)]
        ),
    }


ASSETS = [chat_file_index, chat_messages]

"""Adopting tables that the user created from the project's plan, before the pipeline's first migration.

What belongs here: the order of the steps in one transaction: move the tables away, migrate, copy their rows.
What does not: the forms of tables and the statements (store/operations/plan_tables.py), and the columns of
contatos and ordens_servico, which migrations complete in place.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from whatsapp_pipeline.domain.conversations import wa_identity
from whatsapp_pipeline.domain.transcripts.columns import body_hashes
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, connect, describe
from whatsapp_pipeline.store.conversations.conversations import insert_identities
from whatsapp_pipeline.store.locks import named_lock
from whatsapp_pipeline.store.migrate import apply_within
from whatsapp_pipeline.store.operations import first_migration
from whatsapp_pipeline.store.operations import plan_tables as store
from whatsapp_pipeline.store.operations.adoption import TABLES as ADOPTED_IN_PLACE

_BATCH_MESSAGES = 20_000
# What to do about relations in the way; the key is whether the pipeline has no schema of its own.
_REMEDIES = {
    True: "Give the pipeline a schema of its own (PIPELINE_SCHEMA=whatsapp) or a database of its own "
    "(DATABASE_URL), or move these relations (ALTER TABLE … SET SCHEMA …). A view that only uses a table of "
    "the plan can be dropped now and made again after the migration",
    False: "Choose another schema (PIPELINE_SCHEMA) or move these relations (ALTER TABLE … SET SCHEMA …)",
}


def refuse_unfit_database(url: str, schema: str | None = None) -> None:
    """Raise PipelineError if the first migration would fail or be useless. After it, do nothing.

    The reasons are: tables of another form have the pipeline's names, the role lacks rights, or contatos or
    ordens_servico can't be read. `schema` is the pipeline's own schema, if it has one.
    """
    with connect(url) as conn:
        if store.has_migrated(conn):
            return
        existing = store.find_existing(conn, schema)
        problems = [
            *first_migration.missing_rights(conn, schema, [*ADOPTED_IN_PLACE, *existing.adoptable]),
            *first_migration.unfit_columns(conn),
        ]
    if existing.in_the_way:
        raise PipelineError(
            f"nothing was changed: {describe(url)} has relations with names that the pipeline needs: "
            f"{', '.join(existing.in_the_way)}. {_REMEDIES[schema is None]}; then run migrate again"
            + "".join(f"\nand: {words}" for words in problems)
        )
    if problems:
        raise PipelineError(
            f"nothing was changed: {describe(url)} can't be migrated yet:\n"
            + "\n".join(problems)
            + "\nThen run migrate again"
        )


def migrate_into_schema(url: str, schema: str) -> None:
    """Apply all migrations to the pipeline's own schema, unless the database was migrated before.

    The schema must be the first of the search path in `url`. Migrations complete contatos and ordens_servico
    in that schema. So the user's tables are moved there and back in one transaction, and keep their rows,
    indexes and rights.
    """
    with connect(url, application_name="whatsapp-pipeline adoption") as conn, named_lock(conn, "adoption"):
        if store.has_migrated(conn):
            return
        with conn.transaction():
            store.make_schema(conn, schema)
            shared = store.tables_to_share(conn, schema)
            for table in shared:
                store.move_table(conn, table, "public", schema)
            apply_within(conn)
            for table in shared:
                store.move_table(conn, table, schema, "public")


def adopt_plan_tables(url: str, *, zone: str) -> list[store.Carried]:
    """Adopt tables of the plan's form with their rows; return the counts of each table.

    The adoption and the migrations are one transaction: if it fails, the database is unchanged. Times without
    a time zone are read in `zone`.
    """
    with connect(url, application_name="whatsapp-pipeline adoption") as conn, named_lock(conn, "adoption"):
        existing = store.find_existing(conn)
        if not existing.adoptable:
            return []
        with conn.transaction():
            store.set_aside(conn, existing.adoptable)
            apply_within(conn)
            store.expose(conn, existing.adoptable, zone)
            return _carry_over(conn, existing.adoptable, zone)


def _carry_over(conn: Connection, tables: Sequence[str], zone: str) -> list[store.Carried]:
    carried = []
    for table in tables:
        if table == "chat_messages":
            store.prepare_hashes(conn)
            for batch in store.plan_messages(conn, _BATCH_MESSAGES):
                store.keep_hashes(conn, _hashes(batch))
        carried.append(store.carry_over(conn, table, zone))
        store.carry_grants(conn, table)
        if table == "conversations":
            names = store.conversation_names(conn)
            insert_identities(conn, [(account, wa_identity(name), id_) for id_, account, name in names])
    return carried


def _hashes(messages: Sequence[store.PlanMessage]) -> list[tuple[int, int]]:
    """Return (id, hash) of messages, hashed as chat_messages does, so that the messages keep their ids."""
    identities = [m.text if m.quote is None else f"{m.text}\0\0{m.quote}" for m in messages]
    hashed = body_hashes(pl.Series(identities, dtype=pl.String)).to_list()
    return [(message.id, value) for message, value in zip(messages, hashed, strict=True)]

"""`migrate`, `status` and `psql`: the database itself."""

from __future__ import annotations

import subprocess

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.cli.text_table import print_table
from whatsapp_pipeline.databases import missing_dagster_database, pipeline_url
from whatsapp_pipeline.privacy_key import require_common_key
from whatsapp_pipeline.store.connection import connect, describe


@click.command()
def migrate_command() -> None:
    """Bring the database to the current schema, and report what the user's own tables lack.

    People on the list of erased people in .local are erased from the database too.
    """
    from whatsapp_pipeline.backups import backup_options
    from whatsapp_pipeline.cli.backup import cli_log
    from whatsapp_pipeline.steps.operations.adopt import (
        adopt_plan_tables,
        migrate_into_schema,
        refuse_unfit_database,
    )
    from whatsapp_pipeline.steps.operations.backup import before_migration
    from whatsapp_pipeline.steps.operations.current_code import record_deployment
    from whatsapp_pipeline.steps.operations.privacy import recall_erasures
    from whatsapp_pipeline.store.migrate import migrate as apply
    from whatsapp_pipeline.store.migrate import pending_migrations
    from whatsapp_pipeline.store.operations.adoption import compare_user_tables
    from whatsapp_pipeline.store.operations.plan_tables import ASIDE

    configured = settings.load_settings()
    url = pipeline_url(configured)
    require_common_key(configured)
    missing = pending_migrations(url)
    refuse_unfit_database(url, configured.pipeline_schema)
    if configured.backup_before_write and missing:
        before_migration(url, backup_options(configured), log=cli_log())
    if configured.pipeline_schema and configured.database_url:
        migrate_into_schema(url, configured.pipeline_schema)
    for table in adopt_plan_tables(url, zone=configured.zone):
        left = f"; {table.rows - table.carried:,} could not be placed" if table.rows > table.carried else ""
        say(f"{table.table}: {table.carried:,} of {table.rows:,} rows adopted{left}; all stay in {ASIDE}")
    apply(url)
    record_deployment(url)
    applied = [name for name in missing if name not in pending_migrations(url)]
    say(f"{describe(url)}: {len(applied)} migration(s) applied" + "".join(f"\n  {n}" for n in applied))
    if erased := recall_erasures(url, configured, log=cli_log()):
        say(f"people erased before were erased again ({erased} rows changed)")
    with connect(url) as conn:
        for finding in compare_user_tables(conn, with_erp=configured.erp_source is not None):
            say(f"warning: {finding}", err=True)
    if lacks := missing_dagster_database(configured):
        say(f"warning: {lacks}", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status_command(as_json: bool) -> None:
    """Show rows per table, and per month: files, links, messages, exceptions."""
    from whatsapp_pipeline.store.operations import status as numbers

    with open_database(settings.load_settings()) as conn:
        tables, months = numbers.table_counts(conn), numbers.months(conn)
        elsewhere = numbers.exceptions_elsewhere(conn)
    if as_json:
        say_json({"tables": tables, "months": months, "exceptions_of_no_month": elsewhere})
        return
    print_table([(name, f"{rows:,}") for name, rows in tables.items()], right={1})
    if months:
        say()
        lines = [[f"{v:,}" if isinstance(v, int) else v for v in month.values()] for month in months]
        print_table([list(months[0]), *lines], right=range(1, len(months[0])))
        if elsewhere:
            say(
                f"\n{elsewhere:,} more exception(s) without a month: of contacts, orders and files without "
                f"chats"
            )


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; arguments are passed on, as in `psql -c 'SELECT 1'`."""
    from whatsapp_pipeline.store.pg_tools import environment, find_programs

    url = pipeline_url(settings.load_settings())
    with connect(url) as conn:
        programs = find_programs(conn.info.server_version // 10000)
    command = [programs.path("psql"), *arguments]
    raise SystemExit(subprocess.run(command, env=environment(url), check=False).returncode)

"""`grants`: database roles that limit what people can read."""

from __future__ import annotations

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say


@click.command()
@click.option("--print", "only_print", is_flag=True, help="Print the SQL and run nothing.")
def grants(only_print: bool) -> None:
    """Create the roles of people, of the pipeline and of the console, with their rights.

    whatsapp_reader sees summaries and metrics but no messages. whatsapp_analyst also reads messages, and
    whatsapp_reviewer also decides links. whatsapp_manager manages only tenants and business numbers.
    whatsapp_writer runs the pipeline. The console uses whatsapp_console to log people in. If the role of this
    connection may not create roles, the command prints the SQL for an administrator and ends with exit status
    1.
    """
    from whatsapp_pipeline.store import grants as roles

    with open_database(settings.load_settings()) as conn:
        refused = roles.statements(conn) if only_print else roles.apply(conn)
    if not refused:
        say(
            f"{', '.join(roles.ROLES[:-1])} and {roles.ROLES[-1]} exist now; to give one to a login, run: "
            f"GRANT {roles.READER} TO <login>"
        )
        return
    for statement in refused:
        say(f"{statement};")
    if not only_print:
        say(
            "error: this role may not create roles or grant rights; ask an administrator to run the SQL "
            "above",
            err=True,
        )
        raise SystemExit(1)

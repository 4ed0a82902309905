"""`patterns`: when customers write, which devices came back, and who stopped writing after a quote."""

from __future__ import annotations

import click

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines
from whatsapp_pipeline.store.connection import use_time_zone

_WEEKDAYS = ("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo")


@click.command()
@click.option(
    "--days", type=click.IntRange(0), default=7, show_default=True, help="Minimum age of a quote in days."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Largest number of rows per list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def patterns(days: int, limit: int, as_json: bool) -> None:
    """Show patterns over all customers.

    The patterns are the weekdays and hours in which customers begin conversations, devices with several
    orders, and customers who wrote nothing more after a quote.
    """
    from whatsapp_pipeline.domain.summaries.wording import say_date, say_money
    from whatsapp_pipeline.store.summaries import contact_patterns as store

    configured = settings.load_settings()
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        hours = store.contact_hours(conn)
        devices = store.returning_devices(conn, limit=limit)
        silent = store.silent_after_quote(conn, today=clock.today(), days=days, limit=limit)
    if as_json:
        shown = {
            "hours": [one._asdict() for one in hours],
            "returning_devices": [one._asdict() for one in devices],
            "silent_after_quote": [one._asdict() for one in silent],
        }
        say_json(shown, default=str)
        return
    say("Conversas abertas por clientes")
    for number, weekday in enumerate(_WEEKDAYS, start=1):
        of_day = [one for one in hours if one.weekday == number]
        busiest = max(of_day, key=lambda one: (one.conversations, -one.hour), default=None)
        most = f", mais às {busiest.hour} h ({busiest.conversations})" if busiest else ""
        say(f"  {weekday:<8}{sum(one.conversations for one in of_day):>6}{most}")
    say("Aparelhos que voltaram")
    say_lines(
        f"  {one.id_contato:>8}  {one.nome or 'Sem nome'}: {one.device}, {one.orders} ordens"
        for one in devices
    )
    say("Clientes que pararam de escrever depois de um orçamento")
    say_lines(
        f"  {one.id_contato:>8}  {one.nome or 'Sem nome'}: {say_money(one.amount)}"
        f" em {say_date(one.said_at)}, há {one.days} dias"
        for one in silent
    )

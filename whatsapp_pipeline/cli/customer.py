"""`customer`: all data about one customer, on the terminal or as a page."""

from __future__ import annotations

from pathlib import Path

import click

from whatsapp_pipeline import private_files, settings
from whatsapp_pipeline.cli.backup import cli_log
from whatsapp_pipeline.cli.choices import choose_customer
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.summaries.customer import Dossier
from whatsapp_pipeline.steps.summaries.customer_words import conversation_line, metrics, order_line
from whatsapp_pipeline.store.connection import use_time_zone

_SHOWN_CONVERSATIONS = 8
_SIDES = {"from": "cliente", "to": "equipe", "unsent": "não enviado"}


@click.command()
@click.argument("who", metavar="ID|PHONE|NAME")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a one-page report that prints well.",
)
@click.option(
    "--messages",
    type=click.IntRange(0, 1000),
    default=20,
    show_default=True,
    help="Number of last messages to show.",
)
def customer(who: str, html: Path | None, messages: int) -> None:
    """Show a customer's metrics, summary with its evidence, orders and last conversations."""
    from whatsapp_pipeline.steps.summaries.customer import dossier

    configured = settings.load_settings()
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        number = choose_customer(conn, who, default_area_code=configured.default_area_code)
        if html is None:
            say_lines(text_report(dossier(conn, number, messages=messages)))
            return
        from whatsapp_pipeline.shared_folder import LocalFolder
        from whatsapp_pipeline.steps.operations.data_files import contact_hash, place_in, registered
        from whatsapp_pipeline.steps.summaries.customer_page import customer_page
        from whatsapp_pipeline.store.operations.data_files import NewFile

        place = place_in(configured, LocalFolder(html.parent), html.name)
        new = NewFile("person", place, subject=contact_hash(number))
        try:
            with registered(conn, new, log=cli_log()):
                private_files.replace_file(html, customer_page(dossier(conn, number, messages=messages)))
        except OSError as error:
            raise PipelineError(f"cannot write {html}: {error.strerror}") from error
    say(f"wrote {html}")


def text_report(known: Dossier) -> list[str]:
    """Return the dossier as lines for a terminal."""
    contact, summary = known.contact, known.summary
    phones = " / ".join(filter(None, (contact["celular"], contact["telefone"])))
    lines = [
        f"{contact['nome'] or 'Sem nome'} (contato {contact['id']}){'  ' + phones if phones else ''}",
        "",
    ]
    if summary is not None and summary["stale_since"] is not None:
        lines += [
            "Uma decisão mudou as conversas ligadas depois do último cálculo; na próxima execução,",
            "o resumo e os números serão recalculados.",
            "",
        ]
    if summary is None:
        lines += ["Ainda sem resumo: nenhuma conversa ligada, ou customer_summaries não foi executado.", ""]
    else:
        lines += [f"{name + ':':<22}{value}" for name, value in metrics(summary)] + [""]
        for claim in summary["claims"]:
            lines.append(f"• {claim['text']}")
            for ref in claim["messages"][:3]:
                quote = known.quotes.get(ref)
                if quote and quote["text"]:
                    said = " ".join(quote["text"].split())[:100]
                    lines.append(
                        f"    {quote['at']:%d/%m/%Y %H:%M} {_SIDES.get(quote['direction'], '')}: “{said}”"
                    )
        lines.append("")
    if known.orders:
        lines += ["Ordens de serviço", *(f"  {order_line(order)}" for order in known.orders), ""]
    if known.conversations:
        latest = known.conversations[-_SHOWN_CONVERSATIONS:]
        lines += ["Últimas conversas", *(f"  {conversation_line(item)}" for item in reversed(latest)), ""]
    if known.messages:
        lines.append("Últimas mensagens")
        for message in known.messages:
            said = " ".join((message["text"] or f"[{message['type']}]").split())[:160]
            side = _SIDES.get(message["direction"], "—")
            lines.append(f"  {message['at']:%d/%m/%Y %H:%M} {side:<7} {said}")
    return lines

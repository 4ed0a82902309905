"""`link`: explain the link of one title with the database, or link a file of titles without one."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import clock, private_files, settings
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.safe_text import for_spreadsheet

if TYPE_CHECKING:
    from whatsapp_pipeline.domain.matching.link_types import Candidate, Feature, LinkDecision
    from whatsapp_pipeline.domain.matching.names import NameModel
    from whatsapp_pipeline.domain.matching.offline import TitleDecision
    from whatsapp_pipeline.domain.matching.orders import Order, OrderDecision

_INPUT_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
DECISION_COLUMNS = (
    "title",
    "id_contato",
    "status",
    "method",
    "confidence",
    "id_ordem_servico",
    "order_method",
    "order_confidence",
    "candidates",
)


@click.command()
@click.argument("title", required=False)
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The chat's date. With it, the order is searched for, too.",
)
@click.option("--contacts", type=_INPUT_FILE, help="CSV: id,nome,fantasia,telefone,celular.")
@click.option("--titles", type=_INPUT_FILE, help="CSV: title,date[,header_phone].")
@click.option(
    "--orders",
    type=_INPUT_FILE,
    help="CSV: id,numero_ordem_servico,id_contato,data_emissao,data_conclusao,equipamento.",
)
@click.option("--out", type=_OUTPUT_FILE, help="CSV file to write the decisions to.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the name model's simulation.")
@click.option(
    "--model",
    "model_file",
    type=_OUTPUT_FILE,
    help="File for the fitted name model. If it exists, the model is read from it; otherwise the fitted "
    "model is written to it.",
)
def link(
    title: str | None,
    day: datetime | None,
    contacts: Path | None,
    titles: Path | None,
    orders: Path | None,
    out: Path | None,
    seed: int,
    model_file: Path | None,
) -> None:
    """Explain how TITLE is linked, with the database; or link a CSV of titles without one.

    `whatsapp-pipeline link "Zé da Padaria OS 30123" --date 2025-01-20` prints the decision, the candidates
    and the reasons for each. With --contacts, --titles and --out no database is used.
    """
    offline = (contacts, titles, out)
    if title is not None and not any(offline):
        _explain(title, day.date() if day else None)
    elif title is None and contacts is not None and titles is not None and out is not None:
        _link_files(contacts, titles, orders, out, seed, model_file)
    else:
        raise click.UsageError("give a TITLE, or --contacts, --titles and --out")


def _parse_date(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise PipelineError(f"{where}: {text!r} is no date; write YYYY-MM-DD") from None


# One title, with the database.


def _explain(title: str, day: date | None) -> None:
    from whatsapp_pipeline.cli.database_option import open_database
    from whatsapp_pipeline.steps.links.explain import explain_title
    from whatsapp_pipeline.steps.links.link_contacts import LinkOptions

    configured = settings.load_settings()
    options = LinkOptions(default_area_code=configured.default_area_code)
    with open_database(configured) as conn:
        found = explain_title(conn, title, day, options, log=logging.getLogger(__name__))
    say_lines(_decision_lines(found.contact, found.names))
    if found.order is not None:
        say_lines(_order_lines(found.order))


def _decision_lines(decision: LinkDecision, names: dict[int, tuple[str, str]]) -> Iterator[str]:
    sure = "" if decision.confidence is None else f", confidence {decision.confidence:.3f}"
    target = f" → contact {decision.id_contato}" if decision.id_contato is not None else ""
    by = f" by {decision.method}" if decision.method else ""
    yield f"{decision.status}{target}{by}{sure}"
    if decision.flags:
        yield f"flags: {', '.join(decision.flags)}"
    if not decision.candidates:
        yield "no candidate: the tables have no evidence for any contact"
    for rank, candidate in enumerate(decision.candidates, 1):
        yield ""
        nome, fantasia = names.get(candidate.id_contato, ("", ""))
        label = " / ".join(name for name in (nome, fantasia) if name)
        yield f"{rank}. contact {candidate.id_contato}  {label}"
        yield from _waterfall(candidate)


def _waterfall(candidate: Candidate) -> Iterator[str]:
    yield from waterfall(candidate.evidence)
    yield (
        f"   → {candidate.confidence:.3f} compared with the other candidates and with no contact "
        f"({candidate.method})"
    )


def waterfall(evidence: Sequence[Feature]) -> Iterator[str]:
    """Yield each feature with its match weight (log odds) and the running sum."""
    total = 0.0
    for feature in evidence:
        total += feature.weight
        yield f"   {signed(feature.weight)}  {signed(total)}  {feature.words}"


def signed(value: float, width: int = 7, places: int = 2) -> str:
    """Format log odds with a sign. A value that rounds to zero is +0, never -0."""
    return f"{round(value, places) + 0.0:+{width}.{places}f}"


def _order_lines(order: OrderDecision) -> Iterator[str]:
    yield ""
    sure = "" if order.confidence is None else f", confidence {order.confidence:.3f}"
    target = f" → order {order.id_ordem_servico}" if order.id_ordem_servico is not None else ""
    by = f" by {order.method}" if order.method else ""
    yield f"order: {order.status}{target}{by}{sure}"
    for candidate in order.candidates:
        yield f"   order {candidate.id_ordem_servico}: {candidate.confidence:.3f}"
        yield from waterfall(candidate.evidence)


# Files of titles, without a database.


def _link_files(
    contacts: Path, titles: Path, orders: Path | None, out: Path, seed: int, model_file: Path | None
) -> None:
    from whatsapp_pipeline.domain.matching.link_types import Policy
    from whatsapp_pipeline.domain.matching.offline import ContactRow, Tables, TitleRow, link_titles
    from whatsapp_pipeline.domain.matching.order_fitting import quarter_begin

    rows = [
        ContactRow(
            _parse_number(row, "id", contacts, line), *(row.get(c) or "" for c in ContactRow._fields[1:])
        )
        for line, row in _read_csv(contacts, ("id", "nome"))
    ]
    wanted = [
        TitleRow(
            row["title"],
            _parse_date(row["date"], f"{titles}:{line}") if row.get("date") else None,
            row.get("header_phone") or "",
        )
        for line, row in _read_csv(titles, ("title",))
    ]
    tables = Tables(rows, _read_orders(orders) if orders else (), settings.load_settings().default_area_code)
    model = _read_or_fit_model(tables.contacts, model_file, seed) if model_file is not None else None
    before = quarter_begin(clock.today())
    decisions = link_titles(tables, wanted, policy=Policy(), model=model, seed=seed, fit_orders_before=before)
    _write_decisions(out, decisions)
    linked = sum(decision.contact.status == "linked" for decision in decisions)
    say(f"{len(decisions):,} titles, {linked:,} linked → {out}")


def _read_csv(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV in UTF-8 or Windows-1252, with commas or, as Excel in Brazil, semicolons."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    first = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ","
    )
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise PipelineError(f"{path}: no column {', '.join(missing)} in its first line")
    for row in reader:
        yield reader.line_num, row


def _parse_number(row: dict[str, str], column: str, path: Path, line: int) -> int:
    try:
        return int(row[column])
    except (TypeError, ValueError):
        raise PipelineError(f"{path}:{line}: {column} is no whole number") from None


def _read_orders(path: Path) -> list[Order]:
    from whatsapp_pipeline.domain.matching.orders import Order
    from whatsapp_pipeline.domain.vocabulary import find_devices

    found = []
    for line, row in _read_csv(path, ("id", "numero_ordem_servico", "id_contato", "data_emissao")):
        opened, closed = row.get("data_emissao"), row.get("data_conclusao")
        found.append(
            Order(
                _parse_number(row, "id", path, line),
                (row["numero_ordem_servico"] or "").lstrip("0"),
                _parse_number(row, "id_contato", path, line) if row.get("id_contato") else None,
                _parse_date(opened, f"{path}:{line}") if opened else None,
                _parse_date(closed, f"{path}:{line}") if closed else None,
                tuple(find_devices(row.get("equipamento") or "")),
            )
        )
    return found


def _read_or_fit_model(contacts: dict[int, tuple[str, str]], path: Path, seed: int) -> NameModel:
    from whatsapp_pipeline.domain.matching.names import ContactName, NameModel, fit_name_model

    if path.exists():
        try:
            return NameModel.from_json(path.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError) as error:
            raise PipelineError(
                f"{path}: this file has no name model of this version; delete the file to fit a new model"
            ) from error
    model = fit_name_model(
        [ContactName(id_, *names) for id_, names in sorted(contacts.items()) if any(names)], seed=seed
    )
    # Only the owner may read it, because it contains parts of names
    private_files.replace_file(path, model.to_json())
    return model


def _write_decisions(path: Path, decisions: Sequence[TitleDecision]) -> None:
    """Write the decisions. For every status, `id_contato` and `confidence` are those of the best candidate.

    The file is readable only by its owner, and a spreadsheet interprets no cell as a formula.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(DECISION_COLUMNS)
    writer.writerows(map(_decision_row, decisions))
    try:
        private_files.replace_file(path, text.getvalue())
    except OSError as error:
        raise PipelineError(f"cannot write {path}: {error.strerror}") from error


def _decision_row(decision: TitleDecision) -> tuple[object, ...]:
    contact, order = decision.contact, decision.order
    best = contact.candidates[0] if contact.candidates else None
    return (
        for_spreadsheet(decision.title),
        best.id_contato if best else "",
        contact.status,
        contact.method or "",
        f"{best.confidence:.6f}" if best else "",
        _order_of(order) if order else "",
        (order.method or "") if order else "",
        "" if order is None or order.confidence is None else f"{order.confidence:.6f}",
        json.dumps([asdict(candidate) for candidate in contact.candidates], ensure_ascii=False),
    )


def _order_of(order: OrderDecision) -> int | str:
    """Return the id of the best order; '' if "no order" is more likely, for an empty cell."""
    if order.id_ordem_servico is not None:
        return order.id_ordem_servico
    best = order.candidates[0] if order.candidates else None
    none = 1.0 - sum(candidate.confidence for candidate in order.candidates)
    return best.id_ordem_servico if best is not None and best.confidence >= none else ""

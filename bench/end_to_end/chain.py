"""One run of the whole chain in a process of its own, timed by step: what the bench starts and watches.

    python -m bench.end_to_end.chain ARCHIVE ERP MONTHS plain|dagster

prints a JSON object: seconds by step, and in `cpu` the processor's seconds of our processes and of the
server's. `plain` calls the steps themselves, `dagster` runs the same through one ranged headless run. Fitting
the weights of linking, which a database needs once, stands by itself.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import psutil

from bench.server import ServerClock
from whatsapp_pipeline import settings
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.erp.source import open_erp_source
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, MessageLoading
from whatsapp_pipeline.steps.contacts.erp_sync import sync_contacts, sync_orders
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import connect

LOG = logging.getLogger("bench")


class _Fits(logging.Handler):
    """Adds up the seconds that linking says it spent fitting weights."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("fitted") and (found := re.search(r"in ([\d.]+) s", message)):
            self.seconds += float(found[1])


@dataclass
class _Clock:
    """Times steps: on the wall, and what the processor did for us and for the server."""

    server: ServerClock
    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, name: str, step: Callable[[], object]) -> None:
        """Run a step and add its time to the others of its name."""
        started, before = time.perf_counter(), self._cpu()
        step()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        spent = [now - then for now, then in zip(self._cpu(), before, strict=True)]
        known = self.cpu.get(name, [0.0, 0.0])
        self.cpu[name] = [known[0] + spent[0], known[1] + spent[1]]

    def _cpu(self) -> tuple[float, float]:
        own = psutil.Process()
        family = [own, *(child for child in own.children(recursive=True) if "postgres" not in child.name())]
        return sum(sum(process.cpu_times()[:2]) for process in family), self.server.seconds()


def plain(archive_root: str, erp: str, months: list[str]) -> dict[str, object]:
    """Run the steps without Dagster; return seconds by step."""
    archive = ChatArchive(archive_root)
    url = pipeline_url(settings.load_settings())
    fits = _Fits()
    LOG.addHandler(fits)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    with (
        connect(url) as conn,
        open_erp_source(settings.load_settings(), erp) as source,
        MessageLoading(archive, months, LoadOptions(), log=LOG) as loading,
    ):
        clock = _Clock(ServerClock(conn))
        first = date.fromisoformat(f"{months[0]}-01")
        clock.timed("erp", lambda: sync_contacts(conn, source, full=False, backup_dir=None, log=LOG))
        clock.timed("erp", lambda: sync_orders(conn, source, since=first, backup_dir=None, log=LOG))
        clock.timed("normalize", lambda: normalize_contacts(conn, default_area_code=None, log=LOG))
        monthly: dict[str, Callable[[str], object]] = {
            "index": lambda month: index_month(conn, archive, month, IndexOptions(), log=LOG),
            "link": partial(ContactLinking(LinkOptions(), log=LOG).link, conn),
            "orders": partial(OrderLinking(OrderLinkOptions(), log=LOG).link, conn),
            "load": partial(loading.load, conn),
        }
        for name, step in monthly.items():
            fitted = fits.seconds
            clock.timed(name, lambda step=step: [step(month) for month in months])  # type: ignore[misc]  # bound at once
            clock.seconds[name] -= fits.seconds - fitted
        clock.seconds["fitting weights"] = fits.seconds
        clock.timed("summaries", lambda: summarize(conn, SummaryOptions(), log=LOG))
    return {"seconds": clock.seconds, "cpu": clock.cpu}


def through_dagster(archive_root: str, erp: str, months: list[str]) -> dict[str, object]:
    """Run the same as one ranged headless run; return its seconds."""
    from whatsapp_pipeline.cli.run import execute

    started = time.perf_counter()
    outcome = execute(archive_root, erp, f"{months[0]}..{months[-1]}", config={}, dry_run=False)
    if not outcome.ok:
        raise SystemExit("; ".join(outcome.errors))
    return {"seconds": {"chain": time.perf_counter() - started}, "cpu": {}}


def main() -> None:
    """Run with the arguments and print the seconds as JSON."""
    archive_root, erp, months, how = sys.argv[1:5]
    run = plain if how == "plain" else through_dagster
    print(json.dumps(run(archive_root, erp, months.split(","))))


if __name__ == "__main__":
    main()

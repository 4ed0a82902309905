"""One run of the whole chain in a process of its own, timed by step: what the bench starts and watches.

    python -m bench.end_to_end.chain ARCHIVE ERP MONTHS plain|dagster

prints a JSON object: seconds by step and in all. `plain` calls the steps themselves, `dagster` runs the same
through one ranged headless run.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import date

from whatsapp_pipeline import settings
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.erp.source import open_source
from whatsapp_pipeline.steps.erp_sync import sync_contacts, sync_orders
from whatsapp_pipeline.steps.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.link_contacts import LinkOptions, link_month
from whatsapp_pipeline.steps.link_orders import OrderLinkOptions, link_orders_month
from whatsapp_pipeline.steps.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import connect

LOG = logging.getLogger("bench")


def plain(archive_root: str, erp: str, months: list[str]) -> dict[str, float]:
    """Run the steps without Dagster; return seconds by step."""
    archive = ChatArchive(archive_root)
    seconds: dict[str, float] = {}
    url = pipeline_url(settings.load())

    def timed(name: str, step: Callable[[], object]) -> None:
        started = time.perf_counter()
        step()
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started

    with connect(url) as conn, open_source(settings.load(), erp) as source:
        first = date.fromisoformat(f"{months[0]}-01")
        timed("erp", lambda: sync_contacts(conn, source, full=False, backup_dir=None, log=LOG))
        timed("erp", lambda: sync_orders(conn, source, since=first, backup_dir=None, log=LOG))
        timed("normalize", lambda: normalize_contacts(conn, default_area_code=None, log=LOG))
        for month in months:
            timed("index", lambda month=month: index_month(conn, archive, month, IndexOptions(), log=LOG))  # type: ignore[misc]
        for month in months:
            timed("link", lambda month=month: link_month(conn, month, LinkOptions(), log=LOG))  # type: ignore[misc]
        for month in months:
            timed("orders", lambda month=month: link_orders_month(conn, month, OrderLinkOptions(), log=LOG))  # type: ignore[misc]
        for month in months:
            timed("load", lambda month=month: load_month(conn, archive, month, LoadOptions(), log=LOG))  # type: ignore[misc]
        timed("summaries", lambda: summarize(conn, SummaryOptions(), log=LOG))
    return seconds


def through_dagster(archive_root: str, erp: str, months: list[str]) -> dict[str, float]:
    """Run the same as one ranged headless run; return its seconds."""
    from whatsapp_pipeline.cli.run import execute

    started = time.perf_counter()
    outcome = execute(archive_root, erp, f"{months[0]}..{months[-1]}", config={}, dry_run=False)
    if not outcome.ok:
        raise SystemExit("; ".join(outcome.errors))
    return {"chain": time.perf_counter() - started}


def main() -> None:
    """Run as told and print the seconds as JSON."""
    archive_root, erp, months, how = sys.argv[1:5]
    run = plain if how == "plain" else through_dagster
    started = time.perf_counter()
    seconds = run(archive_root, erp, months.split(","))
    print(json.dumps({"seconds": seconds, "total": time.perf_counter() - started}))


if __name__ == "__main__":
    main()

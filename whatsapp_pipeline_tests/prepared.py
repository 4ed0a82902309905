"""Months that the whole chain has filled: made once a session, copied for each module that needs them.

What belongs here: one run of the chain and what is kept of it. What does not: faults, and changes to the
archive; a test that changes files takes a copy of the sample.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from whatsapp_pipeline.assets.history import run_history
from whatsapp_pipeline.automation.headless import Outcome, run_chain
from whatsapp_pipeline.definitions import build_defs, rule_book
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive, Erp
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.steps.operations.qa_report import History

MONTHS = ("2025-01", "2025-02", "2025-03")
FILES = 90


@dataclass(frozen=True, slots=True)
class Prepared:
    """The database to copy from, the sample it was made of, and what the run and its checks said."""

    template: str
    sample: Path
    outcome: Outcome
    history: History

    @property
    def archive(self) -> Path:
        """The archive's root; nobody changes it."""
        return self.sample / "organized_whatsapp_chats"

    def copy_sample(self, folder: Path) -> Path:
        """Copy the sample, times and all, for a test that changes its files; return the copy."""
        return Path(shutil.copytree(self.sample, folder / "copy"))


def definitions(url: str, sample: Path) -> dg.Definitions:
    """Wire the project to a database and a sample."""
    return build_defs(
        {
            "database": Database(url=url),
            "archive": Archive(root=str(sample / "organized_whatsapp_chats")),
            "erp": Erp(source=str(sample / "erp")),
        }
    )


def prepare(url: str, template: str, sample: Path) -> Prepared:
    """Write a sample and run the chain on it; raises where a step fails."""
    write_sample(sample, SampleOptions(seed=5, contacts=70, files=FILES, months=MONTHS))
    defs = definitions(url, sample)
    with dg.DagsterInstance.ephemeral() as instance:
        outcome = run_chain(defs, instance, months=MONTHS, with_erp=True)
        if outcome.errors:
            raise RuntimeError(f"the sample could not be prepared: {outcome.errors}")
        past = run_history(instance, rule_book(with_erp=True).rules())
    return Prepared(template, sample, outcome, past)

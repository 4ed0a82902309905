"""The end of the QA table: where the rows of findings are."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.automation.headless import CheckOutcome, Outcome
from whatsapp_pipeline.cli.qa_table import show


def test_the_rows_of_findings_are_looked_for_in_the_dagster_that_executed_the_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check = CheckOutcome("chat_files", "has_phone", False, "WARN", False, "each chat has a phone")
    outcome = Outcome([], checks=[check])
    show(outcome, dry_run=False, dagster="http://dagster.example:3000")
    assert "how to fix them: http://dagster.example:3000, the asset's Checks tab" in capsys.readouterr().out
    show(outcome, dry_run=False)
    assert "how to fix them: `make up`, the asset's Checks tab" in capsys.readouterr().out

"""Two simulated days end with every state equal to a plain recomputation; `make drill-all` takes 14."""

from __future__ import annotations

from pathlib import Path

import pytest

from whatsapp_pipeline_tests.simulation import simulation


@pytest.mark.slow
@pytest.mark.parametrize("with_erp", [True, False], ids=["with an ERP", "without an ERP"])
def test_states_are_true_after_simulated_days(admin_url: str, tmp_path: Path, *, with_erp: bool) -> None:
    with simulation(admin_url, tmp_path / "company", days=2, with_erp=with_erp, files=40) as company:
        company.run_all()
        assert company.differences == []
        assert company.compared == 3
        # The days were not empty: files were loaded, a night's run failed and was tried again.
        assert company.conn.execute("SELECT count(*) FROM chat_messages").fetchone() != (0,)
        assert company.failed_runs >= 2
        assert company.runs > 20
        assert any("customer_chat_summaries" in line or "summaries" in line for line in company.log)

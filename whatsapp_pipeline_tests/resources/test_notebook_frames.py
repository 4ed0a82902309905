"""What a notebook receives: views and reports as DataFrames, with right types."""

from __future__ import annotations

import pandas as pd
import pytest

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.notebook import report_frame, table_frame
from whatsapp_pipeline.store.connection import connect


@pytest.fixture
def results(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    with connect(fresh_database_url) as conn:
        conn.execute(
            "INSERT INTO qa_results (check_name, month, examined, failing, severity, evaluated_at) VALUES"
            " ('b', '2025-01', 9, 1, 'error', now()), ('b', '2025-02', 9, 0, 'error', now()),"
            " ('a', NULL, 5, 0, 'warn', now()), ('b', '2025-03', 9, 4, 'error', now())"
        )


@pytest.mark.usefixtures("results")
def test_results_of_checks_are_a_frame() -> None:
    everything = report_frame("qa")
    assert list(everything.check_name) == ["a", "b", "b", "b"]
    assert everything.failing.sum() == 5
    assert everything.failing.dtype == pd.Int64Dtype()
    assert pd.isna(everything.month[0])
    assert str(everything.evaluated_at.dt.tz) == "America/Sao_Paulo"
    # Results of no month belong to every month.
    assert list(report_frame("qa", "2025-02").failing) == [0, 0]
    assert list(report_frame("qa", "2025-02", "2025-03").failing) == [0, 0, 4]
    with pytest.raises(PipelineError, match="there is no export 'qas'; there are messages"):
        report_frame("qas")


@pytest.mark.usefixtures("results")
def test_views_are_frames() -> None:
    quality = table_frame("v_link_quality", ["month", "chats"])
    assert list(quality.columns) == ["month", "chats"]
    assert len(quality) == 0
    with pytest.raises(PipelineError, match="no table v_nothing"):
        table_frame("v_nothing")

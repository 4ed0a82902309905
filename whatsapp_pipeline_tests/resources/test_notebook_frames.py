"""What a notebook receives: views and reports as DataFrames, with right types."""

from __future__ import annotations

import pandas as pd
import pytest
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.notebook import report_frame, table_frame
from whatsapp_pipeline.store import grants
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
@pytest.mark.parametrize(
    "months", [("2025-13",), ("2025-1", "2025-02"), ("2025-03", "2025-02"), ("abc",), ("0000-01",)]
)
def test_what_is_no_month_of_a_report_is_named(months: tuple[str]) -> None:
    with pytest.raises(PipelineError, match=r"is no month; write it as 2025-01|2025-03 is after 2025-02"):
        report_frame("qa", *months)


@pytest.mark.usefixtures("results")
def test_a_reader_gets_what_its_role_may_read(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(fresh_database_url) as conn:
        assert grants.apply(conn) == []
        conn.execute("DROP ROLE IF EXISTS notebook_reader")
        conn.execute("CREATE ROLE notebook_reader LOGIN PASSWORD 'x' IN ROLE whatsapp_reader")
        conn.execute("INSERT INTO contatos (id, nome, celular) VALUES (5, 'Ana Souza', '41 99999-0001')")
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, title, match_status)"
            " VALUES ('a', '2025/01/Ana.txt', '2025-01', 'Ana Souza', 'unmatched')"
        )
    login = make_conninfo(fresh_database_url, user="notebook_reader", password="x")
    monkeypatch.setenv("DATABASE_URL", login)
    unmatched = report_frame("unmatched")
    assert unmatched[["month", "match_status"]].to_numpy().tolist() == [["2025-01", "unmatched"]]
    assert unmatched[["title", "file_path", "candidates"]].isna().to_numpy().all()
    with pytest.raises(PipelineError, match="the database role notebook_reader may not export messages"):
        report_frame("messages")
    words = (
        "the database role notebook_reader may not read all of contatos; choose columns of these: id, nome;"
    )
    with pytest.raises(PipelineError, match=words):
        table_frame("contatos")
    assert table_frame("contatos", ["id", "nome"]).nome.to_list() == ["Ana Souza"]
    with pytest.raises(
        PipelineError, match="may not read all of v_messages; use a login in whatsapp_analyst"
    ):
        table_frame("v_messages")
    with connect(fresh_database_url) as conn:
        conn.execute("DROP ROLE notebook_reader")


@pytest.mark.usefixtures("results")
def test_views_are_frames() -> None:
    quality = table_frame("v_link_quality", ["month", "chats"])
    assert list(quality.columns) == ["month", "chats"]
    assert len(quality) == 0
    with pytest.raises(PipelineError, match="no table v_nothing"):
        table_frame("v_nothing")

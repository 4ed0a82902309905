"""Runs of the command line carry what Dagster's Jobs page and Timeline ask for."""

from __future__ import annotations

from whatsapp_pipeline.automation.headless import open_instance, run_chain
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database


def test_runs_of_the_command_line_have_a_tag_and_an_origin(fresh_database_url: str) -> None:
    defs = build_defs({"database": Database(url=fresh_database_url)})
    with open_instance(ephemeral=True) as instance:
        run_chain(defs, instance, months=[], with_erp=False)
        runs = instance.get_runs()
    assert {run.job_name for run in runs} == {"contacts", "summaries"}
    for run in runs:
        assert run.tags[".dagster/repository"] == "__repository__@whatsapp_pipeline"
        origin = run.remote_job_origin
        assert origin is not None
        assert (origin.location_name, origin.job_name) == ("whatsapp_pipeline", run.job_name)
        assert origin.repository_origin.repository_name == "__repository__"

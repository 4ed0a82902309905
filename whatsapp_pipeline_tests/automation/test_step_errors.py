"""What people read of a failed step: our own words, whatever caused them."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline.assets.contacts import tiny_contacts
from whatsapp_pipeline.automation import alert_sensor, headless
from whatsapp_pipeline.cli import main
from whatsapp_pipeline.cli.qa_table import show
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox.erp_server import Fault, serving
from whatsapp_pipeline_tests.automation.error_places import FAULTS, Provoke, World, find_places
from whatsapp_pipeline_tests.erp import worlds
from whatsapp_pipeline_tests.erp_resources import erp_resources

PLACES = find_places()


def test_every_place_that_names_a_cause_has_its_fault() -> None:
    """A new place needs a fault in error_places.py, so that what people read of it is tested too."""
    assert set(FAULTS) == set(PLACES)
    assert len(PLACES) > 15


def _raised(
    provoke: Provoke, world: World, instance: dg.DagsterInstance
) -> tuple[dg.ExecuteInProcessResult, PipelineError]:
    """Run a step that meets the fault; return the run's result and what was raised."""
    caught: list[PipelineError] = []

    @dg.op
    def step() -> None:
        try:
            provoke(world)
        except PipelineError as error:
            caught.append(error)
            raise

    @dg.job
    def every_place() -> None:
        step()

    result = every_place.execute_in_process(
        instance=instance, raise_on_error=False, run_config={"loggers": headless._QUIET}
    )
    return result, caught[0]


TRACE = "the page of the run shows the traceback: `whatsapp-pipeline up`, then Runs"


@pytest.mark.parametrize("name", FAULTS)
def test_our_words_are_shown_from_every_place_that_names_a_cause(
    name: str,
    fresh_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world, place = World(tmp_path, fresh_database_url, monkeypatch), PLACES[name]
    with dg.DagsterInstance.ephemeral() as instance:
        result, error = _raised(FAULTS[name], world, instance)
        words = str(error)
        # The fault has reached this very statement, and the statement kept what caused it.
        frames = traceback.extract_tb(error.__traceback__)
        assert any(
            frame.filename == str(place.path) and place.first_line <= (frame.lineno or 0) <= place.last_line
            for frame in frames
        )
        assert error.__cause__ is not None
        assert len(words.splitlines()) == 1
        assert words not in {"", str(error.__cause__)}

        outcome = headless.Outcome([])
        headless._collect(outcome, result.all_events)
        assert outcome.errors == [f"step: {words}"]
        assert alert_sensor._reason(instance, result.run_id) == f"step: {words}"
        capsys.readouterr()
        show(outcome, dry_run=False)
        assert capsys.readouterr().err.splitlines() == [f"error: step: {words}", TRACE]


def test_a_command_shows_our_words_and_no_cause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "contatos" / "B-000000.json"
    page.parent.mkdir()
    page.write_text('{"itens": [')
    monkeypatch.setattr("sys.argv", ["whatsapp-pipeline", "erp", "status", "--erp", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "error: contatos/B-000000.json is not a saved page of the ERP (it is not JSON); "
        "correct or remove it\n"
    )


def _read_contacts(url: str, source: str) -> list[str]:
    """Materialize tiny_contacts from `source` and return the errors that the command line shows."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [tiny_contacts],
            instance=instance,
            raise_on_error=False,
            resources=erp_resources(url, source),
            run_config={"ops": {"tiny_contacts": {"config": {"backup": False}}}},
        )
        outcome = headless.Outcome([])
        headless._collect(outcome, result.all_events)
        reason = alert_sensor._reason(instance, result.run_id)
    assert [reason] == outcome.errors
    return outcome.errors


def test_a_damaged_saved_page_is_named(fresh_database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "contatos"
    folder.mkdir()
    (folder / "B-000000.json").write_text('{"itens": [')
    assert _read_contacts(fresh_database_url, str(tmp_path)) == [
        "tiny_contacts: contatos/B-000000.json is not a saved page of the ERP (it is not JSON); "
        "correct or remove it"
    ]
    (folder / "B-000000.json").write_text(json.dumps({"retorno": {"status": "Erro", "codigo_erro": "6"}}))
    assert (
        "(the ERP's answer is an error, not a page)" in _read_contacts(fresh_database_url, str(tmp_path))[0]
    )


def test_an_answer_without_paging_names_the_setting(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path))
    sandbox = worlds.sandbox(3)
    sandbox.faults = [Fault("status", "/contatos", status=200, body='{"itens": []}', times=9)]
    with serving(sandbox) as base:
        assert _read_contacts(fresh_database_url, base) == [
            "tiny_contacts: the ERP answered /contatos without itens and paginacao.total; check TINY_BASE_URL"
        ]


@pytest.mark.slow
def test_a_process_that_has_imported_no_client_knows_our_errors() -> None:
    """The sensor of alerts reads the errors that processes of runs have raised."""
    code = (
        "import sys; import whatsapp_pipeline.definitions\n"
        "from dagster_shared.error import SerializableErrorInfo\n"
        "from whatsapp_pipeline.automation.step_errors import own_words\n"
        "assert 'whatsapp_pipeline.erp.client' not in sys.modules\n"
        "for kind in ('erp.client.ErpError', 'erp.client.Gone', 'gone.ErpError', 'erp.items.ItemError'):\n"
        "    name = kind.rpartition('.')[2]\n"
        "    error = SerializableErrorInfo(f'whatsapp_pipeline.{kind}: our words\\n', [], name)\n"
        "    print(own_words(error))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["our words", "None", "None", "None"]


def test_an_error_that_nobody_foresaw_is_named_by_its_class() -> None:
    @dg.op
    def broken() -> None:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("outer") from error

    @dg.job
    def breaks() -> None:
        broken()

    with dg.DagsterInstance.ephemeral() as instance:
        result = breaks.execute_in_process(instance=instance, raise_on_error=False)
        outcome = headless.Outcome([])
        headless._collect(outcome, result.all_events)
        assert outcome.errors == ["broken: RuntimeError: outer"]
        assert alert_sensor._reason(instance, result.run_id) == "broken: RuntimeError"

"""What people read of a failed step: our own words, whatever caused them."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline.assets.contacts import tiny_contacts
from whatsapp_pipeline.automation import alert_sensor, headless
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Erp
from whatsapp_pipeline.sandbox.erp_server import Fault, serving
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline_tests.erp import worlds

PACKAGE = PROJECT_ROOT / "whatsapp_pipeline"


def _places() -> Iterator[tuple[str, type[PipelineError]]]:
    """Find every `raise` of an error of ours that names its cause, with the class."""
    for path in sorted(PACKAGE.rglob("*.py")):
        names = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(names[:-1] if names[-1] == "__init__" else names)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Raise) and isinstance(node.cause, ast.Name)
                and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
            ):  # fmt: skip
                found = getattr(importlib.import_module(module), node.exc.func.id)
                if issubclass(found, PipelineError):
                    yield f"{module}:{node.lineno}", found


PLACES = dict(_places())


def _job() -> dg.JobDefinition:
    """A job with a step for each place; it raises the place's error as that place does."""

    def step(place: str, kind: type[PipelineError]) -> dg.OpDefinition:
        @dg.op(name="at_" + place.replace(".", "_").replace(":", "_"))
        def fails() -> None:
            try:
                json.loads("{}")["paginacao"]
            except KeyError as error:
                raise kind(f"words of {place}") from error

        return fails

    steps = [step(place, kind) for place, kind in PLACES.items()]

    @dg.job
    def every_place() -> None:
        for one in steps:
            one()

    return every_place


def test_our_words_are_shown_from_every_place_that_names_a_cause() -> None:
    assert len(PLACES) > 15
    with dg.DagsterInstance.ephemeral() as instance:
        result = _job().execute_in_process(instance=instance, raise_on_error=False)
        outcome = headless.Outcome([])
        headless._gather(outcome, result)
        assert sorted(error.partition(": ")[2] for error in outcome.errors) == sorted(
            f"words of {place}" for place in PLACES
        )
        reason = alert_sensor._reason(instance, result.run_id)
        assert reason is not None
        assert ": words of " in reason


def _read_contacts(url: str, source: str) -> list[str]:
    """Materialize tiny_contacts from `source` and return the errors that the command line shows."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [tiny_contacts], instance=instance, raise_on_error=False,
            resources={"database": Database(url=url), "erp": Erp(source=source)},
            run_config={"ops": {"tiny_contacts": {"config": {"backup": False}}}},
        )  # fmt: skip
        outcome = headless.Outcome([])
        headless._gather(outcome, result)
        reason = alert_sensor._reason(instance, result.run_id)
    assert [reason] == outcome.errors
    return outcome.errors


def test_a_damaged_saved_page_is_named(fresh_database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "contatos"
    folder.mkdir()
    (folder / "B-000000.json").write_text('{"itens": [')
    assert _read_contacts(fresh_database_url, str(tmp_path)) == [
        "tiny_contacts: contatos/B-000000.json is no saved page of the ERP (it is not JSON); "
        "mend or remove it"
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
            "tiny_contacts: the ERP answered /contatos without itens and paginacao.total; "
            "is TINY_BASE_URL right?"
        ]


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
        headless._gather(outcome, result)
        assert outcome.errors == ["broken: RuntimeError: outer"]
        assert alert_sensor._reason(instance, result.run_id) == "broken: RuntimeError"

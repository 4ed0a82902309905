"""What the UI sends, over GraphQL to a real code server: with an ERP, and in a shop without one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.test.utils import execute_dagster_graphql

from whatsapp_pipeline.databases import sqlalchemy_url
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.prepared import Prepared

MONTHS = ["2025-01", "2025-02"]
ERP_ASSETS = {"tiny_contacts", "tiny_orders"}
_REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "whatsapp_pipeline.definitions"}


@dataclass(frozen=True, slots=True)
class Ui:
    """A code server as `dagster dev` starts it, and the instance that its runs are kept in."""

    with_erp: bool
    workspace: WorkspaceProcessContext
    database_url: str

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.workspace.instance

    def ask(self, query: str, **variables: Any) -> Any:
        """Return what the first field of the query answers."""
        answer = execute_dagster_graphql(self.workspace.create_request_context(), query, variables)
        assert not answer.errors, answer.errors
        (value,) = answer.data.values()
        return value

    def finish_runs(self) -> None:
        launcher = self.instance.run_launcher
        assert isinstance(launcher, DefaultRunLauncher)
        launcher.join(timeout=300)  # type: ignore[no-untyped-call]  # Dagster's own method has no types

    def failures(self) -> list[str]:
        """Return the steps that failed, with their errors, of all runs so far."""
        runs = self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        return [
            f"{run.job_name} {entry.step_key}: {entry.user_message}"
            for run in runs
            for entry in self.instance.all_logs(run.run_id)
            if entry.is_dagster_event and entry.get_dagster_event().is_failure
        ]

    def materialized(self) -> set[str]:
        """Return the assets that Dagster has a materialization of."""
        keys = self.instance.get_asset_keys()
        return {key.to_user_string() for key in keys if self.instance.get_latest_materialization_event(key)}


@pytest.fixture(scope="module", params=[False, True], ids=["without an ERP", "with an ERP"])
def ui(
    request: pytest.FixtureRequest,
    admin_url: str,
    prepared: Prepared,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ui]:
    name = f"ui_{uuid4().hex[:8]}"
    url = create_database(admin_url, name, prepared.template)
    dagster = sqlalchemy_url(create_database(admin_url, f"{name}_dagster", "template0"))
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", url)
        environment.setenv("CHAT_ARCHIVE", str(prepared.archive))
        environment.setenv("PIPELINE_LOCAL_DIR", str(home))
        if request.param:
            environment.setenv("ERP", str(prepared.sample / "erp"))
        overrides = {
            "storage": {"postgres": {"postgres_url": dagster}},
            # A run starts when it is launched; the queue would need its daemon.
            "run_coordinator": {
                "module": "dagster._core.run_coordinator.default_run_coordinator",
                "class": "DefaultRunCoordinator",
            },
        }
        target = ModuleTarget(
            module_name="whatsapp_pipeline.definitions",
            attribute=None,
            working_directory=None,
            location_name="whatsapp_pipeline.definitions",
        )
        with (
            dg.instance_for_test(overrides=overrides) as instance,
            WorkspaceProcessContext(instance, target) as workspace,
        ):
            yield Ui(request.param, workspace, url)
    drop_database(admin_url, name)
    drop_database(admin_url, f"{name}_dagster")


def test_the_catalog_shows_the_assets_of_the_shop(ui: Ui) -> None:
    nodes = ui.ask(
        "query { assetNodes { assetKey { path } isMaterializable isExecutable dependencyKeys { path } } }"
    )
    shown = {node["assetKey"]["path"][-1]: node for node in nodes}
    assert ERP_ASSETS & set(shown) == (ERP_ASSETS if ui.with_erp else set())
    for table in ("contatos", "ordens_servico"):
        assert shown[table]["isMaterializable"] is False
    deps = {name: {key["path"][-1] for key in node["dependencyKeys"]} for name, node in shown.items()}
    assert ("tiny_contacts" in deps["normalized_contacts"]) is ui.with_erp
    assert ("tiny_orders" in deps["order_links"]) is ui.with_erp
    assert "ordens_servico" in deps["order_links"]


def test_the_nightly_schedule_keeps_its_name_and_runs_what_there_is(ui: Ui) -> None:
    schedules = ui.ask(
        "query($repository: RepositorySelector!) { schedulesOrError(repositorySelector: $repository) {"
        " ... on Schedules { results { name scheduleState { status } } } } }",
        repository=_REPOSITORY,
    )["results"]
    status = {schedule["name"]: schedule["scheduleState"]["status"] for schedule in schedules}
    assert status["daily_contacts"] == "RUNNING"
    tick = ui.ask(
        "mutation($selector: ScheduleSelector!, $at: Float) {"
        " scheduleDryRun(selectorData: $selector, timestamp: $at) { ... on DryRunInstigationTick {"
        " evaluationResult { runRequests { runKey } error { message } } } } }",
        selector={**_REPOSITORY, "scheduleName": "daily_contacts"},
        at=1_741_000_000.0,
    )["evaluationResult"]
    assert tick["error"] is None
    assert [request["runKey"] for request in tick["runRequests"]] == ["contacts:2025-03-04"]  # the next tick


def _launch(ui: Ui, job: str) -> dict[str, Any]:
    launched: dict[str, Any] = ui.ask(
        "mutation($parameters: ExecutionParams!) { launchPipelineExecution(executionParams: $parameters) {"
        " __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
        parameters={"selector": {**_REPOSITORY, "jobName": job}, "runConfigData": {}, "mode": "default"},
    )
    return launched


def test_the_contacts_job_launched_by_hand_normalizes_a_new_contact(ui: Ui) -> None:
    with connect(ui.database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome, celular) VALUES (9000001, 'Nova', '(41) 99123-0001')")
    launched = _launch(ui, "contacts")
    assert launched["__typename"] == "LaunchRunSuccess", launched
    ui.finish_runs()
    assert ui.failures() == []
    assert "normalized_contacts" in ui.materialized()
    assert bool(ERP_ASSETS & ui.materialized()) is ui.with_erp
    with connect(ui.database_url) as conn:
        phones = conn.execute("SELECT key FROM contact_phones WHERE id_contato = 9000001").fetchall()
    assert phones == [("4191230001",)]


def _materializable(ui: Ui) -> list[list[str]]:
    nodes = ui.ask("query { assetNodes { assetKey { path } isMaterializable } }")
    return [node["assetKey"]["path"] for node in nodes if node["isMaterializable"]]


def test_materialize_all_succeeds(ui: Ui) -> None:
    """What the Lineage page sends for "Materialize all" with two months chosen."""
    launched = ui.ask(
        "mutation($parameters: LaunchBackfillParams!) {"
        " launchPartitionBackfill(backfillParams: $parameters) {"
        " __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }",
        parameters={
            "assetSelection": [{"path": path} for path in _materializable(ui)],
            "partitionNames": MONTHS,
        },
    )
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    status = _finish_backfill(ui, launched["backfillId"])
    assert ui.failures() == []
    assert status == BulkActionStatus.COMPLETED_SUCCESS
    assert ui.materialized() == {path[-1] for path in _materializable(ui)}


def _finish_backfill(ui: Ui, backfill_id: str) -> BulkActionStatus:
    """Do what the daemon does, an iteration after the runs of the one before."""
    while _status(ui, backfill_id) in {BulkActionStatus.REQUESTED, BulkActionStatus.FAILING}:
        errors = list(execute_backfill_iteration(ui.workspace, logging.getLogger("backfill")))
        assert [error for error in errors if error] == []
        ui.finish_runs()
    return _status(ui, backfill_id)


def _status(ui: Ui, backfill_id: str) -> BulkActionStatus:
    backfill = ui.instance.get_backfill(backfill_id)
    assert backfill is not None
    return backfill.status

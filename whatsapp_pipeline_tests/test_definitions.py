"""What Dagster loads: in a fresh interpreter, and as it was when somebody last looked at it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from whatsapp_pipeline.automation import schedules
from whatsapp_pipeline.checks.contacts import CHECKS
from whatsapp_pipeline.definitions import build_defs, defs
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import from_mapping

SUBJECTS = {"contacts", "chats", "links", "conversations", "summaries", "operations"}
SNAPSHOT = Path(__file__).with_name("definitions.json")


# What only some steps or commands need; every process of Dagster would wait for it.
HEAVY = {
    "scipy",
    "numpy",
    "polars",
    "holidays",
    "phonenumbers",
    "requests",
    "fsspec",
    "upath",
    "starlette",
    "uvicorn",
    "whatsapp_pipeline.archive",
    "whatsapp_pipeline.assistant.client",
    "whatsapp_pipeline.domain.matching.names",
    "whatsapp_pipeline.domain.summaries.topics",
    "whatsapp_pipeline.domain.transcripts",
    "whatsapp_pipeline.erp.source",
    "whatsapp_pipeline.sandbox",
    "whatsapp_pipeline.steps.chats.index_chats",
    "whatsapp_pipeline.steps.links.link_contacts",
    "whatsapp_pipeline.steps.chats.load_messages",
    "whatsapp_pipeline.steps.conversations.process_webhooks",
    "whatsapp_pipeline.steps.summaries.summarize",
    "whatsapp_pipeline.webhook.receiver",
}


@pytest.mark.slow
def test_definitions_load_in_a_fresh_interpreter_without_heavy_imports() -> None:
    # What Dagster itself loads is no concern of ours.
    code = (
        "import dagster, sys, json\n"
        "before = set(sys.modules)\n"
        "import whatsapp_pipeline.definitions\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert HEAVY.intersection(json.loads(result.stdout.splitlines()[-1])) == set()


@pytest.mark.parametrize("with_erp", [False, True])
def test_definitions_are_valid(with_erp: bool) -> None:
    dg.Definitions.validate_loadable(build_defs(with_erp=with_erp))


@pytest.mark.parametrize(
    ("environment", "with_erp"),
    [
        ({}, True),  # the sample: its archive, its pages, the embedded database
        ({"DATABASE_URL": "postgresql://host/company"}, False),
        ({"CHAT_ARCHIVE": "/data/chats"}, False),  # no invented contact meets a real chat
        ({"DATABASE_URL": "postgresql://host/company", "ERP": "/data/pages"}, True),
        ({"DATABASE_URL": "postgresql://host/company", "TINY_CLIENT_ID": "id"}, True),
    ],
)
def test_an_erp_is_set_by_settings_or_by_the_sample(environment: dict[str, str], with_erp: bool) -> None:
    assert (from_mapping(environment).erp_source is not None) is with_erp


def _steps_before(job: dg.JobDefinition, step: str) -> set[str]:
    """Return the steps that a run of the job finishes before `step`, by its own graph."""
    inputs = {invocation.name: ports for invocation, ports in job.dependencies.items()}
    found: set[str] = set()
    waiting = [step]
    while waiting:
        for port in inputs[waiting.pop()].values():
            new = {node.node for node in port.get_node_dependencies()} - found
            found |= new
            waiting += new
    return found


def test_with_an_erp_its_pass_comes_before_what_reads_the_tables() -> None:
    job = build_defs(with_erp=True).resolve_job_def("contacts")
    assert "tiny_contacts" in _steps_before(job, "normalized_contacts")
    table_checks = [i.name for i in job.dependencies if i.name.startswith("contatos_")]
    assert set(table_checks) == {f"contatos_{check.name}" for check in CHECKS if check.asset == "contatos"}
    for check in table_checks:
        assert "tiny_contacts" in _steps_before(job, check)
    for check in ("orders_have_a_contact", "order_dates_are_possible"):
        assert "tiny_orders" in _steps_before(job, f"ordens_servico_{check}")
    everything = build_defs(with_erp=True).resolve_implicit_global_asset_job_def()
    for asset in ("contact_links", "order_links"):
        assert {"tiny_contacts", "tiny_orders", "normalized_contacts"} <= _steps_before(everything, asset)


def test_without_an_erp_nothing_of_it_is_in_any_graph() -> None:
    without = build_defs(with_erp=False)
    graph = without.resolve_asset_graph()
    assert not [key for key in graph.get_all_asset_keys() if key.path[-1].startswith("tiny_")]
    assert not [key for key in graph.asset_check_keys if key.asset_key.path[-1].startswith("tiny_")]
    job = without.resolve_job_def("contacts")
    steps = {invocation.name for invocation in job.dependencies}
    assert "normalized_contacts" in steps
    assert "ordens_servico_orders_have_a_contact" in steps
    assert "contatos_columns_are_as_expected" in steps
    names = {job.name for job in without.resolve_all_job_defs()}
    assert names == {job.name for job in build_defs(with_erp=True).resolve_all_job_defs()}
    schedules = {schedule.name for schedule in without.schedules or []}
    assert schedules == {schedule.name for schedule in defs.schedules or []}


def test_both_tables_are_external_with_and_without_an_erp() -> None:
    for with_erp in (False, True):
        graph = build_defs(with_erp=with_erp).resolve_asset_graph()
        for table in ("contatos", "ordens_servico"):
            node = graph.get(dg.AssetKey(table))
            assert node.is_external
            assert bool(node.parent_keys) is with_erp


def test_what_the_night_starts_is_tried_again() -> None:
    """A schedule asks once a day for a run, by a key that a failed run uses up."""
    for schedule in schedules.SCHEDULES:
        job = defs.resolve_job_def(schedule.job_name)
        assert int(job.tags["dagster/max_retries"]) >= 1, job.name
        assert job.tags["dagster/retry_on_asset_or_op_failure"] == "true", job.name


def test_every_job_is_tried_again_when_its_process_is_lost() -> None:
    """Retention and backups ran once: a killed worker left them undone until the next night or week."""
    jobs = [job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")]
    assert len(jobs) > 10
    for job in jobs:
        assert job.tags.get("dagster/max_retries") == "1", job.name
    # The sensors of these ask for failed work again themselves.
    by_sensor = [job.name for job in jobs if job.tags.get("dagster/retry_on_asset_or_op_failure") == "false"]
    assert sorted(by_sensor) == ["live_summaries", "process_webhooks"]


def _described() -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "tags": dict(sorted((k, v) for k, v in node.tags.items() if not k.startswith("dagster/"))),
            "kinds": sorted(node.kinds),
            "owners": sorted(str(owner) for owner in node.owners),
            "described": bool(node.description),
            "partitioned": node.is_partitioned,
            "table": node.metadata.get("dagster/table_name"),
            "checks": sorted(check.name for check in node.check_keys),
        }
    return {
        "assets": assets,
        "jobs": sorted(job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")),
        "schedules": {s.name: str(getattr(s, "cron_schedule", "")) for s in defs.schedules or []},
        "sensors": sorted(sensor.name for sensor in defs.sensors or []),
    }


def test_every_asset_job_and_schedule_is_as_in_the_snapshot() -> None:
    """A change here is a change of what users see: update the snapshot on purpose.

    python -c "from whatsapp_pipeline_tests.test_definitions import write; write()"
    """
    assert _described() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def write() -> None:
    SNAPSHOT.write_text(json.dumps(_described(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def test_every_asset_says_who_what_and_where() -> None:
    for name, asset in _described()["assets"].items():
        assert asset["described"], name
        assert asset["owners"], name
        assert asset["kinds"], name
        assert asset["tags"].get("subject") in SUBJECTS, name


def test_all_assets_are_in_one_group_so_that_the_lineage_page_shows_the_chain() -> None:
    assert {asset["group"] for asset in _described()["assets"].values()} == {"whatsapp_pipeline"}


def test_everything_that_starts_by_itself_says_what_it_does() -> None:
    automations = [*(defs.schedules or []), *(defs.sensors or [])]
    assert automations
    assert [one.name for one in automations if not getattr(one, "description", None)] == []


def test_every_asset_links_to_the_lines_that_make_it() -> None:
    found = _code_references(build_defs(with_erp=True))
    assert len(found) >= 10
    decorators = ("@dg.", "    @dg.", "@month_asset(", "@pipeline_asset(", "def ")
    for name, reference in found.items():
        assert isinstance(reference, dg.LocalFileCodeReference)
        lines = Path(reference.file_path).read_text(encoding="utf-8").splitlines()
        # The line of the decorator; the function is below it, after its arguments.
        assert lines[(reference.line_number or 0) - 1].startswith(decorators), name


@pytest.mark.parametrize("tree", ["github.com/company/shop/tree/v1", "git.example.com/a/b/shop/-/tree/v1"])
def test_links_lead_to_the_source_at_a_host(tree: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_URL", f"https://{tree}")
    reference = _code_references(build_defs(with_erp=True))["chat_messages"]
    assert isinstance(reference, dg.UrlCodeReference)
    assert re.fullmatch(rf"https://{re.escape(tree)}/whatsapp_pipeline/assets/chats\.py#L\d+", reference.url)


def test_a_code_address_without_a_revision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_URL", "https://github.com/company/shop")
    with pytest.raises(SettingError, match="an address with a branch or tag"):
        build_defs(with_erp=True)


def _code_references(made: dg.Definitions) -> dict[str, object]:
    graph = made.resolve_asset_graph()
    found = {}
    for key in graph.get_all_asset_keys():
        if references := graph.get(key).metadata.get("dagster/code_references"):
            (found[key.to_user_string()],) = references.code_references
    return found


def test_the_overview_and_the_graph_have_the_same_order() -> None:
    made = build_defs(with_erp=True)
    text = str(made.metadata["overview"].value)
    steps = re.findall(r"`(\w+)`", text[text.index("\n1. ") : text.index("\n*Materialize*")])
    assert len(steps) == len(set(steps)) > 8
    graph = made.resolve_asset_graph()
    above: dict[str, set[str]] = {}
    for level in graph.toposorted_asset_keys_by_level:
        for key in level:
            parents = {parent.to_user_string() for parent in graph.get(key).parent_keys}
            above[key.to_user_string()] = parents.union(*(above[parent] for parent in parents))
    for place, name in enumerate(steps):
        assert above[name].isdisjoint(steps[place:]), f"the overview names {name} before what it is made of"
    # The pages filter by subject, and the overview's steps have these subjects in this order.
    subjects = [graph.get(dg.AssetKey(name)).tags["subject"] for name in steps]
    assert list(dict.fromkeys(subjects)) == ["contacts", "chats", "links", "conversations", "summaries"]


def test_the_overview_names_every_asset_of_the_data() -> None:
    made = build_defs(with_erp=True)
    text = str(made.metadata["overview"].value)
    graph = made.resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}
    run = {name for name, node in nodes.items() if node.is_executable}
    named = set(re.findall(r"`(\w+)`", text))
    assert named <= run
    assert {nodes[name].tags["subject"] for name in run - named} == {"operations"}

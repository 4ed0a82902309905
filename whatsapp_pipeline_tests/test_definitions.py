"""What Dagster loads: in a fresh interpreter, and as it was when somebody last looked at it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from whatsapp_pipeline.definitions import build_defs, defs

SUBJECTS = {"contacts", "chats", "links", "conversations", "summaries", "operations"}
SNAPSHOT = Path(__file__).with_name("definitions.json")


# What only some steps or commands need; every process of Dagster would wait for it.
HEAVY = {
    "pandas",
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


def test_definitions_are_valid() -> None:
    dg.Definitions.validate_loadable(build_defs())


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

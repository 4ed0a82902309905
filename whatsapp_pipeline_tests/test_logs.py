"""Log lines: short text, or one JSON object a line."""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
import ast
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.yaml_utils import load_yaml_from_path

from whatsapp_pipeline.automation.headless import open_instance, run_chain
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import PipelineHandler
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.source_scan import parse_text
from whatsapp_pipeline_tests.webhook.deliveries import delivery, process, put, text


def _line(record: logging.LogRecord) -> str:
    handler = PipelineHandler()
    stream = io.StringIO()
    handler.setStream(stream)
    handler.handle(record)
    return stream.getvalue()


def _record(message: str, level: int = logging.INFO, **meta: object) -> logging.LogRecord:
    record = logging.LogRecord("dagster", level, __file__, 1, message, None, None)
    record.dagster_meta = {"step_key": "chat_messages", "run_id": "r1", "orig_message": message, **meta}
    return record


def test_text_is_short() -> None:
    assert _line(_record("2 of 3 files")).rstrip().endswith("chat_messages        2 of 3 files")


def test_json_lines_name_run_and_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    fields = json.loads(_line(_record("olá", level=logging.WARNING)))
    assert fields["asset"] == "chat_messages"
    assert fields["run_id"] == "r1"
    assert fields["message"] == "olá"
    assert fields["level"] == "warning"


@pytest.mark.parametrize(
    ("tags", "months"),
    [
        ({"dagster/partition": "2025-01"}, "2025-01"),
        (
            {
                "dagster/asset_partition_range_start": "2025-01",
                "dagster/asset_partition_range_end": "2025-03",
            },
            "2025-01..2025-03",
        ),
        ({}, None),
    ],
)
def test_json_lines_name_the_months_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], months: str | None
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert json.loads(_line(_record("x", job_tags=tags))).get("partition") == months


def test_engine_chatter_is_left_out_but_not_its_errors() -> None:
    assert _line(_record("engine", dagster_event=object())) == ""
    assert "boom" in _line(_record("boom", level=logging.ERROR, dagster_event=object()))


@dg.op
def _says(context: dg.OpExecutionContext) -> None:
    context.log.info("2 of 3 files")
    context.log.warning("one is missing")


@dg.op(out=dg.Out(dg.Nothing))
def _breaks() -> None:
    raise PipelineError("no archive there")


@dg.op(ins={"start": dg.In(dg.Nothing)})
def _waits_for_it() -> None: ...


@dg.job
def _says_and_breaks() -> None:
    _says()
    _waits_for_it(start=_breaks())


def test_a_run_of_the_projects_instance_writes_each_line_once(capfd: pytest.CaptureFixture[str]) -> None:
    configured = load_yaml_from_path(str(PROJECT_ROOT / "dagster.yaml"))
    assert isinstance(configured, dict)
    with dg.DagsterInstance.ephemeral(settings={"python_logs": configured["python_logs"]}) as instance:
        result = _says_and_breaks.execute_in_process(instance=instance, raise_on_error=False)
        entries = instance.all_logs(result.run_id)
        level = {entry.user_message: entry.level for entry in entries}
        events = [entry.dagster_event for entry in entries]
    written = capfd.readouterr().err
    assert written.count("2 of 3 files") == 1
    assert written.count("warning: one is missing") == 1
    assert written.count("one is missing") == 1
    assert "_waits_for_it" not in written  # the failure says it all
    # A failed step is one line; its trace is in the event log.
    (line,) = [line for line in written.splitlines() if "no archive there" in line]
    assert line.endswith("error: no archive there (the page of the run shows the traceback)")
    assert "Traceback" not in written
    assert "Stack Trace" not in written
    (failure,) = [event.step_failure_data for event in events if event and event.is_step_failure]
    assert failure.error is not None
    assert failure.error.stack
    assert (level["2 of 3 files"], level["one is missing"]) == (logging.INFO, logging.WARNING)


def test_fields_are_fields_of_a_json_line_and_the_text_stays_prose(monkeypatch: pytest.MonkeyPatch) -> None:
    record = _record("2025-01: 20 files")
    record.fields = {"month": "2025-01", "counts": {"files": 20}}
    assert _line(record).rstrip().endswith("2025-01: 20 files")
    monkeypatch.setenv("LOG_FORMAT", "json")
    line = json.loads(_line(record))
    assert (line["month"], line["counts"]) == ("2025-01", {"files": 20})


def test_a_run_as_json_lines_names_files_chats_and_messages_without_personal_data(
    fresh_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`--verbose` with LOG_FORMAT=json, through the commands a user types."""
    sample = PROJECT_ROOT / "data" / "organized_whatsapp_chats"
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    defs = build_defs({"database": Database(url=fresh_database_url), "archive": Archive(root=str(sample))})
    with open_instance(ephemeral=True) as instance:
        assert run_chain(defs, instance, months=["2025-01"], with_erp=False).errors == []
    with connect(fresh_database_url) as conn:
        put(conn, delivery(text("w1", "primeira")), delivery(text("w2", "segunda")))
        process(conn)
        files = conn.execute("SELECT count(DISTINCT file_path) FROM chat_files").fetchone()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    by_message: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        by_message.setdefault(str(line["message"]), []).append(line)
    assert files is not None
    assert len(by_message["file indexed"]) == len(by_message["file loaded"]) == files[0]
    assert all("•" in str(line["file"]) and line["month"] == "2025-01" for line in by_message["file loaded"])
    assert any("status" in line for line in by_message["chat decided"])
    assert [line["context_messages"] for line in by_message["message stored"]] == [1, 2]
    assert all("conversation_id" in line and "message_id" in line for line in by_message["message stored"])
    assert any(line.get("counts") for line in lines if line.get("asset") == "chat_messages")


_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def _log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr in _LEVELS and "log" in ast.unparse(node.func.value).lower():
            yield node


def test_what_a_line_says_beside_its_words_is_a_field_too() -> None:
    calls, prose = 0, []
    for path in sorted((PROJECT_ROOT / "whatsapp_pipeline").rglob("*.py")):
        for call in _log_calls(parse_text(path.read_text(encoding="utf-8"))):
            calls += 1
            says_values = len(call.args) > 1 or not isinstance(call.args[0], ast.Constant)
            if says_values and "extra" not in {keyword.arg for keyword in call.keywords}:
                prose.append(f"{path.relative_to(PROJECT_ROOT)}:{call.lineno}")
    assert calls > 40
    assert prose == []


def test_what_a_command_says_beside_its_result_is_a_line_of_the_log(tmp_path: Path) -> None:
    environment = {**os.environ, "LOG_FORMAT": "json", "PIPELINE_LOCAL_DIR": str(tmp_path)}
    command = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()"]
    done = subprocess.run(
        [*command, "restore", "--into", "postgresql://nobody@127.0.0.1:1/nothing"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["error"]
    assert lines[0]["message"].startswith("there are no backups")

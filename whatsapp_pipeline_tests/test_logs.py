"""Log lines: short text, or one JSON object a line."""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
import io
import json
import logging

import dagster as dg
import pytest
from dagster_shared.yaml_utils import load_yaml_from_path

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.logs import PipelineHandler
from whatsapp_pipeline.settings import PROJECT_ROOT


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
        level = {entry.user_message: entry.level for entry in instance.all_logs(result.run_id)}
    written = capfd.readouterr().err
    assert written.count("2 of 3 files") == 1
    assert written.count("warning: one is missing") == 1
    assert written.count("one is missing") == 1
    assert "_waits_for_it" not in written  # the failure says it all
    assert "Traceback" in written or "Stack Trace" in written  # of what nobody expected, all there is to know
    assert (level["2 of 3 files"], level["one is missing"]) == (logging.INFO, logging.WARNING)

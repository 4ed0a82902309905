"""The format of the pipeline's log lines: short text, or one JSON object per line (LOG_FORMAT=json).

`dagster.yaml` names the handler below, so runs from the UI and from the command line log in the same way.
Messages contain no phone, name or text of a chat, because each caller masks them before logging.

What belongs here: the format of a line and which lines are shown. What does not: the messages of steps.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from whatsapp_pipeline import settings
from whatsapp_pipeline.run_tags import COMMAND_LINE, LAUNCHED_BY, months_in_words
from whatsapp_pipeline.safe_text import for_json, for_terminal
from whatsapp_pipeline.status_line import status_line


class PipelineHandler(logging.StreamHandler[Any]):
    """Writes the messages of the pipeline's steps to standard error, without Dagster's own messages."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_JsonLines() if settings.load_settings().log_format == "json" else _Short())
        self.addFilter(_is_shown)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line. If a terminal shows a status line, lines about progress are not written."""
        if (line := status_line()) is not None:
            if "seconds_left" in _fields(record):
                return
            line.remove()
        super().emit(record)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the record unless it is filtered out; return whether it was written."""
        shown = bool(super().handle(record))
        # Dagster passes the record to its own console handler next. No setting turns that handler off for
        # every run, but a record with the level NOTSET is below its threshold. The stack trace of an error
        # stays in Dagster's event log, on the run's page.
        record.levelno = logging.NOTSET
        return shown


def _meta(record: logging.LogRecord) -> dict[str, Any]:
    meta = getattr(record, "dagster_meta", None)
    return meta if isinstance(meta, dict) else {}


def _text(record: logging.LogRecord) -> str:
    error = getattr(getattr(_meta(record).get("dagster_event"), "event_specific_data", None), "error", None)
    if error is not None:
        return f"{_error_line(error)} (the page of the run shows the traceback)"
    return str(_meta(record).get("orig_message") or record.getMessage())


def _error_line(error: Any) -> str:  # noqa: ANN401  # Dagster's serialized error; Dagster is not imported here
    """Return the first line of the first error in a chain that is not a wrapper of Dagster."""
    while error.cause is not None and str(error.message).startswith("dagster."):
        error = error.cause
    first = str(error.message).strip().partition("\n")[0].strip()
    kind, _, text = first.partition(": ")
    return text if text and kind.startswith("whatsapp_pipeline.") else first


def fields(**values: object) -> dict[str, object]:
    """Return the `extra` of a log call: values that become separate JSON fields.

    The values must not contain personal data.
    """
    return {"fields": values}


def as_log_line(text: str) -> str:
    """Return a command's message as a JSON line. The prefix `error: ` or `warning: ` sets the level."""
    level, _, rest = text.partition(": ")
    name = level if level in {"error", "warning"} else "info"
    record = logging.LogRecord("whatsapp_pipeline.cli", _LEVELS[name], "", 0, "", None, None)
    record.msg = text if name == "info" else rest
    return _JsonLines().format(record)


_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def detail_log() -> logging.Logger:
    """Return the logger for single files, chats and conversations. It writes only if LOG_LEVEL is debug.

    The logger is separate from Dagster's, because a line per file would fill Dagster's event log.
    """
    log = logging.getLogger("whatsapp_pipeline.detail")
    if settings.load_settings().log_level != "debug":
        log.setLevel(logging.CRITICAL)
    elif not log.handlers or log.level != logging.DEBUG:
        log.handlers = [PipelineHandler()]
        log.setLevel(logging.DEBUG)
        log.propagate = False
    return log


def _is_event(record: logging.LogRecord) -> bool:
    return _meta(record).get("dagster_event") is not None


def _is_shown(record: logging.LogRecord) -> bool:
    # A record of Dagster's engine has an event; a record that a step logs has none. But after a failure or a
    # pause, the engine logs, without an event, that each later step did not run. These lines are not shown,
    # because the line about the failure or pause is enough.
    if _text(record).startswith(("Dependencies for step ", "Skipping step ")):
        return False
    if _is_repeated_by_command(record):
        return False
    # The event of a failed run repeats the failure of its step.
    data = getattr(_meta(record).get("dagster_event"), "event_specific_data", None)
    if getattr(data, "first_step_failure_event", None) is not None:
        return False
    return not _is_event(record) or record.levelno >= logging.ERROR


def _is_repeated_by_command(record: logging.LogRecord) -> bool:
    """Return whether the command prints the same error at its end.

    The result is False for JSON lines, because they have the run and the asset.
    """
    event, tags = _meta(record).get("dagster_event"), _meta(record).get("job_tags") or {}
    return (
        getattr(event, "is_step_failure", False)
        and tags.get(LAUNCHED_BY) == COMMAND_LINE
        and settings.load_settings().log_format != "json"
    )


class _Short(logging.Formatter):
    """Formats a line as `12:00:01 chat_messages  text`."""

    def format(self, record: logging.LogRecord) -> str:
        step = str(_meta(record).get("step_key") or _fields(record).get("asset") or "")
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        time = datetime.fromtimestamp(record.created, UTC).astimezone()
        return f"{time:%H:%M:%S} {step:<20} {level}{for_terminal(_text(record))}{_details(record)}"


def _details(record: logging.LogRecord) -> str:
    """Return the fields of a debug line, because its text does not contain them."""
    if record.name != "whatsapp_pipeline.detail":
        return ""
    return "".join(
        f" {name}={value}" for name, value in _fields(record).items() if value is not None and name != "asset"
    )


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found = getattr(record, "fields", None)
    return found if isinstance(found, dict) else {}


class _JsonLines(logging.Formatter):
    """Formats a line as one object: time, level, run, job, asset, message, and the `extra` of the call."""

    def format(self, record: logging.LogRecord) -> str:
        meta = _meta(record)
        months = months_in_words(meta.get("job_tags") or {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "run_id": meta.get("run_id"),
            "job": meta.get("job_name"),
            "asset": meta.get("step_key"),
            "partition": getattr(record, "partition", None) or months or None,
            "batch": getattr(record, "batch", None),
            "message": _text(record),
            **_fields(record),
        }
        return for_json(
            json.dumps({k: v for k, v in line.items() if v is not None}, ensure_ascii=False, default=str)
        )

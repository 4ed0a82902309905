"""Choosing the error of a failed step that people see from Dagster's chain of causes.

What belongs here: choosing one error of the chain, and formatting it as one line. What does not: showing the
line (the command line in `headless`, alerts in `alert_sensor`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from dagster_shared.error import SerializableErrorInfo  # `dagster` does not export it

from whatsapp_pipeline.errors import PipelineError

_DAGSTER = ("dagster.", "dagster_")


def chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """Yield an error, its cause, the cause of the cause, and so on."""
    while error is not None:
        yield error
        error = error.cause


def shown_error(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """Return the first error of the chain that is not a wrapper of Dagster; if all are, the last one.

    The cause of an error of this project is never shown. The error's text states what happened and what to
    do, but the cause is for example `KeyError: 'itens'`, or contains a value.
    """
    found = None
    for found in chain(error):
        if not first_line(found).startswith(_DAGSTER):
            break
    return found


def own_words(error: SerializableErrorInfo) -> str | None:
    """Return the text of an error of this project (PipelineError); None for an error of another class."""
    kind, _, text = first_line(error).partition(": ")
    return text or None if _is_own(kind) else None


def first_line(error: SerializableErrorInfo) -> str:
    """Return `module.Class: text` with the first line of the text."""
    return error.message.strip().partition("\n")[0].strip()


def _is_own(kind: str) -> bool:
    """Return whether `module.Class` is an error class of this project.

    The module is imported, because another process raised the error.
    """
    module, _, name = kind.rpartition(".")
    if module.partition(".")[0] != "whatsapp_pipeline":
        return False
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:  # the error of another version of this program
        return False
    return isinstance(found, type) and issubclass(found, PipelineError)

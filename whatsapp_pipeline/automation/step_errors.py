"""The error that a failed step shows to people, out of the chain of causes that Dagster keeps.

What belongs here: choosing one error of the chain and putting it into one line. What does not: who reads the
line (the command line in `headless`, alerts in `alert_sensor`).
"""

from __future__ import annotations

from collections.abc import Iterator

from dagster_shared.error import SerializableErrorInfo  # exported by `dagster` nowhere

from whatsapp_pipeline.errors import PipelineError

_DAGSTER = ("dagster.", "dagster_")


def chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """Yield an error, then its cause, then the cause of that one."""
    while error is not None:
        yield error
        error = error.cause


def shown_error(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """Return the first error of the chain that is not Dagster's wrapper; the last one if all are Dagster's.

    The cause of one of our errors is never shown: our text already says what happened and what to do, while
    the cause says `KeyError: 'itens'` or quotes a value.
    """
    found = None
    for found in chain(error):
        if not first_line(found).startswith(_DAGSTER):
            break
    return found


def own_words(error: SerializableErrorInfo) -> str | None:
    """Return the text of a PipelineError, None for an error of any other class."""
    kind, _, text = first_line(error).partition(": ")
    if error.cls_name in _own_classes() and kind.startswith("whatsapp_pipeline"):
        return text or None
    return None


def first_line(error: SerializableErrorInfo) -> str:
    """Return `module.Class: text`, the first line of it."""
    return error.message.strip().partition("\n")[0].strip()


def _own_classes() -> set[str]:
    return {error.__name__ for error in _family(PipelineError)}


def _family(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for child in error.__subclasses__():
        yield from _family(child)

"""Comparing the code and migrations of this process with those that the database records.

What belongs here: the comparison, its text, and refusing to work with other code. What does not: its callers,
and applying migrations.

On one machine all processes run the same files. An upgrade of several hosts reaches one host after the other.
A worker with old code would then write results that count as current.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

import psycopg

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.code_hash import PACKAGE, code_hash
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR, pending_migrations
from whatsapp_pipeline.store.operations import deployed_code

_SUFFIXES = {".py", ".sql", ".toml", ".html", ".json", ".csv", ".tsv"}


@cache
def own_hash() -> str:
    """Return the hash of the code of this process: the package and its SQL, as they are on the disk."""
    places = (PACKAGE, MIGRATIONS_DIR.parent)
    return code_hash(path for place in places for path in place.rglob("*") if path.suffix in _SUFFIXES)


def record_deployment(url: str) -> None:
    """Record the code of this process as the current code of the database. `migrate` calls this."""
    with connect(url) as conn:
        deployed_code.record(conn, own_hash(), version("whatsapp-pipeline"))


def why_not_current(url: str) -> str | None:
    """Return a text why this process must not work on the database; None if its code and schema are current.

    The text says whether this process is behind or ahead, and what to do.
    """
    try:
        return _find_difference(url)
    except PipelineError as error:
        return str(error)
    except psycopg.Error as error:
        return f"the database did not answer ({type(error).__name__})"


class OtherCodeError(PipelineError):
    """The database has other code or another schema than this process."""


def refuse_other_code(url: str, settings: Settings, *, needs_answer: bool = True) -> None:
    """Raise OtherCodeError if several hosts work on the database and this process is not current.

    With `needs_answer=False`, a database that can't be reached is no reason to raise.
    """
    if not settings.several_hosts:
        return
    try:
        problem = _find_difference(url)
    except psycopg.Error:
        if needs_answer:
            raise
        return
    except PipelineError as error:
        if isinstance(error.__cause__, psycopg.Error):
            if needs_answer:
                raise
            return
        problem = str(error)
    if problem:
        raise OtherCodeError(f"nothing was done: {problem}")


def _find_difference(url: str) -> str | None:
    """Return how the code or the schema of this process differs from the database's; None if both agree.

    Raises PipelineError if the database can't be reached or has a newer schema.
    """
    if missing := pending_migrations(url):
        return (
            f"this process is ahead: the database lacks {len(missing)} migration(s), the first is "
            f"{missing[0]}; run `whatsapp-pipeline migrate` from this version"
        )
    try:
        with connect(url) as conn:
            deployed = deployed_code.history(conn)
    except psycopg.errors.InsufficientPrivilege:  # a person's login for reading; its schema is compared above
        return None
    own = own_hash()
    if not deployed or deployed[0].code_hash == own:
        return None
    current = deployed[0]
    words = f"version {current.version} of {current.deployed_at:%Y-%m-%d %H:%M %Z}, {current.code_hash[:8]}"
    if own in {code.code_hash for code in deployed}:
        return (
            f"this process is behind: it runs code {own[:8]}, and the database was migrated by {words}; "
            "restart it from the current version"
        )
    return (
        f"this process runs code {own[:8]}, which never migrated the database ({words} is current); run "
        "`whatsapp-pipeline migrate` from this version, or restart it from the current one"
    )

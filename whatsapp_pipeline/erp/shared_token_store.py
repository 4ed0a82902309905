"""The ERP's tokens in the database, which several hosts share.

One host refreshes at a time, and all hosts use the pair.

What belongs here: the store that `tokens` uses there, and the move of one machine's token file into the
database. What does not: its statements (store/contacts/erp_tokens.py) and requesting tokens (`tokens`).

The token endpoint's answer is written to this host's disk before the database, as on one machine. So a host
that is killed between the two still holds the new pair, and saves it when it next uses the ERP. The name of
the answer's file depends on the refresh token that was sent: an answer that does not follow the saved pair is
old, because another host has refreshed or authorised since.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import psycopg

from whatsapp_pipeline.erp.token_store import KeptAnswer, TokenRoom, Tokens, TokenStore, read_kept_answer
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.contacts import erp_tokens
from whatsapp_pipeline.store.grants import WRITER

_APPLICATION: Final = "whatsapp-pipeline ERP tokens"


class UnsavedTokensError(OSError):
    """The database could not save the pair."""


class SharedTokenStore:
    """The pair in the table `pipeline_erp_tokens`. One store per thread, as its client."""

    place = "the database"
    remedy = "make sure that the database can be written"

    def __init__(self, url: str, on_disk: TokenStore, *, host: str) -> None:
        """Use the database at `url`.

        Args:
            url: the pipeline's database.
            on_disk: the token file of this host. Its pair moves to the database when that has none.
            host: name of this host, for messages.
        """
        self._url, self._on_disk, self._host = url, on_disk, host
        self._conn: Connection | None = None  # of the lock, while this store holds it
        self._last: Tokens | None = None  # as this store last saw it; the client asks before every request

    def load(self) -> Tokens | None:
        """Return the pair: under the lock as it is in the database, otherwise as this store last saw it."""
        if self._conn is None and self._last is not None:
            return self._last
        with self._connection() as conn:
            self._last = _tokens(erp_tokens.read_tokens(conn))
        if self._last is None and self._conn is None:
            with self.lock():  # this host's token file may hold the pair
                return self._last
        return self._last

    def save(self, tokens: Tokens) -> None:
        """Replace the pair and remove the answer that it came from; raises OSError."""
        self._write(tokens)
        self.forget_answer()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Wait for the lock, which all hosts share, and hold it until the block ends.

        If the database has no pair, the pair of this host's token file is moved into it.
        """
        with connect(self._url, application_name=_APPLICATION) as conn, contextlib.ExitStack() as stack:
            with _database_errors_explained():
                stack.enter_context(erp_tokens.refresh_lock(conn))
                self._conn = conn
                stack.callback(self._forget_connection)
                self._last = _tokens(erp_tokens.read_tokens(conn))
            if self._last is None:
                self._move_file()
            yield

    @contextlib.contextmanager
    def room(self) -> Iterator[TokenRoom]:
        """Reserve the answer's space on this disk, and make sure that the database can be written.

        Raises PipelineError when the lock is lost, before the answer's file is touched: another process of
        this host may then be writing the only copy of a pair there.
        """
        self._answers_folder.mkdir(parents=True, exist_ok=True)
        with self._lock_connection() as conn:
            erp_tokens.begin_refresh(conn, self._host)
        answer_path = self._answer_path()
        try:
            room = TokenRoom(answer_path, self._write)
            try:
                yield room
            finally:
                room.close()
        finally:
            if not answer_path.exists():  # saved, the ERP sent no pair, or the disk has no space for one
                with contextlib.suppress(PipelineError), self._lock_connection() as conn:
                    erp_tokens.end_refresh(conn, self._host)

    def unsaved_answer(self) -> KeptAnswer | None:
        """Return the answer to the saved refresh token that a killed process of this host left.

        Answers to other refresh tokens are removed.
        """
        current = self._answer_path()
        for path in self._answers():
            if path != current:
                path.unlink(missing_ok=True)
        return read_kept_answer(current)

    def forget_answer(self) -> None:
        """Remove this host's answers."""
        for path in self._answers():
            path.unlink(missing_ok=True)

    def why_empty(self) -> str:
        """Return that no host has authorised."""
        return "no ERP tokens in the database yet"

    def interrupted_on(self) -> str | None:
        """Return the other host that sent the refresh token last and has not saved a new pair."""
        with self._connection() as conn:
            saved = erp_tokens.read_tokens(conn)
        host = saved.refreshing_on if saved else None
        return host if host != self._host else None

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Yield the lock's connection, or a new one to read or to save with; raises PipelineError."""
        with contextlib.ExitStack() as stack:
            conn = self._conn
            if conn is None or conn.closed:
                conn = stack.enter_context(connect(self._url, application_name=_APPLICATION))
            with _database_errors_explained():
                yield conn

    @contextlib.contextmanager
    def _lock_connection(self) -> Iterator[Connection]:
        """Yield the lock's connection; raises PipelineError when it is lost, and the lock with it."""
        if self._conn is None or self._conn.closed:
            raise PipelineError(
                "the connection that locks the ERP's tokens was lost before the refresh; nothing was sent to "
                "the ERP, run again"
            )
        with _database_errors_explained():
            yield self._conn

    def _write(self, tokens: Tokens) -> None:
        """Write the pair, if the lock's connection is lost on a new one; raises OSError."""
        for attempt in (1, 2):
            try:
                with self._connection() as conn:
                    erp_tokens.write_tokens(conn, **asdict(tokens), host=self._host)
                break
            except PipelineError as error:
                if attempt == 2:
                    raise UnsavedTokensError(0, str(error)) from error
        self._last = tokens

    def _move_file(self) -> None:
        """Move this host's token file, and the answer of a killed refresh beside it, into the database."""
        if not self._on_disk.path.exists():
            return
        with self._on_disk.lock():
            tokens = self._on_disk.load()
            if tokens is None:
                return
            self._last = tokens
            # The answer first: a kill after it leaves the file, whose pair is then moved again.
            with contextlib.suppress(FileNotFoundError):
                self._on_disk.answer_path.replace(self._answer_path())
            with self._connection() as conn:
                erp_tokens.write_tokens(conn, **asdict(tokens), host=self._host)
            self._on_disk.path.unlink(missing_ok=True)

    @property
    def _answers_folder(self) -> Path:
        return self._on_disk.path.parent

    def _answers(self) -> list[Path]:
        return list(self._answers_folder.glob(f".{self._on_disk.path.name}.*.answer"))

    def _answer_path(self) -> Path:
        """Return the file of the answer to the saved refresh token."""
        spent = self._last.refresh_token if self._last else ""
        digest = hashlib.sha256(spent.encode()).hexdigest()[:16]
        return self._answers_folder / f".{self._on_disk.path.name}.{digest}.answer"

    def _forget_connection(self) -> None:
        self._conn = None


def _tokens(saved: erp_tokens.SavedTokens | None) -> Tokens | None:
    if saved is None:
        return None
    return Tokens(saved.access_token, saved.refresh_token, saved.expires_at, saved.refresh_expires_at)


@contextlib.contextmanager
def _database_errors_explained() -> Iterator[None]:
    """Convert an error of the database to one line with instructions, without values."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege:
        raise PipelineError(
            f"this role may not read the ERP's tokens; run it under a login in {WRITER} "
            "(`whatsapp-pipeline grants` makes that role), or as the owner of the tables"
        ) from None
    except psycopg.errors.UndefinedTable:
        raise PipelineError(
            "the database has no table for the ERP's tokens; run `whatsapp-pipeline migrate`"
        ) from None
    except psycopg.Error as error:
        raise PipelineError(
            f"the database failed to read or write the ERP's tokens ({type(error).__name__}); "
            "the saved ones are kept"
        ) from error

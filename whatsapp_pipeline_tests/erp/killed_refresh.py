"""A process that refreshes the ERP's tokens and is killed before a chosen line after the ERP's answer.

What belongs here: the program, which `python -m` runs, and starting it. What does not: what must be true
after the kill (test_tokens.py for the file, test_shared_tokens.py for the database).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import requests

from whatsapp_pipeline import private_files
from whatsapp_pipeline.erp import shared_token_store, token_store, tokens
from whatsapp_pipeline.store.contacts import erp_tokens

if TYPE_CHECKING:
    from _typeshed import TraceFunction

_FILES = {module.__file__ for module in (private_files, token_store, shared_token_store, tokens, erp_tokens)}


@contextmanager
def killed_refreshes(token_url: str, path: Path, database: str = "") -> Iterator[Callable[[int], int]]:
    """Start the program; yield a function that lets it refresh and returns the exit status.

    The function's argument counts the lines after the answer, in all threads; the kill comes before the last
    of them. The status is 0 when the refresh had fewer lines.

    Args:
        token_url: The ERP's token endpoint.
        path: The token file of the host.
        database: Where the tokens are; without it they are in the file.
    """
    command = [sys.executable, "-m", __name__, token_url, str(path), database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, of = process.stdin, process.stdout

        def kill_at(line: int) -> int:
            to.write(f"{line}\n")
            to.flush()
            return int(of.readline())

        yield kill_at
        to.close()


def _refresh(token_url: str, path: Path, database: str, last: int) -> None:
    lines, answered = 0, False

    def count(frame: FrameType, event: str, _: object) -> TraceFunction:
        nonlocal lines
        if answered and event == "line" and frame.f_code.co_filename in _FILES:
            lines += 1
            if lines == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    def begin(*_: object, **__: object) -> None:
        nonlocal answered
        answered = True

    threading.settrace(count)
    sys.settrace(count)
    session = requests.Session()
    session.hooks["response"].append(begin)
    on_disk = token_store.TokenStore(path)
    store = (
        shared_token_store.SharedTokenStore(database, on_disk, host=path.parent.name) if database else on_disk
    )
    tokens.AccessTokens(store, tokens.Credentials(token_url, "client", "secret"), session=session).get()


def main() -> None:
    """Fork for each line of standard input, refresh there, and print the child's exit status."""
    token_url, path, database = sys.argv[1:]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _refresh(token_url, Path(path), database, int(line))
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Index and load a month in a process of its own, and print the seconds: `bench.objects` starts it.

python -m bench.objects.month DATABASE ARCHIVE MONTH [--one-at-a-time]
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from whatsapp_pipeline.archive import ChatArchive, ChatSource
from whatsapp_pipeline.archive.sources import open_source
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import connect

LOG = logging.getLogger("bench.objects")


class OneAtATime(ChatArchive):
    """The archive as fsspec's own `open` reads it: each file when it is its turn, in one process."""

    @contextmanager
    def opening_ahead(
        self, paths: Sequence[str]
    ) -> Iterator[Callable[[str], AbstractContextManager[ChatSource]]]:
        """Yield an `open` that asks for a file when it is called."""
        fs = self.root.fs

        def open_file(path: str) -> AbstractContextManager[ChatSource]:
            full = f"{self.root.path.rstrip('/')}/{path}"
            return open_source(path.rsplit("/", 1)[-1], partial(fs.open, full, "rb"))

        yield open_file


def main() -> None:
    """Index, then load, and print the seconds and the peak memory as JSON."""
    url, root, month, *options = sys.argv[1:]
    is_plain = "--one-at-a-time" in options
    archive = OneAtATime(root) if is_plain else ChatArchive(root)
    with connect(url) as conn:
        archive.exists("nothing")  # the first request also makes the client
        started = time.perf_counter()
        indexed = index_month(conn, archive, month, IndexOptions(workers=1 if is_plain else 0), log=LOG)
        between = time.perf_counter()
        loaded = load_month(conn, archive, month, LoadOptions(), log=LOG)
        ended = time.perf_counter()
    assert (indexed.failed, loaded.failed) == (0, 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"files": indexed.new, "index": between - started, "load": ended - between, "memory": peak}
        )
    )


if __name__ == "__main__":
    main()

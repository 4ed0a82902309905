"""Run one reader over one file in this process and print what it took and found, as JSON.

Runs in the peers' own environment, so it imports nothing of ours but for the contestant `ours`.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from array import array
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any
from zlib import crc32

# What a reader returns: (is it a person's message, its text) for each message.
Found = Iterable[tuple[bool, str]]
Run = Callable[[str], Callable[[], Found]]


def ours(path: str) -> Callable[[], Found]:
    from whatsapp_pipeline.domain.transcripts import ParseOptions, Source, read_many

    options = ParseOptions(owner=("Loja Técnica",))
    with open(path, "rb") as stream:
        kept = [window.frame for window in read_many([Source(stream, options)])]

    def found() -> Found:
        for frame in kept:
            for direction, text in frame.select("direction", "text").iter_rows():
                yield direction != "notification", text

    return found


def ours_streaming(path: str) -> Callable[[], Found]:
    """As ours, but a batch is let go of before the next is read, as the pipeline does."""
    from whatsapp_pipeline.domain.transcripts import ParseOptions, Source, read_many

    options = ParseOptions(owner=("Loja Técnica",))
    with open(path, "rb") as stream:
        count = sum(len(window.frame) for window in read_many([Source(stream, options)]))
    return lambda: ((True, "") for _ in range(count))


def wakit(path: str) -> Callable[[], Found]:
    from datetime import UTC

    export_import = import_module("wakit.export_import")
    messages, _ = export_import.parse_lines(path)
    order = export_import.detect_date_order(messages, "auto")
    for message in messages:
        message["ms"] = export_import.to_ms(message, order, UTC)
    return lambda: ((True, m["body"]) for m in messages)


def chatpack(path: str) -> Callable[[], Found]:
    messages: list[Any] = import_module("chatpack").parse_whatsapp(path)
    return lambda: ((True, m.content) for m in messages)


def whatstk(path: str) -> Callable[[], Found]:
    frame = import_module("whatstk").WhatsAppChat.from_source(filepath=path).df
    return lambda: ((True, text) for text in frame["message"])


def chat_miner(path: str) -> Callable[[], Found]:
    parser = import_module("chatminer.chatparsers").WhatsAppParser(path)
    parser.parse_file()
    frame = parser.parsed_messages.get_df()
    return lambda: ((True, text) for text in frame["message"])


# Loaded before the clock starts, as node's module is.
MODULES = {
    "ours": "whatsapp_pipeline.domain.transcripts",
    "ours_streaming": "whatsapp_pipeline.domain.transcripts",
    "wakit": "wakit.export_import",
    "chatpack": "chatpack",
    "whatstk": "whatstk",
    "chat-miner": "chatminer.chatparsers",
}
CONTESTANTS: dict[str, Run] = {
    "ours": ours,
    "ours_streaming": ours_streaming,
    "wakit": wakit,
    "chatpack": chatpack,
    "whatstk": whatstk,
    "chat-miner": chat_miner,
}


def peak_memory() -> float:
    """The most memory this process held, in MB."""
    try:
        with open("/proc/self/status") as status:
            # Unlike getrusage's figure, this one is not at least that of the process which started this one.
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    name, path, texts = sys.argv[1:4]
    with contextlib.redirect_stdout(sys.stderr):
        import_module(MODULES[name])
        started, clock = time.time(), time.process_time()
        found = CONTESTANTS[name](path)
        seconds, ended = time.process_time() - clock, time.time()
    memory = peak_memory()
    people, notices, sums = 0, 0, array("L")
    for is_person, text in found():
        people += is_person
        notices += not is_person
        sums.append(crc32(str(text).strip(" \n\u200e").encode()))
    with open(texts, "wb") as file:
        sums.tofile(file)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "started": started,
                "ended": ended,
                "memory": memory,
                "people": people,
                "notices": notices,
            }
        )
    )


if __name__ == "__main__":
    main()

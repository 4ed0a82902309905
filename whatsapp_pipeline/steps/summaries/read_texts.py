"""Reading many texts, on a second core when there are many.

What belongs here: how the work is spread. What does not: what is read in a text (domain/summaries). The
helper is a process of our own at the end of a pipe, because forking is not safe in a process with threads;
it ends when its pipe does.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from whatsapp_pipeline.domain.summaries.text_reading import MessageReader, Reading

# Fewer texts are read sooner than another process has started.
_WORTH = 20_000


class TextReader:
    """Reads batches of texts; a context manager, since it may hold a helper process."""

    def __init__(self, taxonomy: Path | None, *, worth: int = _WORTH) -> None:
        self.reader = MessageReader(taxonomy)
        self._taxonomy = taxonomy
        self._worth = worth
        self._texts = 0
        self._helper: subprocess.Popen[bytes] | None = None
        self._alone = (os.cpu_count() or 1) < 2

    def __enter__(self) -> TextReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Read texts, in their order."""
        self._texts += len(texts)
        if self._alone or self._texts < self._worth:
            return [self.reader.read(text) for text in texts]
        half = len(texts) // 2
        try:
            helper = self._summon()
            _send(_pipe(helper.stdin), list(texts[half:]))
            own = [self.reader.read(text) for text in texts[:half]]
            return own + _receive(_pipe(helper.stdout))
        except (OSError, EOFError, pickle.UnpicklingError):
            # A helper that was killed costs time, never a reading.
            self._dismiss()
            self._alone = True
            return [self.reader.read(text) for text in texts]

    def _summon(self) -> subprocess.Popen[bytes]:
        if self._helper is None:
            taxonomy = [str(self._taxonomy)] if self._taxonomy else []
            self._helper = subprocess.Popen(  # noqa: S603  # our own module, no shell
                [sys.executable, "-m", "whatsapp_pipeline.steps.summaries.read_texts", *taxonomy],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what stops it stops this process too, and is told there
            )
        return self._helper

    def _dismiss(self) -> None:
        if self._helper is not None:
            self._helper.kill()
            self._helper.communicate()
            self._helper = None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101  # Popen was asked for both
    return pipe


def _send(pipe: IO[bytes], batch: Sequence[object]) -> None:
    pickle.dump(batch, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> list[Reading]:
    # Only our own helper writes here.
    return [Reading(*row) for row in pickle.load(pipe)]  # noqa: S301


def _help(taxonomy: Path | None) -> None:
    """Read batches from standard input until it ends."""
    reader = MessageReader(taxonomy)
    while True:
        try:
            texts = pickle.load(sys.stdin.buffer)  # noqa: S301  # written by our own parent
        except EOFError:
            return
        _send(sys.stdout.buffer, [tuple(reader.read(text)) for text in texts])


if __name__ == "__main__":
    _help(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

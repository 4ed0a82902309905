"""Reading texts; if there are many, a second process reads half of them.

What belongs here: the distribution of texts. What does not: the reading of a text (domain/summaries), and the
other process (worker_process.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from whatsapp_pipeline.domain.summaries.text_reading import MessageReader, Reading
from whatsapp_pipeline.steps.worker_process import WorkerLostError, WorkerProcess, answer_requests

# Reading fewer texts takes less time than starting another process.
_SPREAD_TEXTS = 5_000


class TextReader:
    """Reads batches of texts; a context manager, because it may have a helper process.

    After `spread_from` texts, counted over all calls, the helper reads half of each batch.
    """

    def __init__(self, taxonomy: Path | None, *, spread_from: int = _SPREAD_TEXTS) -> None:
        self.reader = MessageReader(taxonomy)
        self._helper = WorkerProcess(
            "whatsapp_pipeline.steps.summaries.read_texts", [str(taxonomy)] if taxonomy else []
        )
        self._spread_from = spread_from
        self._texts = 0
        self._alone = (os.cpu_count() or 1) < 2

    def __enter__(self) -> TextReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._helper.stop()

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return the readings of texts, in order."""
        self._texts += len(texts)
        if self._alone or self._texts < self._spread_from:
            return [self.reader.read(text) for text in texts]
        half = len(texts) // 2
        try:
            self._helper.send(texts[half:])
            own = [self.reader.read(text) for text in texts[:half]]
            return own + [Reading(*row) for row in self._helper.receive()]
        except WorkerLostError:
            self._alone = True
            return [self.reader.read(text) for text in texts]


if __name__ == "__main__":
    _reader = MessageReader(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    answer_requests(lambda texts: [tuple(_reader.read(text)) for text in texts])

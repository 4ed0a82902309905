"""Scanning many files, on one core or several.

What belongs here: how the work is spread. What does not: what a scan is (scan.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.scan import FileScan, ScanJob, ScanOptions, scan_file


def scan_files(
    archive: ChatArchive, jobs: Sequence[ScanJob], options: ScanOptions, *, workers: int
) -> Iterator[FileScan]:
    """Yield the scans of `jobs`, in their order."""
    for job in jobs:
        yield scan_file(archive, job, options)

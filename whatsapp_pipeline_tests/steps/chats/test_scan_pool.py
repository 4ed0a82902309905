from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.chat_reading import ReadingOptions
from whatsapp_pipeline.steps.chats.scan import FileScan, ScanJob, ScanOptions, Scans
from whatsapp_pipeline.steps.chats.scan_pool import scan_in_parallel
from whatsapp_pipeline_tests.block_files import block, talk, write_chat

pytestmark = pytest.mark.slow

OPTIONS = ScanOptions(ReadingOptions())


@pytest.fixture
def jobs(tmp_path: Path) -> list[ScanJob]:
    for number in range(150):
        write_chat(tmp_path, block(talk(number % 7 * 100 + 1)), title=f"Cliente {number}")
    return [ScanJob(file, "2025-01", {}) for file in ChatArchive(str(tmp_path)).listing("2025-01").files]


def rows(scans: Iterable[Scans]) -> tuple[list[FileScan], list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Everything in some scans, however they are cut."""
    whole = Scans.joined(list(scans))
    return whole.files, whole.sessions.rows(), whole.phones.rows()


def test_several_processes_give_what_one_does(tmp_path: Path, jobs: list[ScanJob]) -> None:
    archive = ChatArchive(str(tmp_path))
    alone = rows(scan_in_parallel(archive, jobs, OPTIONS, workers=1))
    assert rows(scan_in_parallel(archive, jobs, OPTIONS, workers=3)) == alone
    assert [scan.path for scan in alone[0]] == [job.file.path for job in jobs]
    # Half taken, the rest left: nothing hangs.
    iterator = scan_in_parallel(archive, jobs, OPTIONS, workers=3)
    assert next(iterator).files[0] == alone[0][0]
    iterator.close()  # type: ignore[attr-defined]  # a generator


def test_a_worker_that_is_killed_loses_no_file(tmp_path: Path, jobs: list[ScanJob]) -> None:
    archive = ChatArchive(str(tmp_path))
    alone = rows(scan_in_parallel(archive, jobs, OPTIONS, workers=1))
    found = []
    for place, scans in enumerate(scan_in_parallel(archive, jobs, OPTIONS, workers=2)):
        if place in {0, 2}:
            for child in psutil.Process().children():
                if child.status() != psutil.STATUS_ZOMBIE and "scan_pool" in " ".join(child.cmdline()):
                    os.kill(child.pid, signal.SIGKILL)
        found.append(scans)
    assert rows(found) == alone


def test_workers_end_with_a_killed_parent(tmp_path: Path, jobs: list[ScanJob]) -> None:
    code = (
        "import os, psutil, signal, sys\n"
        "from whatsapp_pipeline.archive import ChatArchive\n"
        "from whatsapp_pipeline_tests.steps.chats.test_scan_pool import OPTIONS, ScanJob, scan_in_parallel\n"
        "archive = ChatArchive(sys.argv[1])\n"
        "jobs = [ScanJob(file, '2025-01', {}) for file in archive.listing('2025-01').files]\n"
        "list(scan_in_parallel(archive, jobs, OPTIONS, workers=2))\n"
        "print(psutil.Process().children()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert run.returncode == -signal.SIGKILL
    child = int(run.stdout)
    if psutil.pid_exists(child):
        psutil.Process(child).wait(timeout=10)
    assert not psutil.pid_exists(child)

"""`python -m bench.drill.ticking`: let `whatsapp-pipeline up` run with every schedule set to every minute.

It fails where a schedule never ticked, a tick or a run failed, or the processes do not end when asked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus

from bench.drill.world import end_family
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.sandbox.archive import CHATS_FOLDER, write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.settings import PROJECT_ROOT

_END_SECONDS = 60
_LATEST_SECONDS = 600
_EXPECTED = {"monthly_chats", "summaries", "all_checks"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--port", type=int, default=3987)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tick-") as name:
        home = Path(name)
        shutil.copy(PROJECT_ROOT / "dagster.yaml", home)
        (home / "sample").mkdir()
        now = datetime.now(UTC)
        write_sample(home / "sample", SampleOptions(seed=11, contacts=60, files=30, months=(f"{now:%Y-%m}",)))
        os.environ |= {
            "DAGSTER_HOME": str(home),
            "PIPELINE_LOCAL_DIR": str(home / "local"),
            "CHAT_ARCHIVE": str(home / "sample" / CHATS_FOLDER),
            "SCHEDULE_CRON": "* * * * *",
            "DATABASE_URL": "",
            "DAGSTER_DATABASE_URL": "",
            "ERP": "",
            "LOG_FORMAT": "text",
        }
        command = [str(Path(sys.executable).parent / "whatsapp-pipeline"), "up", "--port", str(options.port)]
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, text=True, start_new_session=True)
        faults = []
        try:
            with dg.DagsterInstance.from_config(str(home)) as instance:
                _wait_for_runs(instance, process, options.minutes * 60)
                faults += _faults(instance)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                faults.append(f"`up` did not end within {_END_SECONDS} s")
        finally:
            end_family(process)
    for fault in faults:
        print(fault)
    print(f"{options.minutes:g} minutes of ticks: {len(faults)} faults")
    raise SystemExit(bool(faults))


def _wait_for_runs(instance: dg.DagsterInstance, process: subprocess.Popen[str], seconds: float) -> None:
    """Let it tick for the time asked, and on until each job ran once: ticks ask faster than runs end."""
    began = time.monotonic()
    while process.poll() is None:
        passed = time.monotonic() - began
        succeeded = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
        is_done = {run.job_name for run in succeeded} >= _EXPECTED
        if passed > seconds and (is_done or passed > seconds + _LATEST_SECONDS):
            return
        time.sleep(1)  # the runs of other processes can only be asked for


def _faults(instance: dg.DagsterInstance) -> list[str]:
    found = []
    ticked = set()
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=200)
        if any(tick.status in {TickStatus.SUCCESS, TickStatus.SKIPPED} for tick in ticks):
            ticked.add(state.instigator_name)
        failed = [tick for tick in ticks if tick.status == TickStatus.FAILURE]
        if failed:
            words = failed[0].error.message if failed[0].error else "no reason"
            found.append(f"{len(failed)} ticks of {state.instigator_name} failed: {words.strip()[:300]}")
    defs = build_defs()
    expected = {one.name for one in [*(defs.schedules or []), *(defs.sensors or [])]}
    found += [f"{name} never ticked" for name in sorted(expected - ticked)]
    runs = instance.get_runs()
    found += [
        f"run {run.run_id[:8]} of {run.job_name} failed"
        for run in runs
        if run.status == dg.DagsterRunStatus.FAILURE
    ]
    done = {run.job_name for run in runs if run.status == dg.DagsterRunStatus.SUCCESS}
    found += [f"no run of {job} succeeded" for job in sorted(_EXPECTED - done)]
    return found


if __name__ == "__main__":
    main()

"""The supervisor restarts what ends, gives up after some restarts, and leaves nothing when it stops."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from whatsapp_pipeline.cli.process_keeper import left_over
from whatsapp_pipeline.cli.supervisor import GaveUpError, RestartPolicy, Service, Supervisor

AT_ONCE = RestartPolicy(first_pause=0.01, longest_pause=0.05, max_restarts=3, period=600)

# Says who it is through a pipe in the file system, starts a child, and lives on, or ends.
_PARENT = """
import os, pathlib, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
if sys.argv[2] == "stays":
    child.wait()
if sys.argv[2] == "stays alone":
    (pathlib.Path(sys.argv[1]).parent / "ready").touch()
    signal.pause()
"""


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # nobody here reaps orphans
    except psutil.NoSuchProcess:
        return True


def parent(file: Path, then: str) -> list[str]:
    return [sys.executable, "-c", _PARENT, str(file), then]


@contextlib.contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Run `work` in a thread, and then ask this process to stop; the supervisor runs in the main thread."""

    def work_and_stop() -> None:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(work_and_stop)
        yield
        done.result()  # what failed in the thread fails the test


@pytest.mark.parametrize(
    ("ends", "pause"),
    [
        ([100.0], 1.0),
        ([100.0, 101.0], 2.0),
        ([100.0, 101.0, 103.0], 4.0),
        ([100.0, 101.0, 103.0, 107.0], 5.0),
        ([100.0, 101.0, 103.0, 107.0, 112.0], None),
        # What ended longer ago than the period does not count.
        ([100.0, 101.0, 103.0, 107.0, 160.5], 5.0),
        ([100.0, 101.0, 103.0, 107.0, 220.0], 1.0),
        ([100.0, 160.0], 1.0),
        ([100.0, 159.9], 2.0),
    ],
)
def test_pauses_grow_and_end(ends: list[float], pause: float | None) -> None:
    assert RestartPolicy(first_pause=1, longest_pause=5, max_restarts=4, period=60).pause(ends) == pause


def test_what_is_killed_is_started_again_without_its_old_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pids")
    said: list[str] = []
    services = [Service("console", parent(tmp_path / "pids", "stays"))]
    supervisor = Supervisor(services, environment=os.environ, policy=AT_ONCE, say=said.append)
    seen: list[list[int]] = []

    def kill_the_first() -> None:
        seen.append([int(pid) for pid in (tmp_path / "pids").read_text().split()])
        psutil.Process(seen[0][0]).kill()
        seen.append([int(pid) for pid in (tmp_path / "pids").read_text().split()])  # waits for the second
        assert is_gone(seen[0][1])  # the orphan of the first
        (state,) = supervisor.states()
        assert (state.name, state.state, state.pid, state.restarts) == ("console", "running", seen[1][0], 1)

    with beside(kill_the_first):
        supervisor.run()
    assert len(seen) == 2
    assert all(is_gone(pid) for pids in seen for pid in pids)
    assert said[0] == "console ended (signal SIGKILL); it is started again in 0.01 s"


def test_a_service_of_no_use_without_its_child_is_started_again_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_pipeline.cli.supervisor._CHECK_SECONDS", 0.05)
    os.mkfifo(tmp_path / "pids")
    said: list[str] = []
    service = Service(
        "code server", parent(tmp_path / "pids", "stays alone"), ready=tmp_path / "ready", needs_child=True
    )
    supervisor = Supervisor([service], environment=os.environ, policy=AT_ONCE, say=said.append)
    seen: list[list[int]] = []

    def kill_the_child() -> None:
        seen.append([int(pid) for pid in (tmp_path / "pids").read_text().split()])
        psutil.Process(seen[0][1]).kill()
        seen.append([int(pid) for pid in (tmp_path / "pids").read_text().split()])  # waits for the second

    with beside(kill_the_child):
        supervisor.run()
    assert all(is_gone(pid) for pids in seen for pid in pids)
    assert said[0] == "the child process of code server ended; code server is stopped and started again"
    assert said[1] == "code server ended (signal SIGKILL); it is started again in 0.01 s"


def test_one_that_ends_again_and_again_is_named_and_leaves_nobody_behind(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    # Each start leaves an orphan behind and a line in the file.
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "open(sys.argv[1], 'a').write(f'{child.pid}\\n')\n"
        "sys.exit(7)"
    )
    failing = Service("daemon", [sys.executable, "-c", script, str(starts)])
    lasting = Service("console", [sys.executable, "-c", "import signal; signal.pause()"])
    supervisor = Supervisor([lasting, failing], environment=os.environ, policy=AT_ONCE)
    before = psutil.Process().children()  # another test's server may be among them
    with pytest.raises(
        GaveUpError, match=r"daemon ended 4 time\(s\) within 10 minutes \(last: exit status 7\)"
    ):
        supervisor.run()
    orphans = [int(line) for line in starts.read_text().splitlines()]
    assert len(orphans) == 4  # the first start, and three more
    assert all(is_gone(pid) for pid in orphans)
    assert psutil.Process().children() == before


def test_a_service_that_ends_before_it_was_ready_is_not_tried_again(tmp_path: Path) -> None:
    never = Service(
        "code server", [sys.executable, "-c", "import sys; sys.exit(3)"], ready=tmp_path / "ready"
    )
    later = Service("daemon", [sys.executable, "-c", f"open({str(tmp_path / 'began')!r}, 'w')"])
    with pytest.raises(GaveUpError, match="code server ended before it was ready"):
        Supervisor([never, later], environment=os.environ).run()
    assert not (tmp_path / "began").exists()


def test_the_next_one_starts_when_the_file_is_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pids")
    script = f"import signal; open({str(tmp_path / 'ready')!r}, 'w').close(); signal.pause()"
    first = Service("code server", [sys.executable, "-c", script], ready=tmp_path / "ready")
    (tmp_path / "ready").write_text("of a run before")
    second = Service("daemon", parent(tmp_path / "pids", "stays"))
    seen: list[str] = []

    def look() -> None:
        (tmp_path / "pids").read_text()
        seen.append((tmp_path / "ready").read_text())

    with beside(look):
        Supervisor([first, second], environment=os.environ).run()
    assert seen == [""]


def test_a_killed_keeper_is_replaced_and_knows_all_processes(tmp_path: Path) -> None:
    """The second keeper ends the processes, although they were started before it."""
    os.mkfifo(tmp_path / "pids")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "workspace.yaml").write_text("{}")
    command = [sys.executable, "-c", _SUPERVISED, str(tmp_path / "pids"), _PARENT, str(folder)]
    with psutil.Popen(command, stdout=subprocess.PIPE, text=True) as process, killed_at_last(process):
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        _keeper_of(process).kill()
        assert (
            process.stdout.readline() == "the clean-up process ended (signal SIGKILL) and was started again\n"
        )
        second = _keeper_of(process)
        process.kill()
        process.wait()
        psutil.wait_procs([second], timeout=60)
        assert all(is_gone(pid) for pid in pids)
        assert not folder.exists()


_SUPERVISED = """
import os, pathlib, sys
from whatsapp_pipeline.cli.supervisor import RestartPolicy, Service, Supervisor
child = Service("dagster", [sys.executable, "-c", sys.argv[2], sys.argv[1], "stays"])
sys.stdout.reconfigure(line_buffering=True)
folder, policy = pathlib.Path(sys.argv[3]), RestartPolicy(first_pause=0.01)
Supervisor([child], environment=os.environ, policy=policy, say=print, folder=folder).run()
"""


@contextlib.contextmanager
def killed_at_last(process: psutil.Process) -> Iterator[None]:
    """Kill the process when the test is over, so that nobody waits for it."""
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _keeper_of(process: psutil.Process) -> psutil.Process:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for one in process.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "whatsapp_pipeline.cli.process_keeper" in one.cmdline():
                    return one
        time.sleep(0.01)  # the command line of a process can be read only some moments after its start
    raise AssertionError("there is no keeper")


def test_what_is_no_process_of_its_own_is_looked_after() -> None:
    looked = threading.Event()
    lasting = Service("console", [sys.executable, "-c", "import signal; signal.pause()"])
    supervisor = Supervisor([lasting], environment=os.environ, on_check=looked.set)
    with beside(lambda: assert_happens(looked)):
        supervisor.run()


def assert_happens(event: threading.Event) -> None:
    assert event.wait(30)


def test_the_keeper_forgets_ids_that_ended() -> None:
    assert left_over(["11\n", "12\n", "-11\n", "13\n", "-99\n", "12"]) == [12, 13]

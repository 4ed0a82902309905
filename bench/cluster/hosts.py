"""Hosts on one machine, and the network between them.

What belongs here: making hosts, starting programs on them, killing, freezing and cutting them off. What does
not: which programs run there (servers.py, roles.py).

                     bridge, 10.77.0.1: this process
            ┌───────────────┼───────────────┐
        10.77.0.2       10.77.0.3       10.77.0.4 …        a network namespace each
        postgres        objects         worker1 …          a disk each, at the same path: <folder>/disk

A host does not see the disks of the others. Without namespaces every host is 127.0.0.1, its disk is a folder
of its own, and its network can't be cut.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.cluster.isolation import Isolation
from whatsapp_pipeline.settings import PROJECT_ROOT, Settings, file_variables, variable_of

BRIDGE_ADDRESS = "10.77.0.1"
LOOPBACK = "127.0.0.1"
_BRIDGE = "wpc0"
# Mounts the host's own disk where every host expects its disk, and hides the disks of the others.
_KEEPER = """
set -e
hostname "$1"
mount --bind "$2/hosts/$1" "$2/disk"
mount -t tmpfs -o size=1m none "$2/hosts"
ip link set lo up
echo ready
exec sleep infinity
"""


class ClusterError(Exception):
    """A program of the cluster ended, or did not do in time what it should."""


@dataclass(slots=True)
class HostProcess:
    """A program that was started on a host, with its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    """What asks it to end."""

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its group."""
        return self.popen.pid

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self.popen.poll() is None

    def children(self) -> list[psutil.Process]:
        """Return the processes that it started and that still run."""
        return psutil.Process(self.pid).children(recursive=True) if self.is_alive() else []

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """Kill it and all that it started with signal 9."""
        family = self.children()
        self.signal_group(signal.SIGKILL)
        for child in family:  # Dagster starts some in sessions of their own
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self.popen.wait()

    def tail(self, characters: int = 2000) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-characters:]


@dataclass(slots=True)
class ClusterHost:
    """One host: an address, a disk, and the programs that run on it."""

    name: str
    address: str
    disk: Path
    """Its disk as its own programs see it."""
    outside: Path
    """The same disk as this process sees it."""
    prefix: Sequence[str] = ()
    """The command that starts another one in the host's namespaces."""
    device: str | None = None
    """The bridge's end of its network cable; None without namespaces."""
    processes: list[HostProcess] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        cwd: Path = PROJECT_ROOT,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> HostProcess:
        """Start a program on this host; what it prints is in a log of this name."""
        log = self.outside / f"{name}.log"
        if log.exists():
            log.rename(self.outside / f"{name}.{len(self.processes)}.log")
        with log.open("wb") as out:
            popen = subprocess.Popen(
                # The host's own mounts begin at the root, so the folder is chosen there.
                [*self.prefix, "env", "-C", str(cwd), *command],
                env={**environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        process = HostProcess(name, popen, log, stop_signal)
        self.processes.append(process)
        return process

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        seconds: float = 600,
        on_line: Callable[[str], None] = lambda line: None,
    ) -> str:
        """Run a command on this host and return what it printed.

        `on_line` is called with each line as it comes. Raises ClusterError if the command fails, or is not
        done in time and was killed.
        """
        process = subprocess.Popen(
            [*self.prefix, "env", "-C", str(PROJECT_ROOT), *command],
            env={**environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        lines = []
        try:
            for line in process.stdout or ():
                lines.append(line)
                on_line(line.rstrip("\n"))
            ended = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        if ended:
            words = " ".join(Path(command[0]).name if at == 0 else one for at, one in enumerate(command))
            late = f", because it took more than {seconds:.0f} s" if ended == -signal.SIGKILL else ""
            raise ClusterError(f"`{words}` on {self.name} ended with {ended}{late}:\n{''.join(lines)}")
        return "".join(lines)

    def cut(self) -> None:
        """Pull the network cable."""
        self._set_cable("down")

    def mend(self) -> None:
        """Plug the network cable in again."""
        self._set_cable("up")

    def _set_cable(self, state: str) -> None:
        if self.device is None:
            raise ClusterError("without namespaces no network can be cut")
        _ip("link", "set", self.device, state)


@dataclass(slots=True)
class HostNetwork:
    """The hosts of one cluster."""

    isolation: Isolation
    hosts: dict[str, ClusterHost] = field(default_factory=dict)
    _keepers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The address at which the hosts see this process."""
        return BRIDGE_ADDRESS if self.isolation.namespaces else LOOPBACK

    def host(self, name: str) -> ClusterHost:
        """Return the host of this name; it is made if there is none."""
        if name not in self.hosts:
            outside = self.isolation.folder / "hosts" / name
            outside.mkdir(parents=True)
            make = self._in_namespaces if self.isolation.namespaces else _plain_host
            self.hosts[name] = make(name, outside)
        return self.hosts[name]

    def _in_namespaces(self, name: str, outside: Path) -> ClusterHost:
        folder = self.isolation.folder
        unshare = ["unshare", "--net", "--mount", "--uts", "--propagation", "private"]
        keeper = subprocess.Popen(
            [*unshare, "sh", "-c", _KEEPER, "sh", name, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self._keepers.append(keeper)
        assert keeper.stdout is not None
        if keeper.stdout.readline() != b"ready\n":
            raise ClusterError(f"the host {name} could not be made")
        number = len(self._keepers) + 1
        device, address = f"wpc{number}", f"10.77.0.{number}"
        prefix = ("nsenter", "--target", str(keeper.pid), "--net", "--mount", "--uts", "--")
        _ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", str(keeper.pid))
        _ip("link", "set", device, "master", _BRIDGE, "up")
        subprocess.run([*prefix, "ip", "addr", "add", f"{address}/24", "dev", "eth0"], check=True)
        subprocess.run([*prefix, "ip", "link", "set", "eth0", "up"], check=True)
        return ClusterHost(name, address, folder / "disk", outside, prefix, device)

    def processes(self) -> Iterator[HostProcess]:
        """Yield the programs of all hosts, in the order of their hosts."""
        for host in self.hosts.values():
            yield from host.processes

    def stop(self, names: Sequence[str], seconds: float) -> list[str]:
        """Ask the programs of these hosts to end; kill those that do not, and return their names."""
        running = [one for name in names for one in self.hosts[name].processes if one.is_alive()]
        families = {one.name: one.children() for one in running}
        for one in running:
            one.popen.send_signal(signal.SIGCONT)
            one.popen.send_signal(one.stop_signal)
        deadline = time.monotonic() + seconds
        killed = []
        for one in running:
            try:
                one.popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                killed.append(one.name)
                one.kill()
            for child in families[one.name]:
                with suppress(psutil.NoSuchProcess):
                    child.kill()  # what outlived the program that started it
        return killed

    def close(self) -> None:
        """Kill what still runs, and take the hosts away."""
        for one in self.processes():
            if one.is_alive():
                one.kill()
        for keeper in self._keepers:
            keeper.kill()
            keeper.wait()


def _plain_host(name: str, outside: Path) -> ClusterHost:
    return ClusterHost(name, LOOPBACK, outside, outside)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def host_network() -> Iterator[HostNetwork]:
    """Make the network of this process's hosts, and take it away with them after the block."""
    isolation = Isolation.of_this_process()
    (isolation.folder / "disk").mkdir(exist_ok=True)
    (isolation.folder / "hosts").mkdir(exist_ok=True)
    if isolation.namespaces:
        _ip("link", "set", "lo", "up")
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{BRIDGE_ADDRESS}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
    network = HostNetwork(isolation)
    try:
        yield network
    finally:
        network.close()
        if isolation.namespaces:
            _ip("link", "delete", _BRIDGE)


def blank_environment(disk: Path) -> dict[str, str]:
    """Return the variables of a new host: no setting of the person who runs this reaches it."""
    names = [*map(variable_of, Settings.model_fields), *file_variables()]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    own = {"HOME": str(disk), "TMPDIR": str(disk / "tmp"), "DAGSTER_DISABLE_TELEMETRY": "1"}
    return {**dict.fromkeys(names, ""), **kept, **own}


def await_that(what: Callable[[], bool], words: str, seconds: float, *programs: HostProcess) -> None:
    """Return when `what` is true; raises ClusterError after some seconds, or when a program ended."""
    deadline = time.monotonic() + seconds
    while not what():
        for program in programs:
            if not program.is_alive():
                raise ClusterError(f"{program.name} ended:\n{program.tail()}")
        if time.monotonic() > deadline:
            tails = "".join(f"\n--- {program.name}:\n{program.tail()}" for program in programs)
            raise ClusterError(f"after {seconds:.0f} s: {words}{tails}")
        time.sleep(0.2)  # polls other processes, which give no signal

"""A real object store for tests and benches: SeaweedFS, which speaks S3, as one process on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
from upath import UPath

from whatsapp_pipeline.archive.object_store import WritableStore

KEY, SECRET = "tester", "a-secret-of-the-tests"
BUCKET = "archive"
_START_SECONDS = 90


def weed() -> str | None:
    """Return the path of SeaweedFS's program; None if it or s3fs is not installed."""
    if find_spec("s3fs") is None:
        return None
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """A running store with one bucket."""

    port: int
    fs: Any

    def upload(self, root: Path, prefix: str) -> None:
        """Put every file below a folder into the bucket. A request that fails is retried, as a run's is.

        Raises StoreUnavailableError if the store does not take an object.
        """
        store = WritableStore(UPath(f"s3://{BUCKET}", **self.fs.storage_options))
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]

        def put(path: Path) -> None:
            store.write(f"{BUCKET}/{prefix}/{path.relative_to(root).as_posix()}", path.read_bytes())

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(put, files))

    def put(self, key: str, content: bytes) -> None:
        """Write one object."""
        self.fs.pipe_file(f"{BUCKET}/{key}", content)

    def delete(self, key: str) -> None:
        """Delete one object."""
        self.fs.rm_file(f"{BUCKET}/{key}")


def environment(port: int, address: str = "127.0.0.1") -> Mapping[str, str]:
    """Return the variables with which s3:// means the store at an address."""
    return {
        "AWS_ENDPOINT_URL": f"http://{address}:{port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def store_in_environment(port: int) -> Iterator[None]:
    """Let s3:// mean the store at `port` inside the block.

    A profile or a token of the tester's own would win or be mixed in, so all AWS_ variables are taken away.
    The storage library keeps a file system with the address of its first use, so kept ones are dropped.
    """
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment(port))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def store_command(folder: Path, ports: Sequence[int], address: str = "127.0.0.1") -> list[str]:
    """Return the command of a store that keeps its data in `folder` and answers at the fourth of 8 ports."""
    program = weed()
    assert program is not None, "SeaweedFS is not installed; run `make setup-dev`"
    users = {"name": "tester", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [users]}))
    data = folder / "data"
    data.mkdir(exist_ok=True)
    names = ("master.port", "volume.port", "filer.port", "s3.port")
    options = [f"-{name}={ports[at]}" for at, name in enumerate(names)]
    options += [f"-{name}.grpc={ports[4 + at]}" for at, name in enumerate(names)]
    command = [program, "-logtostderr=true", "server", f"-dir={data}", f"-ip={address}"]
    command += [f"-ip.bind={address}", *options, "-s3", f"-s3.config={config}"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    # About a minute after its start, the filer stores its own log, in up to 7 volumes. A bucket takes its
    # volumes from the same limit. With a low limit, a first object that comes later could not be stored.
    return [*command, "-volume.max=100", "-master.volumeSizeLimitMB=256"]


def open_object_server(port: int, address: str = "127.0.0.1") -> ObjectServer:
    """Return the store at an address, with its bucket made."""
    import s3fs

    fs = s3fs.S3FileSystem(
        key=KEY,
        secret=SECRET,
        endpoint_url=f"http://{address}:{port}",
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={"max_pool_connections": 32},
    )
    fs.makedirs(BUCKET, exist_ok=True)
    return ObjectServer(port, fs)


@contextmanager
def object_server(folder: Path) -> Iterator[ObjectServer]:
    """Run SeaweedFS with its data in `folder`, and make the bucket."""
    ports = free_ports(8)
    command = store_command(folder, ports)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)})
    try:
        await_store(ports[3], process, folder / "log")
        yield open_object_server(ports[3])
    finally:
        process.kill()  # it takes 15 seconds to stop on its own, and its data are thrown away
        process.wait()


def await_store(port: int, process: subprocess.Popen[bytes], log: Path, address: str = "127.0.0.1") -> None:
    """Return when the store answers; fail when it ends or needs too long."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{address}:{port}/", timeout=5)
        except urllib.error.HTTPError:
            return  # it answers, and wants a signature
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"SeaweedFS did not start: {log.read_text(errors='replace')[-2000:]}")


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]

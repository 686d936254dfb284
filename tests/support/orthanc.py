"""A real Orthanc with its DICOMweb plugin for tests, reachable on this machine's loopback only.

Orthanc has no bind-address option: it listens on 0.0.0.0. It is therefore started in a network namespace of its own
that has nothing but a loopback interface, and its port is carried out through a Unix socket to 127.0.0.1:

    test --TCP--> 127.0.0.1:random (this process) --Unix socket--> namespace --TCP--> Orthanc

Run as a script this file is the inner half: it brings the namespace's loopback up, starts Orthanc and forwards.
Use: ``with orthanc_server(folder) as server: DICOMwebClient(server.url, ...)``; or the pytest fixture `orthanc`
(``pytest_plugins`` or ``from orthanc import orthanc``). Skips, with the reason, where Orthanc is absent.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
INNER_PORT = 8042
START_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class OrthancServer:
    """A running Orthanc: `url` is its DICOMweb root, `root` its own REST API; basic authentication."""

    root: str
    user: str
    password: str

    @property
    def url(self) -> str:
        return f"{self.root}/dicom-web"


def why_not() -> str | None:
    """The reason why Orthanc cannot be started here; None where it can."""
    if _program() is None or not PLUGIN.exists():
        return "the Debian packages orthanc and orthanc-dicomweb are not installed"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare or ip is missing; Orthanc is only started in a network namespace of its own"
    if subprocess.run([*_namespace(), "true"], capture_output=True).returncode:
        return "this user may not make a network namespace, and Orthanc would listen on every interface without one"
    return None


@contextmanager
def orthanc_server(folder: Path, **settings: object) -> Iterator[OrthancServer]:
    """Start Orthanc with its storage in `folder`; `settings` are merged into its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    user, password = "wetread", "a-password-for-tests"
    configuration = {
        "Name": "wetread-tests",
        "HttpPort": INNER_PORT,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {user: password},
        "RemoteAccessAllowed": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    # A Unix socket's path is limited to about 100 bytes, so it does not go below pytest's long folders.
    with tempfile.TemporaryDirectory(prefix="orthanc-") as short, (folder / "orthanc.log").open("w") as log:
        socket = Path(short) / "s"
        inner = subprocess.Popen(
            [*_namespace(), sys.executable, __file__, str(socket), str(folder / "orthanc.json")],
            stdin=subprocess.PIPE,  # its end of file tells the inner half to stop
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            with _forwarded(socket) as port:
                _await_answer(port, inner, folder / "orthanc.log")
                yield OrthancServer(f"http://127.0.0.1:{port}", user, password)
        finally:
            assert inner.stdin is not None
            inner.stdin.close()
            try:
                inner.wait(timeout=20)
            except subprocess.TimeoutExpired:
                inner.kill()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """An empty Orthanc for one test module."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with orthanc_server(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


def _program() -> str | None:
    return shutil.which("Orthanc", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def _namespace() -> list[str]:
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]


def _await_answer(port: int, inner: subprocess.Popen[bytes], log: Path) -> None:
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if inner.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/system", timeout=5)
        except urllib.error.HTTPError:
            return  # 401: it is up and asks who we are
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"Orthanc did not start: {log.read_text()[-2000:]}")


@contextmanager
def _forwarded(socket: Path) -> Iterator[int]:
    """A loopback TCP port of this process that leads to a Unix socket; yields the port."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    ports: list[int] = []
    stop = asyncio.Event()

    async def outer() -> None:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async with _closing(writer):
                with suppress(OSError):
                    await _join(reader, writer, *await asyncio.open_unix_connection(str(socket)))

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await stop.wait()
        server.close()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(outer(),), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    other_reader: asyncio.StreamReader,
    other_writer: asyncio.StreamWriter,
) -> None:
    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()
            sink.write_eof()

    async with _closing(other_writer):
        await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()


async def _inner(socket: str, configuration: str) -> None:
    """Inside the namespace: Orthanc, and a Unix socket that leads to its port; ends with standard input."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            with suppress(OSError):
                await _join(reader, writer, *await asyncio.open_connection("127.0.0.1", INNER_PORT))

    program = _program()
    assert program is not None
    orthanc = await asyncio.create_subprocess_exec(program, configuration, stdin=asyncio.subprocess.DEVNULL)
    server = await asyncio.start_unix_server(carry, socket)
    parent = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
    done = asyncio.create_task(orthanc.wait())
    await asyncio.wait([parent, done], return_when=asyncio.FIRST_COMPLETED)
    server.close()
    if orthanc.returncode is None:
        orthanc.terminate()
        await orthanc.wait()
    # A thread still blocked on standard input would keep the interpreter; everything is already shut down.
    os._exit(orthanc.returncode or 0)


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(_inner(sys.argv[1], sys.argv[2]))

"""The lab's world: the wire between the hosts, the gateway, the outside, and the hosts themselves.

One process for a lab. It owns the network namespaces of the wire and of the outside, serves DNS and HTTP
there, starts a daemon for each host and starts it again when the host reboots. The hosts end with it.

Addresses: hosts 192.0.2.11 and up on the wire, the gateway 192.0.2.1, and beyond it
``outside.example`` 198.51.100.80, which has no route to anything behind the wire.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from illumos_lab import protocol
from illumos_lab.files import CONTROL_SOCKET, PRISTINE, REBOOT_STATUS, WORLD_SOCKET, LabFiles
from illumos_lab.linux import disk, syscalls
from illumos_lab.linux.netns import Netns
from illumos_lab.linux.network import BRIDGE_OPTIONS, STACK_SYSCTLS
from illumos_lab.linux.runtime import in_user_namespace
from illumos_lab.processes import wait_or_end
from illumos_lab.protocol import Caller, LabError, Message

_log = logging.getLogger(__name__)

OUTSIDE_NAME = "outside.example"
OUTSIDE_ADDRESS = "198.51.100.80"
_GATEWAY = "192.0.2.1/24"
_GATEWAY_OUTSIDE = "198.51.100.1"
_STOP_SECONDS = 5.0


@dataclass
class _HostProcess:
    """A host that is switched on."""

    process: subprocess.Popen[bytes]
    stopping: bool = False

    def end(self) -> None:
        """Wait until it has ended by itself, but not for ever."""
        try:
            self.process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class World:
    """A running lab.

    Args:
        directory: the lab's directory.
        passing: the lab's files are not wanted after its end.
    """

    def __init__(self, directory: Path, *, passing: bool = False) -> None:
        self._files = LabFiles(directory)
        self._passing = passing
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._hosts: dict[str, _HostProcess] = {}
        self._prepared: set[str] = set()
        self._lock = threading.Lock()
        # Nobody writes there: its far end is at its end when this process has gone.
        self._lifeline, self._held_end = os.pipe()
        self._wire = Netns.create()
        self._outside = Netns.create()
        self._make_network()
        _serve_http(self._outside)
        _serve_dns(self._outside)

    def _make_network(self) -> None:
        for netns in (self._wire, self._outside):
            netns.sysctl(STACK_SYSCTLS)
        self._wire.ip(
            "link set lo up",
            f"link add wire0 type bridge {BRIDGE_OPTIONS}",
            f"addr add {_GATEWAY} broadcast + dev wire0",
            "link set wire0 up",
            f"link add outside index 10 type veth peer name net0 index 11 netns {self._outside.path}",
            f"addr add {_GATEWAY_OUTSIDE}/24 broadcast + dev outside",
            "link set outside up",
        )
        self._wire.sysctl({"ipv4/ip_forward": "1"})
        self._outside.ip(
            "link set lo up",
            f"addr add {OUTSIDE_ADDRESS}/24 broadcast + dev net0",
            "link set net0 up",
            f"route add default via {_GATEWAY_OUTSIDE}",
        )

    # The main thread -----------------------------------------------------------------------------
    def run(self) -> None:
        """Work until told to stop. Called by the main thread.

        Hosts are started here and nowhere else: a child asks to die with the thread that made it.
        """
        while (job := self._jobs.get()) is not None:
            work, future = job
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
        self._stop_hosts()

    def stop(self) -> None:
        """Make `run` return; may be called from any thread or a signal handler."""
        self._jobs.put(None)

    def _in_main(self, work: Callable[[], Any]) -> Any:
        future: Future[Any] = Future()
        self._jobs.put((work, future))
        return future.result()

    # Requests ------------------------------------------------------------------------------------
    def handle(self, message: Message, caller: Caller) -> Message:
        """Answer a request on the lab's control socket."""
        match message.get("op"):
            case "up":
                self._up(message)
                return {}
            case "status":
                return {"hosts": self._status()}
            case "reboot":
                self._reboot(message["host"])
                return {}
            case "outside":
                return self._run_outside(message, caller)
            case "down":
                self.stop()
                return {}
            case other:
                raise LabError(f"the lab does not know the request {other!r}")

    def _status(self) -> list[Message]:
        hosts = self._files.load()["hosts"]
        return [{"name": name, "running": name in self._hosts, **config} for name, config in hosts.items()]

    def _up(self, message: Message) -> None:
        wanted = self._files.declare_hosts(message["hosts"], message["profile"], message["time_scale"])
        missing = [name for name in wanted if name not in self._hosts]
        readers = [self._in_main(partial(self._power_on, name)) for name in missing]
        for name, reader in zip(missing, readers, strict=True):
            self._await_host(name, reader)

    def _reboot(self, name: str) -> None:
        host = self._hosts.get(name)
        if host is None:
            raise LabError(f"host {name} is not running")
        host.stopping = True
        with contextlib.suppress(OSError, LabError):
            protocol.request(self._files.host(name) / CONTROL_SOCKET, {"op": "stop"})
        host.end()
        with self._lock:
            self._hosts.pop(name, None)
        self._await_host(name, self._in_main(partial(self._power_on, name)))

    def _power_on(self, name: str) -> int:
        """Start a host's daemon; the file that it will report through."""
        directory = self._files.host(name)
        directory.mkdir(parents=True, exist_ok=True)
        if name not in self._prepared:
            _prepare_storage(directory, self._passing)
            self._prepared.add(name)
        ready, writer = os.pipe()
        with (directory / "log").open("ab") as log:
            process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *(sys.executable, "-m", "illumos_lab.daemon", str(self._files.directory)),
                    *(name, str(self._wire.fd), str(writer), str(self._lifeline)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self._wire.fd, writer, self._lifeline),
                start_new_session=True,
            )
        os.close(writer)
        host = _HostProcess(process)
        with self._lock:
            self._hosts[name] = host
        threading.Thread(target=self._watch, args=(name, host), daemon=True).start()
        return ready

    def _await_host(self, name: str, reader: int) -> None:
        with os.fdopen(reader) as file:
            line = file.readline()
        answer: Message = {"error": f"host {name} did not start"}
        if line:
            answer = json.loads(line)
        if "error" in answer:
            log = self._files.host(name) / "log"
            raise LabError(f"{answer['error']} (see {log})")
        self._files.host_started(name, answer["port"], answer["host_key"])

    def _watch(self, name: str, host: _HostProcess) -> None:
        status = host.process.wait()
        with self._lock:
            if host.stopping or self._hosts.get(name) is not host:
                return
            del self._hosts[name]
        if status == REBOOT_STATUS:
            with contextlib.suppress(LabError):
                self._await_host(name, self._in_main(partial(self._power_on, name)))

    def _run_outside(self, message: Message, caller: Caller) -> Message:
        if len(caller.fds) != 3:
            raise LabError("outside needs three files")
        stdin, stdout, stderr = caller.fds
        argv = message["argv"]
        try:
            process = self._outside.call(
                lambda: subprocess.Popen(
                    argv,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=message["cwd"],
                    env=message["env"],
                    start_new_session=True,
                )
            )
        except OSError as error:
            raise LabError(f"{argv[0]}: {error.strerror}") from error
        return {"status": wait_or_end(process, caller.fileno())}

    def _stop_hosts(self) -> None:
        with self._lock:
            hosts = dict(self._hosts)
            for host in hosts.values():
                host.stopping = True
        for host in hosts.values():
            host.process.terminate()
        for host in hosts.values():
            host.end()
        for name in self._prepared:
            disk.unmount(self._files.host(name))


def _prepare_storage(directory: Path, passing: bool) -> None:
    """Keep a host's files in memory until ``down`` where that is better or cannot be helped.

    It is better for a lab that is removed at its end: its disk can be made to be full. It cannot be helped
    where the directory cannot hold layers of overlays, as in most containers, whose own root is an overlay.
    """
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", directory], capture_output=True, text=True
    ).stdout.strip()
    if kind == "overlayfs":
        _log.warning("%s is on an overlay: the state of the host is kept in memory", directory)
    # In a user namespace older kernels give memory no extended attributes, which overlays need.
    elif not passing or in_user_namespace():
        return
    (directory / PRISTINE).unlink(missing_ok=True)
    disk.mount(directory)


# The outside -------------------------------------------------------------------------------------


def _serve_http(netns: Netns) -> None:
    """Tell every client, in plain text, the address that its connection comes from."""
    server = netns.call(lambda: socket.create_server((OUTSIDE_ADDRESS, 80), backlog=128))

    def answer(connection: socket.socket, address: str) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            request = b""
            while b"\r\n\r\n" not in request and (data := connection.recv(65536)):
                request += data
            body = "" if request.startswith(b"HEAD ") else f"{address}\n"
            connection.sendall(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                f"Content-Length: {len(address) + 1}\r\n\r\n{body}".encode()
            )

    def loop() -> None:
        while True:
            connection, peer = server.accept()
            threading.Thread(target=answer, args=(connection, peer[0]), daemon=True).start()

    threading.Thread(target=loop, name="http", daemon=True).start()


def _serve_dns(netns: Netns) -> None:
    """Answer for ``outside.example``; no other name exists."""
    server = netns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    server.bind((OUTSIDE_ADDRESS, 53))

    def loop() -> None:
        while True:
            query, peer = server.recvfrom(4096)
            with contextlib.suppress(OSError, ValueError, struct.error, IndexError):
                server.sendto(dns_answer(query), peer)

    threading.Thread(target=loop, name="dns", daemon=True).start()


def dns_answer(query: bytes) -> bytes:
    """The answer of the outside's name server to a query (RFC 1035).

    Raises:
        ValueError, struct.error, IndexError: it is not a query.
    """
    identifier, flags, questions = struct.unpack("!HHH", query[:6])
    if flags & 0x8000 or questions != 1:
        raise ValueError("not a query")
    labels = []
    at = 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]])
        at += 1 + query[at]
    kind, _ = struct.unpack("!HH", query[at + 1 : at + 5])
    question = query[12 : at + 5]
    name = b".".join(labels).decode("ascii", "replace").lower()
    known = name == OUTSIDE_NAME
    records = b""
    if known and kind in (1, 255):
        address = socket.inet_aton(OUTSIDE_ADDRESS)
        records = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + address
    code = 0 if known else 3
    # Response, authoritative, recursion desired as asked and available.
    header = 0x8400 | (flags & 0x0100) | 0x0080 | code
    return struct.pack("!HHHHHH", identifier, header, 1, 1 if records else 0, 0, 0) + question + records


# Process -----------------------------------------------------------------------------------------


def main() -> None:
    """Entry point: ``python -m illumos_lab.world LABDIR READY_FD [--lifeline FD] [--remove]``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("ready", type=int)
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--remove", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    directory: Path = options.directory
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    os.set_inheritable(options.ready, False)
    with os.fdopen(options.ready, "w") as ready:
        try:
            world = World(directory, passing=options.remove)
            LabFiles(directory).make_user_key()
            protocol.serve(protocol.listen(directory / WORLD_SOCKET), world.handle)
        except Exception as error:
            _log.exception("the lab does not start")
            ready.write(json.dumps({"error": str(error)}) + "\n")
            sys.exit(1)
        ready.write("{}\n")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: world.stop())
    if options.lifeline is not None:
        os.set_inheritable(options.lifeline, False)
        threading.Thread(target=_stop_at_end_of_file, args=(options.lifeline, world), daemon=True).start()
    try:
        world.run()
        (directory / WORLD_SOCKET).unlink(missing_ok=True)
        if options.remove:
            shutil.rmtree(directory, ignore_errors=True)
    except Exception:
        _log.exception("the lab has come to grief")
    finally:
        # Whatever its threads still do: the hosts end with this process.
        logging.shutdown()
        os._exit(0)


def _stop_at_end_of_file(fd: int, world: World) -> None:
    with contextlib.suppress(OSError):
        while os.read(fd, 1):
            continue
    world.stop()


if __name__ == "__main__":
    main()

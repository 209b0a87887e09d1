"""The process that is one emulated host: it holds the state and answers its commands.

Started by the lab's world process, which see. Its mounts, network namespaces and the processes of its
zones end with it, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import queue
import resource
import signal
import subprocess
import threading
import time
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, NoReturn

from illumos_lab import dump, guests, protocol, smf
from illumos_lab.commandserver import CommandServer
from illumos_lab.conffile import default
from illumos_lab.console import Consoles
from illumos_lab.datasets import Datasets
from illumos_lab.faults import Faults
from illumos_lab.files import CONTROL_SOCKET, PRISTINE, REBOOT_STATUS, LabFiles
from illumos_lab.host import Host
from illumos_lab.ip import IpStack
from illumos_lab.ip.conf import IpadmConf
from illumos_lab.ip.model import STATIC, Address
from illumos_lab.journal import Journal
from illumos_lab.links import LinkTable
from illumos_lab.linux import LinuxKernel, LinuxRuntime, syscalls
from illumos_lab.linux.disk import Disk
from illumos_lab.linux.netns import Netns
from illumos_lab.packages import Packages
from illumos_lab.processes import wait_or_end
from illumos_lab.profile import PROFILES
from illumos_lab.protocol import Caller, LabError, Message
from illumos_lab.ssh_server import SshServer
from illumos_lab.weather import Weather
from illumos_lab.zones import Zones

_log = logging.getLogger(__name__)

PHYSICAL_LINK = "e1000g0"
_BOOT_SECONDS = 15.0
_DESCRIPTORS = 65536


class Daemon:
    """One host, from power-on to power-off.

    Args:
        directory: the host's directory.
        name: host name.
        config: its entry in lab.json: profile, number, port, time_scale.
        wire: the lab's wire.
        user_key: public key that may log in.
    """

    def __init__(
        self, directory: Path, name: str, config: dict[str, Any], wire: Netns, user_key: str
    ) -> None:
        self._directory = directory
        self._ends: queue.SimpleQueue[str] = queue.SimpleQueue()
        profile = PROFILES[config["profile"]]
        number = int(config["number"])
        self._number = number
        self._address = f"192.0.2.{number}/24"
        self._port = int(config["port"])
        self.journal = Journal(directory / "journal.jsonl")
        faults = Faults()
        self._kernel = LinuxKernel(wire, number)
        self._runtime = LinuxRuntime(
            self._kernel,
            profile,
            directory,
            name,
            zone_started=self._zone_started,
            zone_stopped=self._zone_stopped,
        )
        host = self.host = Host()
        host.name = name
        host.profile = profile
        host.root = self._runtime.root
        host.kernel = self._kernel
        host.runtime = self._runtime
        host.lock = threading.RLock()
        host.stacks = {}
        host.time_scale = float(config["time_scale"])
        host.power = self._ends.put
        host.consoles = Consoles(host)
        self.ssh = SshServer(
            self._runtime,
            self._kernel,
            faults,
            self.journal,
            profile.search_path,
            user_key,
            directory / "ssh_host_ed25519_key",
        )
        host.sshd = self.ssh
        self._commands = CommandServer(host, self._runtime, self.ssh, faults, self.journal)
        self.weather = Weather(host, faults, self.ssh, Disk(directory))

    def _zone_started(self, zone: str, root: Path) -> None:
        self._commands.open_zone(zone, root)

    def _zone_stopped(self, zone: str) -> None:
        self.ssh.end(zone)
        self._commands.close_zone(zone)

    # Boot ----------------------------------------------------------------------------------------
    def boot(self) -> int:
        """Power the host on; the port of its SSH server. Called by the main thread."""
        pristine = self._directory / PRISTINE
        first = not pristine.exists()
        mac = f"8:0:27:0:0:{self._number:x}"
        self._kernel.create_physical(PHYSICAL_LINK, mac, 1500)
        self._runtime.boot(self._address)
        self._load_subsystems(mac, first)
        self._await_service("svc:/network/ssh:default")
        port = self.ssh.start(self._port)
        if first:
            dump.record_pristine(self._directory, pristine)
        return port

    def _load_subsystems(self, mac: str, first: bool) -> None:
        host = self.host
        host.datasets = Datasets(host)
        host.packages = Packages(host)
        host.links = LinkTable(host)
        host.stacks["global"] = IpStack(host, "global")
        host.zones = Zones(host)
        host.smf = smf.Smf(host)
        host.datasets.boot()
        host.packages.boot()
        host.links.add_physical(PHYSICAL_LINK, mac, 1500)
        host.links.boot()
        if first:
            self._configure_physical_link()
        host.smf.start("global")

    def _await_service(self, fmri: str) -> None:
        """Wait until a service of the global zone is up; a host must come up without it, too."""
        deadline = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(smf.NoRepositoryError, KeyError):
                if self.host.smf.state("global", fmri) in ("online", "maintenance"):
                    return
            time.sleep(0.01)
        _log.warning("%s is not online after %s s", fmri, _BOOT_SECONDS)

    def _configure_physical_link(self) -> None:
        """What the installer leaves in ipadm's configuration."""
        conf = IpadmConf.load(self.host.root)
        conf.interfaces.append(PHYSICAL_LINK)
        address = ip_interface(self._address)
        conf.addresses.append(
            Address(PHYSICAL_LINK, "v4", STATIC, address, persistent=True, text=self._address)
        )
        conf.write()

    # Requests ------------------------------------------------------------------------------------
    def handle(self, message: Message, caller: Caller) -> Message:
        """Answer a request on the control socket."""
        match message.get("op"):
            case "dump":
                return {"dump": dump.collect(self.host, self._runtime, self._directory)}
            case "journal":
                if message.get("clear"):
                    self.journal.clear()
                return {"journal": self.journal.as_json()}
            case "fault":
                return {"faults": self.weather.change(message)}
            case "exec":
                return self._exec(message, caller)
            case "stop":
                self._ends.put("off")
                return {}
            case other:
                raise LabError(f"the host does not know the request {other!r}")

    def _exec(self, message: Message, caller: Caller) -> Message:
        """Run a program as root in the global zone, or in a guest, with the caller's own files."""
        if len(caller.fds) != 3:
            raise LabError("exec needs three files")
        guest = message.get("guest", "")
        if guest and not guests.is_guest(self.host, guest):
            raise LabError(f"zone {guest} runs no virtual machine")
        env = {
            "HOME": "/root",
            "LOGNAME": "root",
            "PATH": self.host.profile.search_path,
            "SHELL": "/usr/bin/bash",
            "TZ": default(self.host.path("global", "/etc/default/init"), "TZ") or "UTC",
            "USER": "root",
            **({"PATH": guests.SEARCH_PATH, "SHELL": "/bin/bash"} if guest else {}),
            **message.get("env", {}),
        }
        argv = message["argv"]
        try:
            process = self._runtime.popen(
                guest or "global",
                argv,
                env=env,
                cwd=message.get("cwd", "/root"),
                stdin=caller.fds[0],
                stdout=caller.fds[1],
                stderr=caller.fds[2],
            )
        except OSError as error:
            os.write(caller.fds[2], f"illumos-lab: {argv[0]}: {error.strerror}\n".encode())
            return {"status": 127 if isinstance(error, FileNotFoundError) else 126}
        self.ssh.add_channel(process.pid, None)
        return {"status": wait_or_end(process, caller.fileno())}

    # End -----------------------------------------------------------------------------------------
    def wait(self) -> str:
        """Until the power is switched: ``off`` or ``reboot``. Called by the main thread."""
        return self._ends.get()

    def halt(self) -> None:
        """End every process of the host."""
        self._runtime.halt()

    def stop_on_signal(self, number: int, frame: object) -> None:
        """Signal handler: power off."""
        self._ends.put("off")


def main() -> NoReturn:
    """Entry point: ``python -m illumos_lab.daemon LABDIR HOST WIRE_FD READY_FD LIFELINE_FD``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lab", type=Path)
    parser.add_argument("name")
    for descriptor in ("wire", "ready", "lifeline"):
        parser.add_argument(descriptor, type=int)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    for descriptor in (options.wire, options.ready, options.lifeline):
        os.set_inheritable(descriptor, False)
    status = 1
    try:
        status = _live(options)
    except Exception:
        _log.exception("the host has come to grief")
    finally:
        logging.shutdown()
        # Threads may still wait for their callers: nothing that they could write is wanted any more. The
        # host's processes end with this one.
        os._exit(status)


def _live(options: argparse.Namespace) -> int:
    """From power-on to power-off; the exit status."""
    # Each running zone takes a handful of descriptors, for namespaces and sockets.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))
    threading.Thread(target=_end_with_world, args=(options.lifeline,), daemon=True).start()
    with os.fdopen(options.ready, "w") as ready:
        try:
            daemon, answer = _start(options.lab, options.name, options.wire)
        except Exception as error:
            _log.exception("boot failed")
            ready.write(json.dumps({"error": f"{options.name}: {_reason(error)}"}) + "\n")
            return 1
        ready.write(json.dumps(answer) + "\n")
    action = daemon.wait()
    _log.info("power: %s", action)
    daemon.halt()
    return REBOOT_STATUS if action == "reboot" else 0


def _end_with_world(lifeline: int) -> None:
    """End this process when the world has ended, in whatever way, whatever this one is doing."""
    with contextlib.suppress(OSError):
        while os.read(lifeline, 1):
            continue
    os._exit(1)


def _start(lab: Path, name: str, wire: int) -> tuple[Daemon, Message]:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    files = LabFiles(lab)
    config = files.load()["hosts"][name]
    user_key = files.user_key.with_suffix(".pub").read_text()
    directory = files.host(name)
    daemon = Daemon(directory, name, config, Netns(wire), user_key)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, daemon.stop_on_signal)
    port = daemon.boot()
    protocol.serve(protocol.listen(directory / CONTROL_SOCKET), daemon.handle)
    return daemon, {"port": port, "host_key": daemon.ssh.public_host_key}


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{where}"
    if isinstance(error, subprocess.SubprocessError):
        return str(error)
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()

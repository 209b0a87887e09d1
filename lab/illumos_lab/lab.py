"""Start, use and stop a lab from outside: what the command line and the tests share."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from illumos_lab import protocol
from illumos_lab.files import CONTROL_SOCKET, WORLD_SOCKET, LabFiles
from illumos_lab.protocol import LabError, Message

# Program that must be on this machine: the Debian package that brings it.
_PROGRAMS = {
    "ip": "iproute2",
    "nft": "nftables",
    "/usr/sbin/dnsmasq": "dnsmasq-base",
    "/usr/bin/ksh93": "ksh93u+m",
    "/usr/bin/python3": "python3-minimal",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
_DOWN_SECONDS = 30.0
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def default_directory() -> Path:
    """Where a lab lives unless its user says otherwise."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "illumos-lab"


def check_machine() -> None:
    """Make sure that a lab can run here.

    Raises:
        LabError: a program is missing, or the kernel lets us have no namespaces.
    """
    missing = {package for program, package in _PROGRAMS.items() if _find_program(program) is None}
    if missing:
        raise LabError(
            f"this machine lacks programs that the lab needs: apt install {' '.join(sorted(missing))}"
        )
    if os.geteuid() != 0 and not _user_namespaces():
        raise LabError(
            "the lab needs root, or a kernel that gives unprivileged users namespaces"
            " (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces,"
            " kernel.apparmor_restrict_unprivileged_userns)"
        )


def _find_program(program: str) -> str | None:
    return shutil.which(program, path=_SYSTEM_PATH + ":" + os.environ.get("PATH", ""))


def _user_namespaces() -> bool:
    probe = ["unshare", "--user", "--map-root-user", "--net", "true"]
    return subprocess.run(probe, capture_output=True).returncode == 0


def _enter_user_namespace() -> list[str]:
    """What a command line must begin with to be root in a user namespace; nothing for root."""
    if os.geteuid() == 0:
        return []
    command = ["unshare", "--user", "--map-root-user"]
    # With newuidmap the hosts can have users; without, everything in them is root.
    if (
        shutil.which("newuidmap")
        and subprocess.run([*command, "--map-auto", "true"], capture_output=True).returncode == 0
    ):
        command.append("--map-auto")
    return command


class Lab:
    """A lab that runs.

    Attributes:
        files: its files.
    """

    def __init__(self, directory: Path) -> None:
        self.files = LabFiles(directory.absolute())
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None

    # Life ----------------------------------------------------------------------------------------
    @property
    def running(self) -> bool:
        """Whether the lab's world answers."""
        try:
            self._ask({"op": "status"})
        except (OSError, LabError):
            return False
        return True

    def start(self, *, tied: bool = False, remove: bool = False) -> None:
        """Start the lab's world unless it runs.

        Args:
            tied: it ends with this process, however this process ends.
            remove: it removes its directory at its end.

        Raises:
            LabError: it cannot start here.
        """
        if self.running:
            return
        check_machine()
        directory = self.files.directory
        if set(str(directory)) & set(",:\\"):
            raise LabError(f"{directory}: the kernel cannot take a comma, colon or backslash here")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        ready, writer = os.pipe()
        command = [*_enter_user_namespace(), sys.executable, "-m", "illumos_lab.world"]
        command += [str(directory), str(writer)]
        fds = [writer]
        lifeline: int | None = None
        if tied:
            lifeline, self._lifeline = os.pipe()
            fds.append(lifeline)
            command += ["--lifeline", str(lifeline)]
        if remove:
            command.append("--remove")
        path = os.environ.get("PATH", "")
        with (directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=fds,
                env={**os.environ, "PATH": f"{_SYSTEM_PATH}:{path}"},
                cwd="/",
                start_new_session=True,
            )
        for fd in fds:
            os.close(fd)
        with os.fdopen(ready) as file:
            line = file.readline()
        answer = json.loads(line) if line else {"error": "the lab did not start"}
        if "error" in answer:
            raise LabError(f"{answer['error']} (see {directory / 'log'})")

    def up(
        self,
        hosts: Sequence[str] = (),
        *,
        profile: str | None = None,
        time_scale: float | None = None,
    ) -> None:
        """Switch hosts on, new ones and known ones (see `LabFiles.declare_hosts`)."""
        self._ask({"op": "up", "hosts": list(hosts), "profile": profile, "time_scale": time_scale})

    def down(self) -> None:
        """Switch everything off and wait until it is."""
        try:
            self._ask({"op": "down"})
        except LabError:
            pass  # it was so quick that it did not answer any more
        except OSError:
            if self._process is None:
                return
            # It has ended already, or is not yet listening.
            self._process.terminate()
        finally:
            self._cut_lifeline()
        self._wait_for_end()

    def _cut_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _wait_for_end(self) -> None:
        if self._process is None:
            while self.running:
                time.sleep(0.02)
            return
        try:
            self._process.wait(_DOWN_SECONDS)
        except subprocess.TimeoutExpired:
            # Its hosts end with it.
            self._process.kill()
            self._process.wait()
        self._process = None

    # Use -----------------------------------------------------------------------------------------
    def _ask(self, message: Message, fds: Sequence[int] = ()) -> Message:
        return protocol.request(self.files.directory / WORLD_SOCKET, message, fds)

    def ask_host(self, host: str, message: Message, fds: Sequence[int] = ()) -> Message:
        """Send a request to a host's daemon.

        Raises:
            LabError: the host is unknown or off, or refuses.
        """
        try:
            return protocol.request(self.files.host(host) / CONTROL_SOCKET, message, fds)
        except OSError:
            known = ", ".join(self.files.load()["hosts"]) or "none"
            raise LabError(f"host {host} does not run (hosts of this lab: {known})") from None

    def status(self) -> list[Message]:
        """Every host with ``name``, ``running``, ``profile``, ``number``, ``port``.

        Raises:
            LabError: the lab does not run.
        """
        try:
            hosts: list[Message] = self._ask({"op": "status"})["hosts"]
        except OSError:
            raise LabError(f"no lab runs in {self.files.directory}") from None
        return hosts

    def reboot(self, host: str) -> None:
        """Switch a host off and on, and wait until it answers."""
        self._ask({"op": "reboot", "host": host})

    def execute(
        self,
        host: str,
        argv: Sequence[str],
        fds: tuple[int, int, int] = (0, 1, 2),
        env: dict[str, str] | None = None,
        guest: str = "",
    ) -> int:
        """Run a program as root in a host's global zone with files of ours; its exit status.

        With ``guest`` it runs in the virtual machine of that zone. It is ended when this process goes away.
        """
        message = {"op": "exec", "argv": list(argv), "env": env or {}, "guest": guest}
        return _exit_status(self.ask_host(host, message, fds))

    def outside(self, argv: Sequence[str], fds: tuple[int, int, int] = (0, 1, 2)) -> int:
        """Run a program of this machine in the outside world; its exit status."""
        message = {
            "op": "outside",
            "argv": list(argv),
            "cwd": str(Path.cwd()),
            "env": dict(os.environ),
        }
        return _exit_status(self._ask(message, fds))

    def dump(self, host: str) -> dict[str, Any]:
        """Everything that exists on a host (see `illumos_lab.dump`)."""
        result: dict[str, Any] = self.ask_host(host, {"op": "dump"})["dump"]
        return result

    def journal(self, host: str, *, clear: bool = False) -> dict[str, Any]:
        """What ran on a host (see `illumos_lab.journal`); ``clear`` empties it first."""
        result: dict[str, Any] = self.ask_host(host, {"op": "journal", "clear": clear})["journal"]
        return result

    def fault(self, host: str, **changes: Any) -> dict[str, Any]:
        """Change the weather of a host; what is set then (see `illumos_lab.weather.Weather.change`)."""
        result: dict[str, Any] = self.ask_host(host, {"op": "fault", **changes})["faults"]
        return result

    def ssh_command(self, host: str, words: Sequence[str] = ()) -> list[str]:
        """The command line of ssh(1) for a host."""
        return ["ssh", "-F", str(self.files.ssh_config), host, *words]


def _exit_status(answer: Message) -> int:
    status = int(answer["status"])
    return status if status >= 0 else 128 - status


def terminate_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into an ordinary exit, so that clean-up runs."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)

"""Labs for tests.

with Lab.start(profile="omnios", time_scale=0) as lab:
    assert lab.host.run("dladm show-link").stdout
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from illumos_lab import cloud_init, iso9660
from illumos_lab import lab as labs
from illumos_lab.cli import copy_in


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    def check(self) -> Result:
        """This result, if the status is 0.

        Raises:
            AssertionError: it is not.
        """
        assert self.status == 0, f"status {self.status}\n{self.stdout}{self.stderr}"
        return self


class Host:
    """One host of a lab that runs.

    Attributes:
        name: host name.
    """

    def __init__(self, lab: labs.Lab, name: str) -> None:
        self._lab = lab
        self.name = name

    @property
    def ssh_config(self) -> Path:
        """File for ``ssh -F``, in which the host stands under its name."""
        return self._lab.files.ssh_config

    @property
    def root(self) -> Path:
        """The host's directory on this machine: logs, keys, changed files."""
        return self._lab.files.host(self.name)

    def run(
        self,
        command: str | Sequence[str],
        *,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command as root in the global zone, not over SSH.

        Args:
            command: a line for /usr/bin/sh, or program and arguments.
            input: its standard input.
            env: further environment variables.
        """
        return self._execute(command, input, env)

    def guest(self, zone: str) -> Guest:
        """The guest of a zone that runs a virtual machine."""
        return Guest(self, zone)

    def _execute(
        self,
        command: str | Sequence[str],
        input: str,
        env: Mapping[str, str] | None,
        guest: str = "",
    ) -> Result:
        argv = ["/usr/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        with (
            tempfile.TemporaryFile() as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            stdin.write(input.encode())
            stdin.seek(0)
            fds = (stdin.fileno(), stdout.fileno(), stderr.fileno())
            status = self._lab.execute(self.name, argv, fds, dict(env or {}), guest)
            stdout.seek(0)
            stderr.seek(0)
            return Result(
                status,
                stdout.read().decode(errors="replace"),
                stderr.read().decode(errors="replace"),
            )

    def ssh(self, command: str, *, user: str = "root", input: str = "") -> Result:
        """Run a command line over SSH with ssh(1)."""
        done = subprocess.run(
            ["ssh", "-F", str(self.ssh_config), "-l", user, self.name, command],
            input=input.encode(),
            capture_output=True,
        )
        return Result(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    def copy(self, source: Path, target: str) -> None:
        """Copy a file or directory of this machine into the host."""
        copy_in(self._lab, self.name, source, target)

    def dump(self) -> dict[str, Any]:
        """Everything that exists on the host (see `illumos_lab.dump`)."""
        return self._lab.dump(self.name)

    def journal(self, *, clear: bool = False) -> dict[str, Any]:
        """What ran on the host (see `illumos_lab.journal`)."""
        return self._lab.journal(self.name, clear=clear)

    def fault(self, pattern: str, **effects: Any) -> None:
        """Make commands fail (see `illumos_lab.faults.Fault` for the effects)."""
        self._lab.fault(self.name, fault={"pattern": pattern, **effects})

    def login(self, **effects: Any) -> None:
        """Change the line to sshd, its limits and how logins look (see `illumos_lab.faults.Login`)."""
        self._lab.fault(self.name, login=effects)

    def hold_lock(self, zone: str, seconds: float) -> None:
        """Hold the lock of a zone, for which a zoneadm that changes the zone has to wait."""
        self._lab.fault(self.name, lock={"zone": zone, "seconds": seconds})

    def new_host_key(self) -> str:
        """Show a new host key, which it gives, to who connects from now on; known_hosts keeps the old."""
        key: str = self._lab.fault(self.name, new_host_key=True)["new_host_key"]
        return key

    def disk_free(self, size: int) -> None:
        """Leave so many bytes free on the disk; 0 makes it full.

        Raises:
            LabError: the host keeps its files on the machine's own disk.
        """
        self._lab.fault(self.name, disk_free=size)

    def weather(self) -> dict[str, Any]:
        """All faults that are set."""
        return self._lab.fault(self.name)

    def clear_faults(self) -> None:
        """Remove all faults, and let go what they hold up."""
        self._lab.fault(self.name, clear=True)

    def reboot(self) -> None:
        """Switch the host off and on, and wait until it answers."""
        self._lab.reboot(self.name)


class Guest:
    """The guest of a virtual machine: a Linux system with this machine's programs.

    Attributes:
        zone: its zone.
    """

    def __init__(self, host: Host, zone: str) -> None:
        self._host = host
        self.zone = zone

    def run(self, command: str | Sequence[str], *, input: str = "") -> Result:
        """Run a command as root in the guest.

        Args:
            command: a line for its /bin/sh, or program and arguments.
            input: its standard input.

        Raises:
            LabError: the zone is not running, or runs no virtual machine.
        """
        return self._host._execute(command, input, None, self.zone)

    def seed(self) -> dict[str, str]:
        """The files of the CD that cloud-init reads, by name; empty when there is no CD."""
        zonepath = self._host.run(f"zoneadm -z {self.zone} list -p").check().stdout.split(":")[3]
        data = self._host.run(["/usr/bin/base64", f"{zonepath}/root/{cloud_init.IMAGE}"])
        if data.status:
            return {}
        _, files = iso9660.read(base64.b64decode(data.stdout))
        return {name: content.decode() for name, content in files.items()}


class Lab:
    """A lab that ends with its test.

    Attributes:
        hosts: its hosts by name.
        directory: where it keeps its files.
    """

    def __init__(self, lab: labs.Lab, names: Sequence[str], *, temporary: bool) -> None:
        self._lab = lab
        self._temporary = temporary
        self.directory = lab.files.directory
        self.hosts = {name: Host(lab, name) for name in names}

    @classmethod
    def start(
        cls,
        *,
        hosts: Sequence[str] = ("gz1",),
        profile: str = "omnios",
        time_scale: float = 1.0,
        directory: Path | None = None,
    ) -> Lab:
        """Start a lab that ends with this process.

        Args:
            hosts: names of its hosts.
            profile: their distribution.
            time_scale: factor on the durations of slow operations; 0 makes them immediate.
            directory: keep its files there, and afterwards; by default they are removed.

        Raises:
            LabError: a lab cannot run on this machine.
        """
        place = directory or Path(tempfile.mkdtemp(prefix="illumos-lab-"))
        lab = labs.Lab(place)
        temporary = directory is None
        try:
            lab.start(tied=True, remove=temporary)
            lab.up(hosts, profile=profile, time_scale=time_scale)
        except BaseException:
            cls(lab, hosts, temporary=temporary).stop()
            raise
        return cls(lab, hosts, temporary=temporary)

    @property
    def host(self) -> Host:
        """The first host."""
        return next(iter(self.hosts.values()))

    @property
    def ssh_config(self) -> Path:
        """File for ``ssh -F`` with all hosts."""
        return self._lab.files.ssh_config

    def outside(self, *argv: str) -> Result:
        """Run a program of this machine in the world beyond the gateway."""
        with (
            Path(os.devnull).open("rb") as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            fds = (stdin.fileno(), stdout.fileno(), stderr.fileno())
            status = self._lab.outside(argv, fds)
            stdout.seek(0)
            stderr.seek(0)
            return Result(
                status,
                stdout.read().decode(errors="replace"),
                stderr.read().decode(errors="replace"),
            )

    def stop(self) -> None:
        """End the lab; a temporary one leaves nothing behind."""
        try:
            self._lab.down()
        finally:
            if self._temporary:
                shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

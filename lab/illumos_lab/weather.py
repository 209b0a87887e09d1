"""The weather of one host: all that can be made to go wrong from outside, and how it is set and cleared."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from illumos_lab.faults import Fault, Faults
from illumos_lab.host import Host
from illumos_lab.linux.disk import Disk
from illumos_lab.protocol import LabError, Message
from illumos_lab.ssh_server import SshServer
from illumos_lab.zonecfg.values import valid_zonename

_LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class _Lock:
    """The lock of a zone, held by nobody in particular."""

    zone: str
    seconds: float
    released: threading.Event


class Weather:
    """Sets and clears what a request of ``illumos-lab fault`` asks for.

    Args:
        host: the machine.
        faults: what happens to commands and logins.
        ssh: its sshd.
        disk: its disk.
    """

    def __init__(self, host: Host, faults: Faults, ssh: SshServer, disk: Disk) -> None:
        self._host = host
        self._faults = faults
        self._ssh = ssh
        self._disk = disk
        self._locks: list[_Lock] = []
        self._new_host_key = False

    def change(self, message: Message) -> dict[str, Any]:
        """Do what a message asks for, in this order; what is set then.

        Args:
            message: ``clear`` (true), ``fault`` (see `Fault`), ``login`` (see `Login`), ``lock`` (``zone``,
                ``seconds``), ``new_host_key`` (true), ``disk_free`` (bytes); each may be absent.

        Raises:
            LabError: something in it makes no sense or cannot be had on this host.
        """
        try:
            if message.get("clear"):
                self.clear()
            if "fault" in message:
                self._faults.add(Fault(**message["fault"]))
            if "login" in message:
                self._faults.set_login(message["login"])
                self._ssh.faults_changed()
            if "lock" in message:
                self._hold(**message["lock"])
            if message.get("new_host_key"):
                self._ssh.change_host_key()
                self._new_host_key = True
            if "disk_free" in message:
                self._disk.set_free(int(message["disk_free"]))
        except (TypeError, ValueError) as error:
            raise LabError(str(error)) from error
        except OSError as error:
            raise LabError(f"the disk cannot be limited: {error.strerror}") from error
        return self.as_json()

    def clear(self) -> None:
        """Fair weather."""
        self._faults.clear()
        self._ssh.restore_host_key()
        self._new_host_key = False
        self._ssh.faults_changed(thaw=True)
        if self._disk.limited:
            self._disk.restore()
        for lock in self._locks:
            lock.released.set()

    def as_json(self) -> dict[str, Any]:
        """Everything that is set."""
        self._locks = [lock for lock in self._locks if not lock.released.is_set()]
        return {
            **self._faults.as_json(),
            "locks": [{"zone": lock.zone, "seconds": lock.seconds} for lock in self._locks],
            "new_host_key": self._ssh.public_host_key if self._new_host_key else None,
            "disk_free": self._disk.free() if self._disk.limited else None,
        }

    def _hold(self, zone: str, seconds: float) -> None:
        """Hold the lock that zoneadm takes for a zone; the zone may be one that is yet to come."""
        if not valid_zonename(zone):
            raise LabError(f"{zone!r} is not a zone name")
        lock = _Lock(zone, seconds, threading.Event())
        held = threading.Event()

        def hold() -> None:
            with self._host.zones.locked(zone):
                held.set()
                lock.released.wait(seconds)
            lock.released.set()

        threading.Thread(target=hold, name=f"lock of {zone}", daemon=True).start()
        if not held.wait(_LOCK_SECONDS):
            lock.released.set()
            raise LabError(f"the lock of zone {zone} has been held by another for {_LOCK_SECONDS:g} s")
        self._locks.append(lock)

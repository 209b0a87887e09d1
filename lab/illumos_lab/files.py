"""The files of a lab on this machine: what is where below its directory.

``lab.json`` (hosts with their profile, number, port), ``ssh_config``, ``known_hosts``, ``id_ed25519``, and
a directory for each host: ``state/`` and ``zones/`` hold every changed file, ``log`` the daemon's log,
``journal.jsonl`` the commands.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from illumos_lab.protocol import LabError

WORLD_SOCKET = "lab.sock"
CONTROL_SOCKET = "control.sock"
PRISTINE = "pristine.json"
"""Made by a host's first boot; a host without it is a new one."""
REBOOT_STATUS = 75
"""Exit status by which a host's daemon asks to be started again."""

_FIRST_NUMBER = 11
_LAST_NUMBER = 99
_HOST_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")


class LabFiles:
    """Reads and writes a lab's files.

    Attributes:
        directory: the lab's directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()

    def host(self, name: str) -> Path:
        """The directory of a host."""
        return self.directory / name

    @property
    def ssh_config(self) -> Path:
        """The file for ``ssh -F``."""
        return self.directory / "ssh_config"

    @property
    def user_key(self) -> Path:
        """The private key that may log in as any user."""
        return self.directory / "id_ed25519"

    def load(self) -> dict[str, Any]:
        """The contents of lab.json; empty before the first host."""
        try:
            loaded: dict[str, Any] = json.loads((self.directory / "lab.json").read_text())
        except FileNotFoundError:
            return {"hosts": {}}
        return loaded

    def _save(self, lab: dict[str, Any]) -> None:
        file = self.directory / "lab.json"
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(lab, indent=1) + "\n")
        temporary.replace(file)

    def declare_hosts(
        self, names: Sequence[str], profile: str | None, time_scale: float | None
    ) -> list[str]:
        """Add hosts that are not known yet, and tell which ones are to run.

        Args:
            names: host names; none means all known hosts, or ``gz1`` in an empty lab.
            profile: distribution of new hosts, ``omnios`` by default; a known host keeps its own.
            time_scale: factor on durations; None keeps a known host's, and is 1 for a new one.

        Raises:
            LabError: a name is not one for a host, or a known host has another profile.
        """
        with self._lock:
            lab = self.load()
            hosts = lab["hosts"]
            wanted = list(names) or list(hosts) or ["gz1"]
            for name in wanted:
                if not _HOST_NAME.fullmatch(name):
                    raise LabError(f"{name!r} is not a host name")
                if name in hosts:
                    if profile is not None and hosts[name]["profile"] != profile:
                        raise LabError(
                            f"host {name} is {hosts[name]['profile']}: it cannot become {profile}"
                        )
                else:
                    used = {host["number"] for host in hosts.values()}
                    free = (n for n in range(_FIRST_NUMBER, _LAST_NUMBER) if n not in used)
                    number = next(free, None)
                    if number is None:
                        raise LabError("a lab has no room for more hosts")
                    hosts[name] = {
                        "profile": profile or "omnios",
                        "number": number,
                        "port": 0,
                        "host_key": "",
                        "time_scale": 1.0,
                    }
                if time_scale is not None:
                    hosts[name]["time_scale"] = time_scale
            self._save(lab)
            return wanted

    def host_started(self, name: str, port: int, host_key: str) -> None:
        """Remember where a host listens, and tell ssh."""
        with self._lock:
            lab = self.load()
            lab["hosts"][name] |= {"port": port, "host_key": host_key}
            self._save(lab)
            self._write_ssh_files(lab["hosts"])

    def _write_ssh_files(self, hosts: dict[str, Any]) -> None:
        config = f"# Use with: ssh -F {self.ssh_config} HOST\n"
        known = ""
        for name, host in hosts.items():
            if not host["port"]:
                continue
            config += (
                f"\nHost {name}\n  HostName 127.0.0.1\n  Port {host['port']}\n  User root\n"
                f'  IdentityFile "{self.user_key}"\n  IdentitiesOnly yes\n'
                f'  UserKnownHostsFile "{self.directory / "known_hosts"}"\n'
                "  StrictHostKeyChecking yes\n"
            )
            names = f"[127.0.0.1]:{host['port']},192.0.2.{host['number']}"
            known += f"{names} {host['host_key']}\n"
        self.ssh_config.write_text(config)
        (self.directory / "known_hosts").write_text(known)

    def make_user_key(self) -> None:
        """Make the key pair that may log in, unless there is one."""
        if self.user_key.exists():
            return
        # Imported here: it is slow, and needed once in the life of a lab.
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        self.user_key.with_suffix(".pub").write_bytes(public + b" illumos-lab\n")
        self.user_key.touch(mode=0o600)
        self.user_key.write_bytes(private)

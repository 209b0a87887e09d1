"""The seed by which a guest of a virtual machine learns who it is: cloud-init's NoCloud data source.

What the brands of OmniOS and of Tribblix make of a zone's configuration; see cloud-init's documentation of
NoCloud and of the network configuration format version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LABEL = "CIDATA"
IMAGE = "cloud-init.iso"
"""File of a zone's root directory that holds the seed."""

META_DATA, USER_DATA, NETWORK_CONFIG = "meta-data", "user-data", "network-config"


@dataclass(frozen=True)
class Nic:
    """One interface of a guest.

    Attributes:
        name: its link.
        mac: its address, two digits an octet.
        addresses: what it is to have, as the configuration of the zone spells them.
        router: default router; empty for none.
    """

    name: str
    mac: str
    addresses: tuple[str, ...]
    router: str = ""


@dataclass(frozen=True)
class Seed:
    """What a guest is told.

    Attributes:
        instance: identifier; a guest that finds another one than last time is a new machine.
        hostname: its host name.
        user_data: text for it.
        nics: interfaces with addresses; with none the guest does as its image says: DHCP.
        domain: search domain; empty for none.
        resolvers: name servers.
    """

    instance: str
    hostname: str
    user_data: str
    nics: tuple[Nic, ...] = ()
    domain: str = ""
    resolvers: tuple[str, ...] = ()

    def files(self, *, gateway4: bool) -> dict[str, bytes]:
        """The files of the seed by name.

        Args:
            gateway4: name the router in the way of Tribblix, not as a route.
        """
        files = {
            META_DATA: f"instance-id: {self.instance}\nlocal-hostname: {self.hostname}\n",
            USER_DATA: self.user_data,
        }
        if self.nics:
            files[NETWORK_CONFIG] = self._network_config(gateway4)
        return {name: text.encode() for name, text in files.items()}

    def _network_config(self, gateway4: bool) -> str:
        lines = ["version: 2", "ethernets:"]
        for nic in self.nics:
            lines += [
                f"  {nic.name}:",
                "    match:",
                f'      macaddress: "{nic.mac}"',
                f"    set-name: {nic.name}",
                "    addresses:",
                *(f'      - "{address}"' for address in nic.addresses),
            ]
            if self.resolvers or self.domain:
                lines.append("    nameservers:")
            if self.domain:
                lines += ["      search:", f"        - {self.domain}"]
            if self.resolvers:
                lines += ["      addresses:", *(f'        - "{address}"' for address in self.resolvers)]
            if nic.router and gateway4:
                lines.append(f'    gateway4: "{nic.router}"')
            elif nic.router:
                lines += ["    routes:", '      - to: "0.0.0.0/0"', f'        via: "{nic.router}"']
        return "\n".join(lines) + "\n"


def user_data(secrets: Mapping[str, str], *, misspelt: bool) -> str:
    """The text of ``user-data`` that the brand makes of the attributes.

    Args:
        secrets: ``password`` and ``sshkey``, where they are set.
        misspelt: use Tribblix' word for password logins, which cloud-init does not know.
    """
    lines = ["#cloud-config"]
    if "password" in secrets:
        lines += [f'password: "{secrets["password"]}"', "chpasswd:", "  expire: false"]
        lines.append(f"{'ssh-pwauth' if misspelt else 'ssh_pwauth'}: true")
    if "sshkey" in secrets:
        keys = [line for line in secrets["sshkey"].splitlines() if line.strip()]
        lines += ["ssh_authorized_keys:", *(f'  - "{key}"' for key in keys)]
    return "\n".join(lines) + "\n"

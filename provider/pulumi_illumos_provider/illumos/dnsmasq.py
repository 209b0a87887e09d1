"""DHCP and DNS for a router's networks with dnsmasq: its configuration and its fragments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from pulumi_illumos_provider.illumos.distribution import Dnsmasq

HOSTS_DIRECTORY = "/etc/dnsmasq.hosts.d"
"""One file for each attached zone; dnsmasq reads it again when it gets SIGHUP, without a restart."""


@dataclass(frozen=True)
class Served:
    """A network that dnsmasq serves: the router's vnic on it and what clients are told."""

    vnic: str
    subnet: IPv4Network
    address: IPv4Address
    dhcp: bool
    domain: str | None


def config(package: Dnsmasq, networks: Iterable[Served], servers: Sequence[IPv4Address]) -> str:
    """The whole configuration file.

    dnsmasq answers only on the private vnics. Replies are broadcast, because on illumos it may not have
    the privilege to enter a client without address into the ARP table.
    """
    lines = [
        "# Written by pulumi-illumos: changes are overwritten.",
        f"dhcp-hostsfile={HOSTS_DIRECTORY}",
        f"dhcp-leasefile={package.lease_file}",
        "dhcp-authoritative",
        "dhcp-broadcast",
        "no-ping",
        "no-resolv",
    ]
    lines += [f"server={server}" for server in servers]
    if package.user:
        lines.append(f"user={package.user}")
    for number, network in enumerate(networks):
        lines.append(f"interface={network.vnic}")
        if not network.dhcp:
            lines.append(f"no-dhcp-interface={network.vnic}")
            continue
        tag = f"net{number}"
        subnet = network.subnet
        lines += [
            f"dhcp-range=set:{tag},{subnet.network_address},static,{subnet.netmask}",
            f"dhcp-option=tag:{tag},option:router,{network.address}",
            f"dhcp-option=tag:{tag},option:dns-server,{network.address}",
        ]
        if network.domain:
            lines.append(f"dhcp-option=tag:{tag},option:domain-name,{network.domain}")
    return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class Reservation:
    """An address kept for one vnic of an attached zone.

    Attributes:
        file: name of the fragment.
        mac: canonical MAC address.
        name: zone name.
        address: the address.
    """

    file: str
    mac: str
    name: str
    address: IPv4Address


def fragment_name(vnic: str) -> str:
    """Name of the fragment of a vnic; vnic names are unique on a host."""
    return f"pulumi-{vnic}"


def parse_fragment(file: str, text: str) -> Reservation | None:
    """Read ``MAC,NAME,ADDRESS,infinite``; None when it is something else."""
    fields = text.strip().split(",")
    try:
        return Reservation(file, fields[0], fields[1], IPv4Address(fields[2]))
    except (IndexError, ValueError):
        return None

"""sysidcfg(4) of Solaris 10: the answers to the questions of its first boot.

The system waits at its console for every answer that is missing.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

PATH = "etc/sysidcfg"


def content(
    hostname: str,
    timezone: str,
    root_password: str,
    *,
    address: IPv4Interface | None = None,
    gateway: IPv4Address | None = None,
    dhcp: bool = False,
) -> str:
    """The file.

    Args:
        root_password: hash, as in shadow(4).
        address: of the first interface; None where the host configures it, or nothing does.
    """
    network = [f"hostname={hostname}"]
    if dhcp:
        network.insert(0, "dhcp")
    elif address is not None:
        network += [f"ip_address={address.ip}", f"netmask={address.netmask}"]
        network.append(f"default_route={gateway or 'NONE'}")
    network.append("protocol_ipv6=no")
    return (
        "system_locale=C\n"
        "terminal=xterms\n"
        f"network_interface=primary {{{' '.join(network)}}}\n"
        "security_policy=NONE\n"
        "name_service=NONE\n"
        "nfs4_domain=dynamic\n"
        f"timezone={timezone}\n"
        f"root_password={root_password}\n"
    )

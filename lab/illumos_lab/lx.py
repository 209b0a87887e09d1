"""Zones of brand lx: what their init is told of the network and of DNS, from outside; see lx(7)."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING

from illumos_lab.image import KERNEL_VERSION
from illumos_lab.ip import IpadmError
from illumos_lab.ip.model import ADDRCONF, DEFAULT_V4, DEFAULT_V6, DHCP, STATIC, Address
from illumos_lab.ip.routes import RouteError
from illumos_lab.zone_states import ActiveZone
from illumos_lab.zonecfg.model import Net

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.ip import IpStack

_KERNEL = "4.4"


def write_files(host: Host, active: ActiveZone) -> None:
    """Write what the brand writes at every boot: host name and DNS."""
    attrs = active.configuration.attrs()
    etc = host.path(active.name, "/etc")
    (etc / "hostname").write_text(f"{active.name}\n")
    lines = [f"search {attrs['dns-domain']}\n"] if attrs.get("dns-domain") else []
    servers = (word.strip() for word in attrs.get("resolvers", "").split(","))
    lines += [f"nameserver {server}\n" for server in servers if server]
    if lines:
        place = etc / "resolv.conf"
        # An image may have a link there, to a file of a service that does not run.
        place.unlink(missing_ok=True)
        place.write_text("".join(lines))


def set_kernel_version(host: Host, active: ActiveZone) -> None:
    """Let uname(1) of a zone that has just started say what the zone's configuration says."""
    place = host.path(active.name, KERNEL_VERSION)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(active.configuration.attrs().get("kernel-version", _KERNEL) + "\n")


def configure_network(host: Host, active: ActiveZone) -> None:
    """Give the interfaces the addresses that the net resources name."""
    stack = host.stacks[active.name]
    nets = active.configuration.nets()
    for net in nets:
        if "ips" in net.properties:
            stack.from_gz.pop(net.physical, None)
    with host.lock:
        routers = [net.defrouter for net in nets if net.defrouter and "ips" not in net.properties]
        stack.from_gz_router = routers[0].partition("/")[0] if routers else None
        stack.boot()
        for net in nets:
            if "ips" in net.properties:
                _configure(stack, net)


def _configure(stack: IpStack, net: Net) -> None:
    for word in net.properties["ips"].split(","):
        # lxinit says on the console what it cannot do, and goes on.
        with contextlib.suppress(ValueError, IpadmError):
            stack.plumb(net.physical)
            stack.activate(_address(net.physical, word.strip()))
    if net.properties.get("primary") == "true":
        for text in net.properties.get("gateway", "").split(","):
            with contextlib.suppress(ValueError, RouteError):
                router = ip_address(text.strip())
                stack.routes.add(DEFAULT_V4 if router.version == 4 else DEFAULT_V6, str(router))


def _address(link: str, word: str) -> Address:
    made = Address(link, "", STATIC, text=word)
    if word in ("dhcp", "addrconf"):
        return replace(made, kind=DHCP if word == "dhcp" else ADDRCONF)
    return replace(made, address=ip_interface(word))

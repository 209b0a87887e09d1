"""dhcpinfo(1): parameters that came with a DHCP lease."""

from __future__ import annotations

from ipaddress import IPv4Address

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.linux import LinuxKernel

_USAGE = "usage: dhcpinfo [-c] [-i interface] [-n limit] parameter\n"
_ADDRESSES = {"subnet": 1, "router": 3, "dnsserv": 6, "broadcst": 28, "serverid": 54}
_NUMBERS = {"mtu": 26, "lease": 51, "leasetim": 51}
_TEXTS = {"hostname": 12, "dnsdmain": 15, "dnsdomain": 15}
_NO_LEASE, _BAD_USAGE = 2, 3


def main(host: Host, run: Invocation) -> int:
    """Print a parameter by name or number, one value a line; nothing when it did not come."""
    interface = None
    words = list(run.argv)
    limit = None
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "-c":
            continue
        if option not in ("-i", "-n") or not words:
            run.err(_USAGE)
            return _BAD_USAGE
        value = words.pop(0)
        if option == "-i":
            interface = value
        elif value.isdigit():
            limit = int(value)
    if len(words) != 1:
        run.err(_USAGE)
        return _BAD_USAGE
    kernel = host.kernel
    assert isinstance(kernel, LinuxKernel)
    names = [interface] if interface else sorted(link.name for link in host.links.all())
    leases = [lease for name in names if (lease := kernel.dhcp_info(run.zone, name))]
    if not leases:
        run.err("dhcpinfo: no DHCP-managed interfaces\n")
        return _NO_LEASE
    for line in _values(leases[0].options, words[0].lower())[:limit]:
        run.out(f"{line}\n")
    return 0


def _values(options: dict[int, bytes], name: str) -> list[str]:
    if name in _NUMBERS:
        value = options.get(_NUMBERS[name])
        return [] if value is None else [str(int.from_bytes(value, "big"))]
    if name in _TEXTS:
        value = options.get(_TEXTS[name])
        return [] if value is None else [value.decode(errors="replace")]
    number = _ADDRESSES.get(name, int(name) if name.isdigit() else 0)
    value = options.get(number, b"")
    return [str(IPv4Address(value[at : at + 4])) for at in range(0, len(value) - 3, 4)]

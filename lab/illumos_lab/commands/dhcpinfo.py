"""dhcpinfo(1): parameters that came with a DHCP lease, by the names of /etc/dhcp/inittab.

Leases are those of IPv4. Fields of the packet itself, such as ``Yiaddr``, are not emulated.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip.model import DHCP
from illumos_lab.ip.stack import DhcpDetails, IpStack

_IP = """
Subnet 1 Router 3 Timeserv 4 IEN116ns 5 DNSserv 6 Logserv 7 Cookie 8 Lprserv 9 Impress 10 Resource 11
Swapserv 16 Broadcst 28 RSolictS 32 NISservs 41 NTPservs 42 NetBNms 44 NetBDsts 45 XFontSrv 48
XDispMgr 49 ReqIP 50 ServerID 54 NIS+serv 65 MblIPAgt 68 SMTPserv 69 POP3serv 70 NNTPserv 71
WWWservs 72 Fingersv 73 IRCservs 74 STservs 75 STDAservs 76
"""
_PAIRS = "PFilter 21 StaticRt 33"
_TEXT = """
Hostname 12 Dumpfile 14 DNSdmain 15 Rootpath 17 ExtendP 18 NISdmain 40 NetBScop 47 Message 56 ClassID 60
NW_dmain 62 NIS+dom 64 TFTPsrvN 66 OptBootF 67 UserClas 77
"""
_BYTE = """
IpFwdF 19 NLrouteF 20 IpTTL 23 SameMtuF 27 MaskDscF 29 MaskSupF 30 RDiscvyF 31 TrailerF 34 EthEncap 36
TcpTTL 37 TcpKaGbF 39 NetBNdT 46 OptOvrld 52 DHCPType 53
"""
_SHORT = "Bootsize 13 MaxIpSiz 22 PathTbl 25 MTU 26 DHCP_MTU 57"
_LONG = "PathTO 24 ArpTimeO 35 TcpKaInt 38 LeaseTim 51 T1Time 58 T2Time 59"
_SIGNED = "UTCoffst 2"
_OCTET = "Vendor 43 ReqList 55 ClientID 61 NWIPOpts 63 SLP_DA 78 SLP_SS 79 AgentOpt 82 FQDN 89"


def _numbers(text: str) -> dict[str, int]:
    words = text.lower().split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


_KINDS = {
    number: kind
    for kind, text in {
        "ip": _IP,
        "pairs": _PAIRS,
        "text": _TEXT,
        "byte": _BYTE,
        "short": _SHORT,
        "long": _LONG,
        "signed": _SIGNED,
        "octet": _OCTET,
    }.items()
    for number in _numbers(text).values()
}
_NAMES = _numbers(_IP + _PAIRS + _TEXT + _BYTE + " " + _SHORT + " " + _LONG + " " + _SIGNED + " " + _OCTET)
_WIDTHS = {"byte": 1, "short": 2, "long": 4, "signed": 4, "ip": 4, "pairs": 4, "octet": 1}

_FAILURE, _BAD_ARGUMENTS = 2, 3
_UNMANAGED = "interface is not under DHCP control"


def main(host: Host, run: Invocation) -> int:
    """Print the values of a parameter; exit status 0, also when it did not come, 2 or 3."""
    try:
        options = Options(*getopt(run.argv, "ci:n:v:", permute=False))
    except (UnknownOptionError, MissingValueError):
        return _usage(run)
    version = options.get("v") or "4"
    if len(options.operands) != 1 or version not in ("4", "6"):
        return _usage(run)
    if version == "6":
        return _fail(run, "-v 6: not emulated by the lab")
    name = options.operands[0]
    named = name[:1].isalpha()
    code = _NAMES.get(name.lower()) if named else int(name) if name.isdigit() else None
    if code is None or code not in _KINDS:
        what = "identifier" if named else "code"
        run.err(f"{run.name}: unknown {what} `{name}'\n")
        return _BAD_ARGUMENTS
    with deferred_output(run) as later, host.lock:
        stack = host.stacks.get(run.zone) or host.stacks["global"]
        found = _option(stack, options.get("i") or "", code)
        if isinstance(found, str):
            return _fail(later, found)
        lines = _canonical(found) if "c" in options else _values(found, _KINDS[code])
        limit = options.get("n") or ""
        for line in lines[: int(limit) or None] if limit.isdigit() else lines:
            later.out(f"{line}\n")
    return 0


def _usage(run: Invocation) -> int:
    words = "[-c] [-i interface] [-n limit] [-v {4|6}]"
    run.err(f"usage: {run.name} {words} code\n       {run.name} {words} identifier\n")
    return _BAD_ARGUMENTS


def _fail(run: Invocation, text: str) -> int:
    run.err(f"{run.name}: {text}\n")
    return _FAILURE


def _option(stack: IpStack, interface: str, code: int) -> bytes | str:
    """A parameter of the interface's lease as it came, or why there is none to look at."""
    kernel = stack.host.kernel
    managed = [address for address in stack.addresses if address.kind == DHCP]
    if not managed:
        # Without anything to manage there is no dhcpagent that would answer.
        return "Connection refused"
    # The primary one speaks for the host, else the first.
    managed.sort(key=lambda address: not address.primary)
    chosen = [address for address in managed if interface in ("", address.interface)]
    if not chosen:
        return _UNMANAGED
    lease = kernel.dhcp_info(stack.zone, chosen[0].interface) if isinstance(kernel, DhcpDetails) else None
    if lease is None:
        return "interface not in appropriate state for command"
    return lease.options.get(code, b"")


def _canonical(value: bytes) -> list[str]:
    return [f"0x{byte:02X}" for byte in value]


def _values(value: bytes, kind: str) -> list[str]:
    if not value:
        return []
    if kind == "text":
        return value.decode(errors="replace").split(" ")
    width = _WIDTHS[kind]
    parts = [value[at : at + width] for at in range(0, len(value) - width + 1, width)]
    match kind:
        case "ip":
            return [str(IPv4Address(part)) for part in parts]
        case "pairs":
            addresses = [str(IPv4Address(part)) for part in parts]
            return [" ".join(pair) for pair in zip(addresses[::2], addresses[1::2], strict=False)]
        case "octet":
            return [f"0x{byte:02X}" for byte in value]
        case _:
            return [str(int.from_bytes(part, "big", signed=kind == "signed")) for part in parts]

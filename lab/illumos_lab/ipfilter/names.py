"""Names of services and protocols as a fresh illumos system has them (services(5), protocols(5))."""

from __future__ import annotations

_BOTH = {
    "tcpmux": 1, "echo": 7, "discard": 9, "systat": 11, "daytime": 13, "netstat": 15,
    "chargen": 19, "time": 37, "domain": 53, "kerberos": 88, "sunrpc": 111, "ntp": 123,
    "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "slp": 427, "ldap": 389,
    "ldaps": 636, "mdns": 5353, "nfsd": 2049, "lockd": 4045, "kpasswd": 464, "https": 443,
    "ms-sql-s": 1433, "svrloc": 427, "sip": 5060,
}  # fmt: skip
_TCP = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "whois": 43, "finger": 79,
    "http": 80, "hostnames": 101, "iso-tsap": 102, "x400": 103, "x400-snd": 104, "csnet-ns": 105,
    "pop2": 109, "pop3": 110, "uucp-path": 117, "nntp": 119, "imap": 143, "NeWS": 144,
    "exec": 512, "login": 513, "shell": 514, "printer": 515, "courier": 530, "uucp": 540,
    "submission": 587, "imaps": 993, "pop3s": 995, "iscsi": 3260, "ingreslock": 1524,
    "listen": 2766, "dtspc": 6112,
}  # fmt: skip
_UDP = {
    "name": 42, "bootps": 67, "bootpc": 68, "tftp": 69, "snmp": 161, "snmp-trap": 162,
    "ike": 500, "biff": 512, "who": 513, "syslog": 514, "talk": 517, "route": 520,
    "ripng": 521, "dhcpv6-client": 546, "dhcpv6-server": 547, "mobile-ip": 434,
}  # fmt: skip

SERVICES: dict[str, dict[str, int]] = {"tcp": _BOTH | _TCP, "udp": _BOTH | _UDP}
"""Port by name, for each protocol."""

_ALIASES = {"www": "http", "mail": "smtp", "nameserver": "domain", "imap2": "imap"}

PROTOCOLS = {
    "ip": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipip": 4, "tcp": 6, "cbt": 7, "egp": 8, "igp": 9,
    "pup": 12, "udp": 17, "mux": 18, "hmp": 20, "xns-idp": 22, "rdp": 27, "idpr": 35,
    "ipv6": 41, "sdrp": 42, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46,
    "gre": 47, "esp": 50, "ah": 51, "mobile": 55, "ipv6-icmp": 58, "ipv6-nonxt": 59,
    "ipv6-opts": 60, "rvd": 66, "ospf": 89, "pim": 103, "ipcomp": 108, "vrrp": 112, "sctp": 132,
}  # fmt: skip
"""Protocol number by name."""

TCP, UDP, ICMP = PROTOCOLS["tcp"], PROTOCOLS["udp"], PROTOCOLS["icmp"]
ICMP6 = PROTOCOLS["ipv6-icmp"]


def port_number(name: str, protocol: int | None = None) -> int | None:
    """The port of a service, of one protocol or of whatever protocol."""
    name = _ALIASES.get(name, name)
    if protocol is None:
        return SERVICES["tcp"].get(name, SERVICES["udp"].get(name))
    return SERVICES.get(protocol_name(protocol), {}).get(name)


def port_name(port: int, protocol: int) -> str:
    """The name of a port for tcp or udp, else the number."""
    table = {TCP: "tcp", UDP: "udp"}.get(protocol)
    for name, number in SERVICES[table].items() if table else ():
        if number == port:
            return name
    return str(port)


def common_port_name(port: int, protocol: int | None) -> str:
    """The name of a port of one protocol, or (-1) one that tcp and udp agree upon; else the number."""
    if protocol == -1:
        name = port_name(port, TCP)
        return name if name == port_name(port, UDP) else str(port)
    return str(port) if protocol is None else port_name(port, protocol)


def common_port_number(name: str, protocol: int | None) -> int | None:
    """The port of a service of one protocol, or (-1) one that tcp and udp agree upon."""
    if protocol == -1:
        number = port_number(name, TCP)
        return number if number == port_number(name, UDP) else None
    return port_number(name, protocol or 0)


def protocol_name(number: int) -> str:
    """The name of a protocol, else the number."""
    return next((name for name, value in PROTOCOLS.items() if value == number), str(number))

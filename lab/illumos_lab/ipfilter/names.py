"""Names of services and protocols as a fresh illumos system has them (services(5), protocols(5))."""

from __future__ import annotations

_SERVICES = """
    tcpmux 1/tcp; echo 7/tcp,udp; discard 9/tcp,udp sink null; systat 11/tcp users; daytime 13/tcp,udp;
    netstat 15/tcp; qotd 17/tcp; chargen 19/tcp,udp ttytst source; ftp-data 20/tcp; ftp 21/tcp,sctp;
    ssh 22/tcp,sctp; telnet 23/tcp; smtp 25/tcp mail; time 37/tcp,udp timserver; rlp 39/tcp,udp;
    name 42/udp nameserver; whois 43/tcp nicname; tacacs 49/tcp,udp; domain 53/udp,tcp;
    tacacs-ds 65/tcp,udp; bootps 67/udp; bootpc 68/udp; http 80/tcp,udp www www-http; http 80/sctp;
    kerberos 88/udp,tcp kdc; hostnames 101/tcp hostname; pop2 109/tcp pop-2; pop3 110/tcp;
    sunrpc 111/udp,tcp rpcbind; sftp 115/tcp; imap 143/tcp imap2; bgp 179/tcp,udp,sctp; irc 194/tcp,udp;
    smux 199/tcp,udp; imap3 220/tcp,udp; clearcase 371/tcp,udp; ldap 389/tcp,udp; https 443/tcp,udp,sctp;
    kpasswd 464/tcp,udp; dhcpv6-client 546/udp dhcpv6c; dhcpv6-client 546/tcp;
    dhcpv6-server 547/udp dhcpv6s; dhcpv6-server 547/tcp; rtsp 554/tcp,udp; nntps 563/tcp,udp snntp;
    submission 587/tcp,udp; ipp 631/tcp,udp; ldaps 636/tcp,udp; silc 706/tcp,udp; iscsi 860/tcp,udp;
    rsync 873/tcp,udp; ftps-data 989/tcp,udp; ftps 990/tcp,udp; imaps 993/tcp,udp; pop3s 995/tcp,udp;
    socks 1080/tcp,udp; openvpn 1194/tcp,udp; icap 1344/tcp; wins 1512/tcp,udp; radius 1812/tcp,udp;
    radius-acct 1813/tcp,udp; cvspserver 2401/tcp; icpv2 3130/tcp,udp; iscsi-target 3260/tcp,udp;
    mysql 3306/tcp,udp; nut 3493/tcp; svn 3690/tcp,udp; epmd 4369/tcp,udp; sip 5060/tcp,udp;
    sip-tls 5061/tcp,udp; xmpp-client 5222/tcp; xmpp-server 5269/tcp; postgresql 5432/tcp,udp postgres;
    http-alt 8080/tcp webcache; http-alt 8080/udp; memcache 11211/tcp,udp; tftp 69/udp; rje 77/tcp;
    finger 79/tcp; link 87/tcp ttylink; supdup 95/tcp; iso-tsap 102/tcp; x400 103/tcp; x400-snd 104/tcp;
    csnet-ns 105/tcp; uucp-path 117/tcp; nntp 119/tcp usenet; ntp 123/tcp,udp; netbios-ns 137/tcp,udp;
    netbios-dgm 138/tcp,udp; netbios-ssn 139/tcp,udp; NeWS 144/tcp news; snmpd 161/udp snmp;
    slp 427/tcp,udp; mobile-ip 434/udp; cvc_hostd 442/tcp; microsoft-ds 445/tcp,udp; ike 500/udp;
    uuidgen 697/tcp,udp; rdc 121/tcp; exec 512/tcp; login 513/tcp; shell 514/tcp cmd;
    printer 515/tcp spooler; courier 530/tcp rpc; uucp 540/tcp uucpd; biff 512/udp comsat;
    who 513/udp whod; syslog 514/udp; talk 517/udp; route 520/udp router routed; ripng 521/udp;
    klogin 543/tcp; kshell 544/tcp cmd; new-rwho 550/udp new-who; rmonitor 560/udp rmonitord;
    monitor 561/udp; pcserver 600/tcp; sun-dr 665/tcp; kerberos-adm 749/tcp,udp; kerberos-iv 750/udp;
    krb5_prop 754/tcp; swat 901/tcp; ufsd 1008/tcp,udp; portolan 1296/tcp; svp-underlay 1339/tcp;
    cvc 1495/tcp; ingreslock 1524/tcp; www-ldap-gw 1760/tcp,udp; listen 2766/tcp;
    nfsd 2049/udp,tcp,sctp nfs; eklogin 2105/tcp; lockd 4045/udp,tcp; ipsec-nat-t 4500/udp;
    mdns 5353/udp,tcp; vnc-server 5900/tcp; dtspc 6112/tcp; servicetag 6481/udp,tcp; fs 7100/tcp;
    solaris-audit 16162/tcp; wnn6 22273/tcp,udp
"""
"""Name, port and protocols of each service, with other names that it has; the first one found counts."""

_PROTOCOLS = {
    "ip": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipip": 4, "tcp": 6, "cbt": 7, "egp": 8, "igp": 9,
    "pup": 12, "udp": 17, "mux": 18, "hmp": 20, "xns-idp": 22, "rdp": 27, "idpr": 35, "idpr-cmtp": 38,
    "sdrp": 42, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "mobile": 55, "ospf": 89,
    "pim": 103, "ipcomp": 108, "vrrp": 112, "sctp": 132, "hopopt": 0, "ipv6": 41, "ipv6-route": 43,
    "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
}  # fmt: skip
_ALIASES = {
    "IP-IP": 4, "OSPFIGP": 89, "IPComp": 108, "IPv6": 41, "IPv6-Route": 43, "IPv6-Frag": 44,
    "IPv6-ICMP": 58, "IPv6-NoNxt": 59, "IPv6-Opts": 60,
}  # fmt: skip
_WITH_OTHER_ALIASES = {"ipip", "ospf", "ipcomp"}

PROTOCOLS = (
    _PROTOCOLS
    | {
        name.upper(): number
        for name, number in _PROTOCOLS.items()
        if name not in _WITH_OTHER_ALIASES and not name.startswith("ipv6")
    }
    | _ALIASES
)
"""Protocol number by name; names differ by the case of their letters."""

TCP, UDP, ICMP = PROTOCOLS["tcp"], PROTOCOLS["udp"], PROTOCOLS["icmp"]
ICMP6 = PROTOCOLS["ipv6-icmp"]

BOTH = -1
"""What stands for the protocols tcp and udp together."""

_protocol_names: dict[int, str] = {}
for _name, _number in _PROTOCOLS.items():
    _protocol_names.setdefault(_number, _name)

_PORTS: dict[tuple[str, str | None], int] = {}
_NAMES: dict[tuple[int, str], str] = {}
for _service in _SERVICES.split(";"):
    _name, _where, *_others = _service.split()
    _port, _, _protocols = _where.partition("/")
    for _protocol in _protocols.split(","):
        _NAMES.setdefault((int(_port), _protocol), _name)
        for _known in (_name, *_others):
            _PORTS.setdefault((_known, _protocol), int(_port))
            _PORTS.setdefault((_known, None), int(_port))


def port_number(name: str, protocol: int | None = None) -> int | None:
    """The port of a service.

    Args:
        name: its name.
        protocol: number of the protocol; `BOTH` for a port that tcp and udp agree upon; None, and a number
            without a name, for whatever protocol comes first.
    """
    if protocol == BOTH:
        port = _PORTS.get((name, "tcp"))
        return port if port == _PORTS.get((name, "udp")) else None
    return _PORTS.get((name, None if protocol is None else _protocol_names.get(protocol)))


def port_name(port: int, protocol: int | None) -> str:
    """The name of a port, else the number; of `BOTH` the name that tcp and udp agree upon."""
    if protocol == BOTH:
        name = _NAMES.get((port, "tcp"), str(port))
        return name if name == _NAMES.get((port, "udp")) else str(port)
    return str(port) if protocol is None else _NAMES.get((port, protocol_name(protocol)), str(port))


def protocol_name(number: int) -> str:
    """The name of a protocol, else the number."""
    return _protocol_names.get(number, str(number))

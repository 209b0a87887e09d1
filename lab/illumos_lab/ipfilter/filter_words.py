"""The dictionaries of ipf.conf(5): which words are keywords depends on what is being read."""

from __future__ import annotations

from illumos_lab.ipfilter.filter_rules import ICMP_CODES, ICMP_TYPES, IP_OPTIONS, SECURITY_CLASSES

_PLAIN = """
    age ah all and auth bad bad-nat bad-src bcast block body bpf-v4 bpf-v6 call code count dup-to eq esp
    fastroute first flags frag frag-body frags from ge group gt head icmp icmp-type in in-via
    intercept_loopback ipopts keep le level limit log lowttl lt mask match-tag mbcast mcast nat ne net
    newisn no no-icmp-err now not oow on opt or-block out out-via pass port pps preauth proto quick reply-to
    return-icmp return-icmp-as-dest return-rst route-to sec-class set-tag set skip short state strict sync
    tcp tcp-udp tos to ttl udp v6hdrs with
"""

WORDS = (
    {"ipopt": "ipopts"}
    | {word: word for word in _PLAIN.split()}
    | {"multicast": "mcast", "state-age": "age"}
)
"""Everywhere else; of two words that mean the same, messages show the first."""

ADDRESS_WORDS = {word: word for word in ("any", "hash", "pool")}

MASK_WORDS = {"broadcast": "bcast", "netmasked": "netmasked", "network": "net", "peer": "peer"}

ICMP_TYPE_WORDS = {name: f"type {name}" for name in ICMP_TYPES}

ICMP_CODE_WORDS = {name: f"code {name}" for name in ICMP_CODES if name != "preced-cutoff"} | {
    "cutoff-preced": "code preced-cutoff"
}

OPTION_WORDS = {name: f"option {name}" for name in IP_OPTIONS}

CLASS_WORDS = {name: f"class {name}" for name in SECURITY_CLASSES}

HEADER_WORDS = {name: f"header {name}" for name in ("dstopts", "hopopts", "ipv6", "none", "routing")} | {
    "esp": "esp",
    "frag": "frag",
}

_FACILITIES = """
    kern user mail daemon auth syslog lpr news uucp cron ftp authpriv audit logalert security
    local0 local1 local2 local3 local4 local5 local6 local7
"""
_PRIORITIES = "emerg alert crit err warn notice info debug"

LOG_WORDS = (
    {name: f"facility {name}" for name in _FACILITIES.split()}
    | {name: f"priority {name}" for name in _PRIORITIES.split()}
    | {"console": "console"}
)

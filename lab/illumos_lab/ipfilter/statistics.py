"""What a stack's filter, state table and NAT have counted, as ipfstat, ipf -Z and ipnat -s print it.

Zero is what cannot happen here: packets whose headers must be gathered first, results found in a cache,
packets sent on by a rule, fragments, and losses of what is logged. Zero is as well what the filter has a
place for, but never counts: bad packets, and states and sessions that expired.
"""

from __future__ import annotations

from collections.abc import Mapping

from illumos_lab.kernel import Count

_BUCKETS = 5737
"""Length of the table of states."""


class _Packets:
    """Numbers of packets by what they were counted for."""

    def __init__(self, counts: Mapping[str, Count]) -> None:
        self._counts = counts

    def __getitem__(self, name: str) -> int:
        found = self._counts.get(name)
        return 0 if found is None else found.packets

    def passed(self, direction: str) -> int:
        return max(0, self[f"{direction}_seen"] - self[f"{direction}_blocked"])

    def decided(self, direction: str) -> str:
        return (
            f"blocked {self[f'{direction}_blocked']} passed {self.passed(direction)}"
            f" nomatch {self[f'{direction}_nomatch']}"
        )

    def logged(self, direction: str) -> str:
        return f"blocked {self[f'{direction}_logged_blocked']} passed {self[f'{direction}_logged_passed']}"


def packet_statistics(counts: Mapping[str, Count], ticks: int) -> str:
    """Totals of the filter as ``ipfstat`` shows them.

    Args:
        counts: the counters.
        ticks: age of the filter in half seconds.
    """
    packets = _Packets(counts)
    # Both lines on fragments show the same number of packets that were whole.
    whole = packets["in_whole"]
    return (
        "bad packets:\t\tin 0\tout 0\n"
        f" IPv6 packets:\t\tin {packets['in_ipv6']} out {packets['out_ipv6']}\n"
        f" input packets:\t\t{packets.decided('in')} counted {packets['counted']} short 0\n"
        f"output packets:\t\t{packets.decided('out')} counted 0 short 0\n"
        f" input packets logged:\t{packets.logged('in')}\n"
        f"output packets logged:\t{packets.logged('out')}\n"
        f" packets logged:\tinput {packets['in_logged']} output {packets['out_logged']}\n"
        " log failures:\t\tinput 0 output 0\n"
        f"fragment state(in):\tkept 0\tlost 0\tnot fragmented {whole}\n"
        f"fragment state(out):\tkept 0\tlost 0\tnot fragmented {whole}\n"
        f"packet state(in):\tkept {packets['in_kept']}\tlost 0\n"
        f"packet state(out):\tkept {packets['out_kept']}\tlost 0\n"
        f"ICMP replies:\t{packets['unreachables']}\tTCP RSTs sent:\t{packets['resets']}\n"
        "Invalid source(in):\t0\n"
        "Result cache hits(in):\t0\t(out):\t0\n"
        "IN Pullups succeeded:\t0\tfailed:\t0\n"
        "OUT Pullups succeeded:\t0\tfailed:\t0\n"
        "Fastroute successes:\t0\tfailures:\t0\n"
        "TCP cksum fails(in):\t0\t(out):\t0\n"
        f"IPF Ticks:\t{ticks}\n"
        "Packet log flags set: (0)\n\tnone\n"
    )


def zeroed_statistics(counts: Mapping[str, Count]) -> str:
    """Totals of the filter as ``ipf -Z`` shows them when it resets them."""
    packets = _Packets(counts)
    # Rules that count do it for both directions together, and the program shows that twice.
    counted = packets["counted"]
    return (
        "bad packets:\t\tin 0\tout 0\n"
        f" input packets:\t\t{packets.decided('in')} counted {counted}\n"
        f"output packets:\t\t{packets.decided('out')} counted {counted}\n"
        f" input packets logged:\t{packets.logged('in')}\n"
        f"output packets logged:\t{packets.logged('out')}\n"
        f" packets logged:\tinput {packets['in_logged']}-0 output {packets['out_logged']}-0\n"
    )


def state_statistics(counts: Mapping[str, Count], active: int) -> str:
    """The table of states as ``ipfstat -s`` shows it; no two states share a bucket.

    Args:
        counts: the counters.
        active: states that there are.
    """
    packets = _Packets(counts)
    return (
        "IP states added:\n"
        f"\t{packets['kept_tcp']} TCP\n\t{packets['kept_udp']} UDP\n\t{packets['kept_icmp']} ICMP\n"
        f"\t{packets['hits']} hits\n\t{packets['misses']} misses\n"
        "\t0 maximum\n\t0 no memory\n"
        f"\t{active} active\n\t0 expired\n\t0 closed\n\t0 orphans\n"
        "State logging enabled\n"
        "\nState table bucket statistics:\n"
        f"\t{active} in use\n\t0 max bucket\n"
        f"\t{100 * active / _BUCKETS:.2f}% bucket usage\n\t0 minimal length\n"
        f"\t{min(active, 1)} maximal length\n\t{min(active, 1):.3f} average length\n"
        "\n"
    )


def nat_statistics(counts: Mapping[str, Count], rules: int, sessions: int) -> str:
    """What ``ipnat -s`` shows.

    Args:
        counts: the counters.
        rules: rules that there are.
        sessions: connections that are translated now.
    """
    packets = _Packets(counts)
    return (
        f"mapped\tin\t{packets['mapped_in']}\tout\t{packets['mapped_out']}\n"
        f"added\t{packets['added']}\texpired\t0\n"
        "no memory\t0\tbad nat\t0\n"
        f"inuse\t{sessions}\norphans\t0\nrules\t{rules}\nwilds\t0\n"
    )


FRAGMENT_STATISTICS = (
    "IP fragment states:\n\t0 new\n\t0 expired\n\t0 hits\n\t0 retrans\n\t0 too short\n\t0 no memory\n"
    "\t0 already exist\n\t0 inuse\n"
)
"""What ``ipfstat -f`` shows first."""

"""What IPFilter holds for every stack: whether it is enabled, NAT rules, and two sets of filter rules."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from illumos_lab.ipfilter.filter_rules import FilterRule
from illumos_lab.ipfilter.rules import Rule
from illumos_lab.ipfilter.translate import filter_to_kernel, to_kernel
from illumos_lab.kernel import Count

if TYPE_CHECKING:
    from illumos_lab.host import Host


@dataclass
class Plane:
    """One control plane of one stack.

    Attributes:
        enabled: ``ipf -E`` was done.
        rules: NAT rules, the first that matches wins.
        filter_sets: the two sets of filter rules; in each the last rule that matches wins.
        active: which of the two is in force.
        generation: changes when the states of connections are forgotten.
        zeroed: what the kernel's counters stood at when they were last reset.
        since: when filtering was first switched on (monotonic clock); None before.
    """

    enabled: bool = False
    rules: list[Rule] = field(default_factory=list)
    filter_sets: tuple[list[FilterRule], list[FilterRule]] = field(default_factory=lambda: ([], []))
    active: int = 0
    generation: int = 1
    zeroed: dict[str, Count] = field(default_factory=dict)
    since: float | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def counters(self) -> frozenset[str]:
        """The names of the counters of all rules; a rule that has none gets one."""
        every: list[Rule | FilterRule] = [*self.rules, *self.filter_sets[0], *self.filter_sets[1]]
        for rule in every:
            rule.counter = rule.counter or f"rule_{next(self._numbers)}"
        return frozenset(rule.counter for rule in every)

    @property
    def ticks(self) -> int:
        """Half seconds for which there has been filtering."""
        return 0 if self.since is None else int(2 * (time.monotonic() - self.since))

    def filter_set(self, inactive: bool = False) -> list[FilterRule]:
        """The active set of filter rules, or the other one."""
        return self.filter_sets[self.active ^ inactive]

    def flush(self, directions: Collection[str], inactive: bool = False, version: int = 4) -> int:
        """Remove the filter rules of some directions (``in``, ``out``) and a version; their number."""
        rules = self.filter_set(inactive)
        stay = [rule for rule in rules if rule.direction not in directions or rule.version != version]
        removed = len(rules) - len(stay)
        rules[:] = stay
        return removed

    def enable(self) -> None:
        """Switch filtering on."""
        self.enabled = True
        if self.since is None:
            self.since = time.monotonic()

    def forget(self) -> None:
        """Forget all rules and states: the filter was switched off."""
        self.rules.clear()
        for each in self.filter_sets:
            each.clear()
        self.active = 0
        self.generation += 1


class Filters:
    """IPFilter of one host. Each zone has rules of its own and rules that the global zone set for it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._planes: dict[tuple[str, bool], Plane] = {}

    def plane(self, zone: str, from_global: bool = False) -> Plane:
        """A zone's plane; ``from_global`` is the one of option -G, of which only the books are kept."""
        return self._planes.setdefault((zone, from_global), Plane())

    def has_device(self, zone: str) -> bool:
        """Whether /dev/ipnat is there: package in the global zone, and a stack of its own."""
        return self._host.path(zone, "/dev/ipnat").exists()

    def forget(self, zone: str) -> None:
        """The stack is gone, and all that it held."""
        self._planes.pop((zone, False), None)
        self._planes.pop((zone, True), None)

    def set_enabled(self, zone: str, on: bool, from_global: bool = False) -> None:
        """Switch filtering on or off; off forgets the rules."""
        plane = self.plane(zone, from_global)
        if on:
            plane.enable()
        else:
            plane.enabled = False
            plane.forget()
            if not from_global:
                self._host.kernel.flush_nat_sessions(zone)
        if not from_global:
            self.apply(zone)

    def apply(self, zone: str) -> None:
        """Make the zone's own rules true on the wire, with the addresses that interfaces have now."""
        plane, stack = self.plane(zone), self._host.stacks.get(zone)

        def primary(link: str) -> IPv4Interface | None:
            found = [stack.current(each) for each in stack.on(link)] if stack is not None else []
            return next((each for each in found if isinstance(each, IPv4Interface)), None)

        counters = plane.counters()
        nat = to_kernel(plane.rules, primary) if plane.enabled else ()
        rules = filter_to_kernel(plane.filter_set(), primary) if plane.enabled else None
        self._host.kernel.set_nat(zone, nat, counters & {rule.counter for rule in plane.rules})
        self._host.kernel.set_filter(
            zone, rules, plane.generation, counters - {rule.counter for rule in plane.rules}
        )

    def counts(self, zone: str, from_global: bool = False) -> defaultdict[str, Count]:
        """What was counted since the last reset, by counter. The plane of -G counts nothing."""
        zeroed = self.plane(zone, from_global).zeroed
        found = {} if from_global else self._host.kernel.counts(zone)
        since = {name: count.since(zeroed.get(name, Count())) for name, count in found.items()}
        return defaultdict(Count, since)

    def reset(
        self, zone: str, counters: Collection[str], from_global: bool = False
    ) -> defaultdict[str, Count]:
        """Let counters start again; what they had counted."""
        found = self.counts(zone, from_global)
        zeroed = self.plane(zone, from_global).zeroed
        for name in counters:
            before, count = zeroed.get(name, Count()), found[name]
            zeroed[name] = Count(before.packets + count.packets, before.bytes + count.bytes)
        return found


_filters: WeakKeyDictionary[Host, Filters] = WeakKeyDictionary()


def filters(host: Host) -> Filters:
    """The one `Filters` of a host."""
    found = _filters.get(host)
    if found is None:
        found = _filters.setdefault(host, Filters(host))
    return found

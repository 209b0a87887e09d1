"""Two programs, each with a connection of its own, that change one router at the same time.

What the router serves is read from the emulated host itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest

from illumos_lab.testing import Lab
from pulumi_illumos_provider.engine.failing import PartialFailure
from pulumi_illumos_provider.engine.operations import Operations
from pulumi_illumos_provider.engine.properties import Bag
from pulumi_illumos_provider.errors import ProviderError
from pulumi_illumos_provider.host import ConnectionSettings, Hosts
from pulumi_illumos_provider.resources import KINDS
from pulumi_illumos_provider.resources.kind import Owner

PUBLIC = "192.0.2.100"
TARGET = "10.10.0.200"
ETC = "/zones/gw/root/etc"
HAPROXY = "svc:/ooce/network/haproxy:default"
GW = {
    "publicAddress": PUBLIC,
    "networks": [{"subnet": "10.10.0.0/24", "domain": "lan.example"}],
}


# What programs ask for ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """A resource of one program, and what the router has of it.

    Attributes:
        alone: what no other resource can have.
        used: what it shares, but not with one that wants it alone.
        reserved: the address that the router keeps for it.
        nat, admitted: rules of the address translation and of the filter.
        backend: hostname and port that haproxy answers to.
    """

    kind: str
    name: str
    properties: dict[str, Any] = field(hash=False)
    alone: frozenset[str]
    used: frozenset[str] = frozenset()
    reserved: str = ""
    nat: tuple[str, ...] = ()
    admitted: tuple[str, ...] = ()
    backend: tuple[str, int] | None = None

    @property
    def inputs(self) -> Bag:
        return Bag({"name": self.name, **self.properties})

    def excludes(self, other: Wanted) -> bool:
        return bool(self.alone & (other.alone | other.used) or self.used & other.alone)


def zone(name: str, number: int) -> Wanted:
    """A zone that does not run: it has its reservation and its name all the same."""
    address = f"10.10.0.{number}"
    properties = {"address": address, "router": "gw", "state": "halted"}
    return Wanted("Zone", name, properties, frozenset({f"zone {name}", address}), reserved=address)


def client(name: str, number: int) -> Wanted:
    """A zone that runs, and asks the router for the address that is reserved for it."""
    address = f"10.10.0.{number}"
    properties = {"nics": [{"router": "gw", "dhcp": True, "address": address}]}
    return Wanted("Zone", name, properties, frozenset({f"zone {name}", address}), reserved=address)


def forward(name: str, port: int, hairpin: bool = False) -> Wanted:
    links = ("gw_0", "gw_1") if hairpin else ("gw_0",)
    nat = [f"rdr {link} {PUBLIC}/32 port {port} -> {TARGET} port {port} tcp" for link in links]
    if hairpin:
        nat.append(
            f"map gw_1 from 10.10.0.0/24 to {TARGET}/32 port = {port} -> 10.10.0.1/32"
            " portmap tcp 10000:32767"
        )
    return Wanted(
        "PortForward",
        name,
        {"router": "gw", "publicPort": port, "target": TARGET, "hairpin": hairpin},
        frozenset({f"forward {name}", f"port {port}"}),
        nat=tuple(nat),
        admitted=tuple(admit(link, TARGET, port) for link in links),
    )


def ingress(name: str, port: int, hostname: str) -> Wanted:
    properties = {
        "router": "gw",
        "port": port,
        "hostnames": [hostname],
        "backends": [{"target": TARGET, "port": 80}],
    }
    return Wanted(
        "Ingress",
        name,
        properties,
        frozenset({f"ingress {name}", f"{hostname}:{port}"}),
        frozenset({f"port {port}"}),
        admitted=tuple(admit(link, PUBLIC, port) for link in ("gw_0", "gw_1")),
        backend=(hostname, port),
    )


def admit(link: str, address: str, port: int) -> str:
    rule = f"pass in quick on {link} proto tcp from any to {address}/32 port = {port}"
    return f"{rule} flags S/SA keep state"


# Programs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a program asks for one of its resources: to have it like this, or (None) not to have it."""

    program: Program
    resource: str
    wanted: Wanted | None


class Program:
    """A program: its resources by their names in it, each with the outputs that its state has."""

    def __init__(self, name: str, lab: Lab) -> None:
        self.name = name
        settings = ConnectionSettings("gz1", ssh_config=str(lab.ssh_config))
        self.operations = Operations(Hosts(settings), "gz1")
        self.resources: dict[str, Wanted] = {}
        self._outputs: dict[str, Bag] = {}

    def urn(self, resource: str, kind: str) -> str:
        return f"urn:pulumi:{self.name}::site::illumos:index:{kind}::{resource}"

    async def carry_out(self, request: Request) -> ProviderError | None:
        """Do what is asked; the refusal when it was refused."""
        name, wanted = request.resource, request.wanted
        now = self.resources.get(name)
        try:
            if wanted is None and now is not None:
                await self._delete(name, now)
            elif wanted is not None and now is None:
                await self._create(name, wanted)
            elif wanted is not None:
                await self._update(name, wanted)
        except ProviderError as error:
            return error
        return None

    async def _create(self, name: str, wanted: Wanted) -> None:
        kind = KINDS[f"illumos:index:{wanted.kind}"]
        made = await self.operations.create(kind, wanted.inputs, Owner(self.urn(name, wanted.kind)))
        self._keep(name, wanted, made.outputs)

    async def _update(self, name: str, wanted: Wanted) -> None:
        kind = KINDS[f"illumos:index:{wanted.kind}"]
        olds, owner = self._outputs[name], Owner(self.urn(name, wanted.kind))
        try:
            made = await self.operations.update(kind, _id(wanted), olds, wanted.inputs, owner)
        except PartialFailure as failure:
            self._outputs[name] = Bag(failure.state)
            raise
        self._keep(name, wanted, made.outputs)

    async def _delete(self, name: str, now: Wanted) -> None:
        kind = KINDS[f"illumos:index:{now.kind}"]
        await self.operations.delete(kind, _id(now), self._outputs[name])
        del self.resources[name], self._outputs[name]

    def _keep(self, name: str, wanted: Wanted, outputs: dict[str, Any]) -> None:
        self.resources[name] = wanted
        self._outputs[name] = Bag(outputs)


def _id(wanted: Wanted) -> str:
    return f"gz1/{wanted.name}" if wanted.kind in ("Zone", "RouterZone") else f"gz1/gw/{wanted.name}"


# The router --------------------------------------------------------------------------------------


class Site:
    """A host with one router zone, and the programs that share it."""

    def __init__(self, lab: Lab) -> None:
        self.host = lab.host
        self.runner = asyncio.Runner()
        self.a, self.b = self.programs = Program("a", lab), Program("b", lab)
        router = Wanted("RouterZone", "gw", GW, frozenset({"zone gw"}))
        first = ingress("first", 80, "first.example.org")
        self.succeed(Request(self.a, "gw", router))
        self.own_rules = self._marked("ipnat"), self._marked("ipf")
        # The packages come with the first ingress, and stay.
        self.succeed(Request(self.b, "first", first))
        self.succeed(Request(self.b, "first", None))
        clients = [Request(p, "client", client(f"client{p.name}", n)) for p, n in self.clients]
        self.succeed(*clients)
        self.unserved = self._dump()

    @property
    def clients(self) -> list[tuple[Program, int]]:
        """The programs, with the address that the zone of each has in the beginning."""
        return [(self.a, 21), (self.b, 22)]

    def close(self) -> None:
        for program in self.programs:
            self.runner.run(program.operations.close())
        self.runner.close()

    @property
    def existing(self) -> list[tuple[str, Wanted]]:
        """Everything that exists, with its owner."""
        return [
            (program.urn(name, wanted.kind), wanted)
            for program in self.programs
            for name, wanted in program.resources.items()
        ]

    def ask(self, *requests: Request) -> list[ProviderError | None]:
        """Ask for all at the same time."""

        async def all_of_them() -> list[ProviderError | None]:
            return await asyncio.gather(*(r.program.carry_out(r) for r in requests))

        return self.runner.run(all_of_them())

    def succeed(self, *requests: Request) -> None:
        refused = [error for error in self.ask(*requests) if error]
        if refused:
            raise refused[0]

    def compete(self, *requests: Request) -> int:
        """Ask for all at the same time; who is refused is told who has it. How many were."""
        before = self.existing
        answers = self.ask(*requests)
        for request, error in zip(requests, answers, strict=True):
            if error is not None:
                self._judge(request, error, [*before, *self.existing])
        owners = Counter(claim for _, wanted in self.existing for claim in wanted.alone)
        assert set(owners.values()) <= {1}
        return sum(error is not None for error in answers)

    def _judge(self, request: Request, error: ProviderError, others: list[tuple[str, Wanted]]) -> None:
        assert request.wanted is not None, error
        urn = request.program.urn(request.resource, request.wanted.kind)
        rivals = [(owner, o) for owner, o in others if owner != urn and request.wanted.excludes(o)]
        assert rivals, error
        named = [owner for owner, o in rivals if owner in str(error) or f"zone {o.name} " in f"{error} "]
        assert named, error
        created = request.resource not in request.program.resources
        assert not (created and isinstance(error, PartialFailure)), error

    def serve_exactly(self) -> None:
        """The router has what the programs have, and nothing else."""
        has = [wanted for _, wanted in self.existing]
        self._attached({w.name: w.reserved for w in has if w.reserved})
        nat, admitted = self.own_rules
        assert self._marked("ipnat") == self._in_kernel() == nat + Counter(r for w in has for r in w.nat)
        wanted_filter = admitted + Counter({r for w in has for r in w.admitted})
        assert self._marked("ipf") == wanted_filter
        assert self._sorted("ipfstat -z gw -io") == self._sorted(f"ipf -n -v -f {ETC}/ipf/ipf.conf")
        self._published({w.name: w.backend for w in has if w.backend})
        assert self.host.run("ls -A /var/run/pulumi-illumos").stdout == ""
        hidden = f"ls -A {ETC}/dnsmasq.*.d {ETC}/ipf/*.d {ETC}/haproxy.d 2>/dev/null | grep '^[.]'"
        assert self.host.run(hidden).stdout == ""

    def _attached(self, addresses: dict[str, str]) -> None:
        """Reservations, names, and what clients get of them."""
        macs = {}
        for line in self.host.run("dladm show-vnic -p -o link,macaddress").stdout.splitlines():
            link, _, mac = line.partition(":")
            octets = mac.replace("\\", "").split(":")
            macs[link] = ":".join(octet.zfill(2) for octet in octets)
        reserved = self.host.run(f"cat {ETC}/dnsmasq.hosts.d/* 2>/dev/null").stdout.splitlines()
        assert Counter(reserved) == Counter(
            f"{macs[f'{name}_0']},{name},{address},infinite" for name, address in addresses.items()
        )
        names = self.host.run(f"cat {ETC}/dnsmasq.names.d/* 2>/dev/null").stdout.splitlines()
        assert Counter(names) == Counter(
            f"{address} {name}.lan.example {name}" for name, address in addresses.items()
        )
        assert self._state("svc:/network/dns/dnsmasq:default") == "online"
        asked = " ".join(f"{name}.lan.example" for name in {*addresses, "za", "zb", "both"})
        answers = {f"{name}.lan.example {address}" for name, address in addresses.items()}
        script = f"for n in {asked}; do getent hosts $n; done | awk '{{print $2, $1}}'"
        eventually(lambda: set(self._inside("clienta", script).splitlines()) == answers)
        for name in ("clienta", "clientb"):
            eventually(partial(self._has_address, name, f"{addresses[name]}/24"))

    def _has_address(self, zone: str, address: str) -> bool:
        return address in self._inside(zone, "ipadm show-addr -p -o addr").split()

    def _published(self, backends: dict[str, tuple[str, int]]) -> None:
        text = self.host.run(f"cat {ETC}/opt/ooce/haproxy/haproxy.cfg 2>/dev/null").stdout
        words = [line.split() for line in text.splitlines() if line]
        places = {f"{PUBLIC}:{port}" for _, port in backends.values()}
        assert {w[1] for w in words if w[0] == "frontend"} == places
        assert sorted(w[1] for w in words if w[0] == "backend") == sorted(backends)
        assert {(w[1], w[-2]) for w in words if w[0] == "use_backend"} == {
            (name, hostname) for name, (hostname, _) in backends.items()
        }
        if backends:
            check = "/opt/ooce/sbin/haproxy -c -f /etc/opt/ooce/haproxy/haproxy.cfg"
            self.host.run(f"zlogin gw {check}").check()
        assert self._state(HAPROXY) == ("online" if backends else "disabled")

    def _marked(self, program: str) -> Counter[str]:
        """Our part of a configuration of the filter."""
        text = self.host.run(f"cat {ETC}/ipf/{program}.conf").check().stdout
        _, _, rest = text.partition("# BEGIN pulumi-illumos\n")
        return Counter(rest.partition("# END pulumi-illumos\n")[0].splitlines())

    def _in_kernel(self) -> Counter[str]:
        listed = self.host.run("ipnat -z gw -lR").check().stdout.partition("\n\n")[0]
        return Counter(listed.splitlines()[1:])

    def _sorted(self, command: str) -> list[str]:
        return sorted(self.host.run(command).check().stdout.splitlines())

    def _state(self, fmri: str) -> str:
        return self.host.run(f"svcs -z gw -H -o state {fmri}").stdout.strip()

    def _inside(self, zone: str, script: str) -> str:
        return self.host.run(["/usr/sbin/zlogin", zone, script]).stdout

    def empty(self) -> None:
        """Remove everything, at the same time; then the host is what it was in the beginning."""
        self.succeed(
            *(
                Request(program, name, None)
                for program in self.programs
                for name in program.resources
                if name not in ("gw", "client")
            )
        )
        for program, number in self.clients:
            self.succeed(Request(program, "client", client(f"client{program.name}", number)))
        assert self._dump() == self.unserved

    def _dump(self) -> dict[str, Any]:
        """What exists; without leases, and what the system itself does to links when zones stop."""
        dump = self.host.dump()
        del dump["links"]["properties"]
        del dump["files"]["/zones/gw/root/var/opt/ooce/dnsmasq/dnsmasq.leases"]
        return dump


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Lab.start(time_scale=0) as lab:
        site = Site(lab)
        yield site
        site.close()


# What may be asked -------------------------------------------------------------------------------


def possible(program: str, resource: str, number: int) -> Wanted | None:
    """What a program may ask for a resource of it: few ports, addresses and names, so that they meet."""
    port, address = 8001 + number % 3, 11 + number % 4
    match resource:
        case "client":
            return client(f"client{program}", address)
        case "zone":
            return zone(f"z{program}", address) if number else None
        case "common zone":
            return zone("both", address) if number else None
        case "forward":
            return forward(f"f{program}", port, hairpin=number % 2 == 0) if number else None
        case "common forward":
            return forward("both", port) if number else None
        case "ingress":
            return ingress(f"i{program}", (80, 8001)[number % 2], "www.example.org") if number else None
        case _:
            return ingress("both", 80, f"h{number}.example.org") if number else None


RESOURCES = ("client", "zone", "common zone", "forward", "common forward", "ingress", "common ingress")


# Tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_two_programs_share_a_router_in_random_order(site: Site, seed: int) -> None:
    """They change what they have behind it, several things at the same time."""
    chance = Random(seed)
    programs = dict(zip("ab", site.programs, strict=True))
    for _ in range(3):
        asked = chance.sample([(p, what) for p in programs for what in RESOURCES], chance.randint(4, 6))
        batch = [(p, what, chance.randrange(5)) for p, what in asked]
        site.compete(*(Request(programs[p], what, possible(p, what, n)) for p, what, n in batch))
        site.serve_exactly()
    site.empty()


def test_of_two_programs_that_want_the_same_exactly_one_gets_it(site: Site) -> None:
    """All of them at the same time."""
    a, b = site.programs
    pairs = [
        ("name of a zone", zone("both", 11), zone("both", 12)),
        ("address", zone("za", 13), zone("zb", 13)),
        ("name of a forward", forward("both", 8001), forward("both", 8002)),
        ("port", forward("fa", 8003, hairpin=True), forward("fb", 8003)),
        ("name of an ingress", ingress("both", 80, "x.example"), ingress("both", 80, "y.example")),
        ("host name", ingress("ia", 80, "z.example"), ingress("ib", 80, "z.example")),
        ("port for another purpose", forward("ga", 8080), ingress("jb", 8080, "z.example")),
    ]
    requests = [Request(a, what, one) for what, one, _ in pairs]
    requests += [Request(b, what, other) for what, _, other in pairs]
    assert site.compete(*requests) == len(pairs)
    site.serve_exactly()
    for what, _, _ in pairs:
        assert (what in a.resources) + (what in b.resources) == 1
    site.empty()


def test_one_program_makes_and_removes_many_at_the_same_time(site: Site) -> None:
    program = site.programs[0]
    many = [zone(f"many{number}", 30 + number) for number in range(12)]
    many += [forward(f"many{number}", 9000 + number) for number in range(6)]
    site.succeed(*(Request(program, f"{w.kind} {w.name}", w) for w in many))
    site.serve_exactly()
    site.empty()

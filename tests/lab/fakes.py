"""An emulated host without a machine underneath: kernel and runtime only record what they are asked.

``fake_host(tmp_path)`` gives a `FakeHost`; ``host.run("dladm", "show-link")`` runs a command in process and
answers ``(exit status, stdout, stderr)``. Subsystems that a test does not need stay small stand-ins; a test
of zones or services puts the real ones in their place (``host.zones = Zones(host)``).
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from illumos_lab.console import Consoles
from illumos_lab.console_terminal import Terminal
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation, Spawn
from illumos_lab.ip import IpStack
from illumos_lab.kernel import (
    Advertisement,
    Count,
    Interface,
    IpAddress,
    NatRule,
    NatSession,
    Neighbour,
    Network,
    OverlayTarget,
    PacketRule,
    Socket,
    Traffic,
)
from illumos_lab.links import LinkTable
from illumos_lab.profile import OMNIOS, Profile
from illumos_lab.zone_states import ActiveZone


class Result(NamedTuple):
    """What a command left behind; ``exit`` is its `Spawn` when it asked for a real program."""

    exit: int | Spawn
    stdout: str
    stderr: str


class FakeKernel:
    """Records every call as ``(method, arguments...)``.

    Attributes:
        calls: what was asked, oldest first.
        failures: an OSError to raise, by method name.
        leases: DHCP leases to grant, by (zone, link).
        sessions: what NAT translates, by zone.
        counted: what the filter's counters have seen, by zone.
        states: how many connections the filter knows, by zone.
        autoconf: addresses from router advertisements, by (zone, link).
        macs: what a bridge has learned, by link.
        carried: what a link has carried, by link.
        open_sockets, known_neighbours: what a zone's stack has, by zone.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.failures: dict[str, OSError] = {}
        self.leases: dict[tuple[str, str], Interface] = {}
        self.sessions: dict[str, tuple[NatSession, ...]] = {}
        self.counted: dict[str, dict[str, Count]] = {}
        self.states: dict[str, int] = {}
        self.autoconf: dict[tuple[str, str], tuple[Interface, ...]] = {}
        self.macs: dict[str, tuple[tuple[str, str], ...]] = {}
        self.carried: dict[str, Traffic] = {}
        self.open_sockets: dict[str, tuple[Socket, ...]] = {}
        self.known_neighbours: dict[str, tuple[Neighbour, ...]] = {}

    def _record(self, method: str, *arguments: object) -> None:
        self.calls.append((method, *arguments))
        if method in self.failures:
            raise self.failures[method]

    def called(self, method: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of one method."""
        return [call[1:] for call in self.calls if call[0] == method]

    def create_etherstub(self, name: str, mtu: int) -> None:
        self._record("create_etherstub", name, mtu)

    def create_vnic(self, name: str, over: str, mac: str, vid: int, mtu: int) -> None:
        self._record("create_vnic", name, over, mac, vid, mtu)

    def create_overlay(
        self, name: str, mtu: int, vnetid: int, listen: tuple[str, int], targets: tuple[OverlayTarget, ...]
    ) -> None:
        self._record("create_overlay", name, mtu, vnetid, listen, targets)

    def set_overlay_target(self, name: str, target: OverlayTarget) -> None:
        self._record("set_overlay_target", name, target)

    def create_card(self, name: str, mac: str, mtu: int) -> None:
        self._record("create_card", name, mac, mtu)

    def set_mac(self, name: str, mac: str) -> None:
        self._record("set_mac", name, mac)

    def connect(self, name: str, others: tuple[str, ...]) -> None:
        self._record("connect", name, others)

    def learned(self, name: str) -> tuple[tuple[str, str], ...]:
        return self.macs.get(name, ())

    def traffic(self, link: str, zone: str = "global") -> Traffic:
        return self.carried.get(link, Traffic())

    def create_tunnel(self, name: str, mac: str, mtu: int) -> None:
        self._record("create_tunnel", name, mac, mtu)

    def set_tunnel(self, name: str, local: str, remote: str) -> None:
        self._record("set_tunnel", name, local, remote)

    def delete_link(self, name: str) -> None:
        self._record("delete_link", name)

    def rename_link(self, old: str, new: str) -> None:
        self._record("rename_link", old, new)

    def set_mtu(self, name: str, mtu: int) -> None:
        self._record("set_mtu", name, mtu)

    def set_protection(
        self, name: str, protection: frozenset[str], allowed_ips: tuple[str, ...], mac: str
    ) -> None:
        self._record("set_protection", name, protection, allowed_ips, mac)

    def set_bandwidth(self, name: str, kilobits: int) -> None:
        self._record("set_bandwidth", name, kilobits)

    def move_link(self, name: str, zone: str) -> None:
        self._record("move_link", name, zone)

    def plumb(self, zone: str, link: str) -> None:
        self._record("plumb", zone, link)

    def unplumb(self, zone: str, link: str) -> None:
        self._record("unplumb", zone, link)

    def add_address(self, zone: str, link: str, address: Interface, peer: str = "") -> None:
        self._record("add_address", zone, link, str(address), *[peer][: bool(peer)])

    def delete_address(self, zone: str, link: str, address: Interface, peer: str = "") -> None:
        self._record("delete_address", zone, link, str(address), *[peer][: bool(peer)])

    def add_route(
        self, zone: str, destination: Network, gateway: str, link: str | None = None, discard: str = ""
    ) -> None:
        self._record("add_route", zone, str(destination), gateway, link, *[discard][: bool(discard)])

    def delete_route(
        self, zone: str, destination: Network, gateway: str, link: str | None = None, discard: str = ""
    ) -> None:
        self._record("delete_route", zone, str(destination), gateway, link, *[discard][: bool(discard)])

    def sockets(self, zone: str) -> tuple[Socket, ...]:
        return self.open_sockets.get(zone, ())

    def neighbours(self, zone: str) -> tuple[Neighbour, ...]:
        return self.known_neighbours.get(zone, ())

    def put_neighbour(self, zone: str, link: str, address: IpAddress, mac: str, static: bool) -> None:
        self._record("put_neighbour", zone, link, str(address), mac, static)

    def forget_neighbour(self, zone: str, link: str, address: IpAddress) -> None:
        self._record("forget_neighbour", zone, link, str(address))

    def set_forwarding(self, zone: str, link: str | None, on: bool, version: int = 4) -> None:
        self._record("set_forwarding" if version == 4 else "set_forwarding6", zone, link, on)

    def set_autoconf(self, zone: str, link: str, on: bool, identifier: str = "") -> None:
        self._record("set_autoconf", zone, link, on, *[identifier][: bool(identifier)])

    def autoconf_addresses(self, zone: str, link: str) -> tuple[Interface, ...]:
        return self.autoconf.get((zone, link), ())

    def autoconf_routers(self, zone: str, link: str) -> tuple[str, ...]:
        return ("fe80::1",) if (zone, link) in self.autoconf else ()

    def set_advertisements(self, zone: str, advertisements: tuple[Advertisement, ...]) -> None:
        self._record("set_advertisements", zone, advertisements)

    def set_nat(
        self, zone: str, rules: tuple[NatRule, ...], counters: frozenset[str] = frozenset()
    ) -> None:
        self._record("set_nat", zone, rules)

    def nat_sessions(self, zone: str) -> tuple[NatSession, ...]:
        return self.sessions.get(zone, ())

    def flush_nat_sessions(self, zone: str) -> int:
        self._record("flush_nat_sessions", zone)
        return len(self.sessions.pop(zone, ()))

    def set_filter(
        self,
        zone: str,
        rules: tuple[PacketRule, ...] | None,
        generation: int,
        counters: frozenset[str] = frozenset(),
    ) -> None:
        self._record("set_filter", zone, rules, generation)

    def counts(self, zone: str) -> dict[str, Count]:
        return self.counted.get(zone, {})

    def kept_states(self, zone: str, generation: int) -> int:
        return self.states.get(zone, 0)

    def set_unicast_offers(self, zone: str, possible: bool) -> None:
        self._record("set_unicast_offers", zone, possible)

    def start_dhcp_client(self, zone: str, link: str) -> None:
        self._record("start_dhcp_client", zone, link)

    def renew_dhcp_lease(self, zone: str, link: str) -> None:
        self._record("renew_dhcp_lease", zone, link)

    def stop_dhcp_client(self, zone: str, link: str) -> None:
        self._record("stop_dhcp_client", zone, link)

    def dhcp_lease(self, zone: str, link: str) -> Interface | None:
        return self.leases.get((zone, link))


class FakeProcess:
    """A daemon that does nothing until it is ended."""

    pid = 4242

    def __init__(self, argv: Sequence[str]) -> None:
        self.args = list(argv)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = 0
        return self.returncode

    def terminate(self) -> None:
        self.returncode = -15

    def kill(self) -> None:
        self.returncode = -9

    def send_signal(self, number: int) -> None:
        self.returncode = -number


class FakeSshd:
    """Knows the zones that users can log in to.

    Attributes:
        zones: those.
        failure: what happens when one more is to be among them.
    """

    def __init__(self) -> None:
        self.zones: set[str] = set()
        self.failure: OSError | None = None

    def listen(self, zone: str, root: Path) -> None:
        if self.failure is not None:
            raise self.failure
        self.zones.add(zone)

    def leave(self, zone: str) -> None:
        self.zones.discard(zone)


class FakeRuntime:
    """Records processes; zone roots are plain directories of the host's root.

    Attributes:
        calls: what was asked, oldest first, as ``(method, arguments...)``.
        programs: what a real program answers, by its path: a function from argv to
            (status, stdout, stderr). A program that is not listed succeeds without output.
    """

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.calls: list[tuple[Any, ...]] = []
        self.programs: dict[str, Callable[[Sequence[str]], tuple[int, str, str]]] = {}

    def called(self, method: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of one method."""
        return [call[1:] for call in self.calls if call[0] == method]

    def create_stack(self, zone: str) -> None:
        self.calls.append(("create_stack", zone))

    def destroy_stack(self, zone: str) -> None:
        self.calls.append(("destroy_stack", zone))

    def create_share(self, zone: str) -> None:
        self.calls.append(("create_share", zone))

    def destroy_share(self, zone: str) -> None:
        self.calls.append(("destroy_share", zone))

    def start_zone(self, zone: str, root: Path, exclusive_ip: bool) -> None:
        self.calls.append(("start_zone", zone, root, exclusive_ip))

    def start_guest(self, zone: str, hostname: str) -> Path:
        self.calls.append(("start_guest", zone, hostname))
        root = self.host.root / "guests" / zone
        lay_out(root)
        return root

    def stop_zone(self, zone: str) -> None:
        self.calls.append(("stop_zone", zone))

    def open_console(self, zone: str) -> Terminal:
        raise OSError("a fake zone has no terminal")

    def run(
        self,
        zone: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        self.calls.append(("run", zone, tuple(argv)))
        program = self.programs.get(argv[0])
        status, stdout, stderr = program(argv) if program else (0, "", "")
        return subprocess.CompletedProcess(list(argv), status, stdout, stderr)

    def start(self, zone: str, argv: Sequence[str], log: Path) -> FakeProcess:
        self.calls.append(("start", zone, tuple(argv), log))
        return FakeProcess(argv)

    def _root(self, zonepath: str) -> Path:
        return self.host.root / zonepath.lstrip("/") / "root"

    def create_zone_root(self, zonepath: str, brand: str, saved: str = "") -> None:
        self.calls.append(("create_zone_root", zonepath, brand))
        lay_out(self._root(zonepath))
        if saved:
            shutil.copytree(self._saved(saved), self._root(zonepath), symlinks=True, dirs_exist_ok=True)

    def save_zone_root(self, zonepath: str, name: str) -> None:
        if self._root(zonepath).exists():
            shutil.copytree(self._root(zonepath), self._saved(name), symlinks=True)

    def forget_zone_root(self, name: str) -> None:
        shutil.rmtree(self._saved(name), ignore_errors=True)

    def _saved(self, name: str) -> Path:
        return self.host.root.parent / "saved" / name

    def mount_zone_root(self, zonepath: str) -> None:
        self.calls.append(("mount_zone_root", zonepath))

    def destroy_zone_root(self, zonepath: str) -> None:
        self.calls.append(("destroy_zone_root", zonepath))
        root = self._root(zonepath)
        if not root.exists():
            return
        for path in sorted(root.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
        root.rmdir()

    def move_zone_root(self, zonepath: str, new: str) -> None:
        self.calls.append(("move_zone_root", zonepath, new))

    def mount(self, source: Path | None, target: Path, *, read_only: bool = False) -> None:
        self.calls.append(("mount", source, target, read_only))

    def unmount(self, target: Path) -> None:
        self.calls.append(("unmount", target))

    def processes(self, zone: str) -> list[int]:
        return []


class FakeZones:
    """Zones that exist by name only; enough for commands that look a zone's root up.

    Attributes:
        states: state of each zone.
    """

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.states: dict[str, str] = {"global": "running"}

    def names(self) -> list[str]:
        return list(self.states)

    def zonepath(self, zone: str) -> str:
        return f"{self.host.profile.zones_parent}/{zone}"

    def state(self, zone: str) -> str:
        return self.states[zone]

    def active(self, zone: str) -> None:
        """None of them is in a kernel."""

    def all_active(self) -> list[ActiveZone]:
        return []


class FakeSmf:
    """Services that are only enabled or not.

    Attributes:
        enabled_services: (zone, FMRI) pairs.
    """

    def __init__(self) -> None:
        self.enabled_services: set[tuple[str, str]] = set()

    def enabled(self, zone: str, fmri: str) -> bool:
        return (zone, fmri) in self.enabled_services

    def set_enabled(self, zone: str, fmri: str, enabled: bool, *, temporary: bool = False) -> None:
        if enabled:
            self.enabled_services.add((zone, fmri))
        else:
            self.enabled_services.discard((zone, fmri))

    def wait(self, zone: str, fmri: str, states: Sequence[str] = ("online",)) -> bool:
        return True

    def set_instance(self, fmri: str, properties: Mapping[str, tuple[str, str]]) -> None:
        self.enabled_services.add(("global", fmri))

    def delete_instance(self, fmri: str) -> None:
        self.enabled_services.discard(("global", fmri))


class FakeHost(Host):
    """A host made of a temporary directory."""

    kernel: FakeKernel
    runtime: FakeRuntime  # type: ignore[assignment]
    sshd: FakeSshd

    def __init__(self, root: Path, profile: Profile) -> None:
        self.name = "lab"
        self.profile = profile
        self.root = root
        self.kernel = FakeKernel()
        self.runtime = FakeRuntime(self)
        self.lock = threading.RLock()
        self.time_scale = 0.0
        self.zones = FakeZones(self)  # type: ignore[assignment]
        self.smf = FakeSmf()  # type: ignore[assignment]
        self.stacks = {}
        self.links = LinkTable(self)
        self.consoles = Consoles(self)
        self.sshd = FakeSshd()

    def boot_network(self) -> None:
        """Forget what is active, then bring links and the global zone's stack up as at host boot."""
        self.links = LinkTable(self)
        self.links.add_physical("e1000g0", "8:0:27:1:2:3", 1500)
        self.links.boot()
        self.stacks = {"global": IpStack(self, "global")}
        self.stacks["global"].boot()

    def add_zone(self, zone: str) -> Path:
        """Make a zone with a root directory and an IP stack of its own, not booted; gives its root."""
        self.zones.states[zone] = "running"  # type: ignore[attr-defined]
        root = self.zone_root(zone)
        lay_out(root)
        self.stacks[zone] = IpStack(self, zone)
        return root

    def run(
        self,
        program: str,
        *argv: str,
        zone: str = "global",
        privileged: bool = True,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> Result:
        """Run an emulated command, named by its path or (below /usr/sbin) by its last part."""
        path = program if program.startswith("/") else f"/usr/sbin/{program}"
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(stdin.encode("utf-8", "surrogateescape"))
            given.seek(0)
            invocation = Invocation(
                path=path,
                argv=list(argv),
                env=dict(env or {}),
                cwd=cwd,
                uid=0 if privileged else 100,
                zone=zone,
                stdin=given.fileno(),
                stdout=out.fileno(),
                stderr=err.fileno(),
                privileged=privileged,
            )
            status = command_at(path)(self, invocation)
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode("utf-8", "surrogateescape"))
        return Result(status, *texts)


def command_at(path: str) -> Callable[[Host, Invocation], int | Spawn]:
    """The function behind a program: by the table of paths, else by the module of the same name."""
    table: dict[str, str] = getattr(importlib.import_module("illumos_lab.commands"), "PATHS", {})
    module, _, function = table.get(path, f"illumos_lab.commands.{Path(path).name}:main").partition(":")
    command: Callable[[Host, Invocation], int | Spawn] = getattr(importlib.import_module(module), function)
    return command


def lay_out(root: Path) -> None:
    """The directories that every zone's root has."""
    for directory in ("etc/dladm", "etc/inet", "etc/ipadm", "etc/svc", "etc/zones", "var", "tmp"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:Super-User:/root:/usr/bin/bash\n")


def fake_host(tmp_path: Path, profile: Profile = OMNIOS) -> FakeHost:
    """A host with one physical link ``e1000g0`` and its loopback interface, network booted."""
    root = tmp_path / "host"
    lay_out(root)
    host = FakeHost(root, profile)
    host.boot_network()
    return host

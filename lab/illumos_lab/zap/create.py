"""``zap create-zone``: a zone, its links and its place behind a router, in one go.

Once the request is accepted nothing stops it: a step that fails complains and the next one follows, and the
exit status is 0, as with the real command.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from illumos_lab.getopt import Options
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.zap import options as asked
from illumos_lab.zap.options import RefusedError, Request
from illumos_lab.zap.programs import Programs
from illumos_lab.zap.records import PLACE, Records, short_network

_ZONES = "/export/zones"
_ZONE_DATA = "/export/zonedata"
_CACHE = "/var/zap/cache"
_SPARSE_LIB = "/zonelib/lib"
_FILTER_PACKAGE = "TRIBnet-ipfilter"
_LAST_HOST = 254


def create_zone(host: Host, run: Invocation, argv: Sequence[str]) -> int:
    """Create a zone, or several; exit status 0, 1 or 2 when the request is refused."""
    records = Records(Programs(host, run))
    options, complaints = asked.read(argv)
    run.err(complaints)
    try:
        request = asked.parse(options, host)
        if "n" in options:
            return _create_several(host, run, request, options)
        asked.check_host(request, host, records)
    except RefusedError as error:
        (run.err if "not emulated" in str(error) else run.out)(f"{error}\n")
        run.out(asked.usage() if error.usage else "")
        return error.status
    Creation(records, request).run()
    return 0


def _create_several(host: Host, run: Invocation, request: Request, options: Options) -> int:
    """One zone after the other, with numbers from 1 after its name and with addresses that count up.

    Raises:
        RefusedError: one of the names is taken, or an address leaves its subnet.
    """
    count = _number_of_zones(request, options.get("n") or "")
    programs = Programs(host, run)
    for number in range(1, count + 1):
        if programs.succeeds("/usr/sbin/zoneadm", "-z", f"{request.zone}{number}", "list"):
            raise RefusedError(f"ERROR: zone {request.zone}{number} already exists", 1)
    kept = [f"-{letter}{value}" for letter, value in options.pairs if letter not in "nzixD"]
    for number in range(1, count + 1):
        name = f"{request.zone}{number}"
        words = [f"-{letter}{_counted(ip, number - 1)}" for letter, ip in options.pairs if letter in "ix"]
        datasets = [f"-D{dataset}/{name}" for dataset in request.datasets]
        programs.say(f"Creating zone {name}")
        create_zone(host, run, [*kept, f"-z{name}", *words, *datasets])
    return 0


def _number_of_zones(request: Request, text: str) -> int:
    count = int(text) if text.isdigit() else 0
    if count <= 1:
        raise RefusedError("ERROR: number of zones must be greater than 1")
    for address in [*request.exclusive, *request.shared]:
        first = int(address.rpartition(".")[2])
        if first <= 1:
            raise RefusedError(f"ERROR: base address {address} must be at least .2")
        if first + count - 1 > _LAST_HOST:
            raise RefusedError(f"ERROR: that many zones won't fit after {address}")
    return count


def _counted(address: str, add: int) -> str:
    subnet, _, last = address.rpartition(".")
    return f"{subnet}.{int(last) + add}"


class Creation:
    """The making of one zone.

    Args:
        records: zap's records on the host.
        request: what is asked for, already checked.
    """

    def __init__(self, records: Records, request: Request) -> None:
        self._records = records
        self._programs = records.programs
        self._host = records.programs.host
        self._request = request
        self._zone = request.zone
        # Address with prefix by link, as in the files hostname.LINK; those of the outer links again.
        self._addresses: dict[str, str] = {}
        self._outer: dict[str, str] = {}
        self._configuration: list[str] = []

    def run(self) -> None:
        """Make links and records, configure, install, fill the zone's files, boot."""
        self._make_datasets()
        self._describe()
        self._configure()
        self._programs.run("/usr/sbin/zoneadm", "-z", self._zone, "install", *self._install_options())
        if self._file("etc").is_dir():
            self._fill_root()
        self._programs.run("/usr/sbin/zoneadm", "-z", self._zone, "boot")

    def _file(self, path: str) -> Path:
        """A file of the zone, named relative to its root."""
        return self._host.path("global", f"{_ZONES}/{self._zone}/root/{path}")

    def _on_destroy(self, *commands: str) -> None:
        self._records.append("destroy", self._zone, *commands)

    def _remember(self, key: str, value: str) -> None:
        """Add a value to the zone's record."""
        self._records.append("zconfig", self._zone, f"{key}: {value}")

    # Datasets ------------------------------------------------------------------------------------
    def _make_datasets(self) -> None:
        if self._request.directories:
            self._make_dataset(_ZONE_DATA)
            self._make_dataset(f"{_ZONE_DATA}/{self._zone}")
        self._make_dataset(_ZONES)
        for dataset in self._request.datasets:
            self._programs.run("/usr/sbin/zfs", "create", "-p", dataset.rpartition("/")[0])
            self._programs.run("/usr/sbin/zfs", "create", "-o", "mountpoint=none", dataset)

    def _make_dataset(self, mountpoint: str) -> None:
        """Create the dataset of a directory that is not there, below the one of its parent."""
        if self._host.path("global", mountpoint).is_dir():
            return
        parent, _, name = mountpoint.rpartition("/")
        above = self._programs.output("/usr/sbin/zfs", "list", "-H", "-o", "name", parent).strip()
        if not above:
            self._programs.say(f"ERROR: cannot find zfs dataset for {parent}")
            return
        self._programs.run("/usr/sbin/zfs", "create", f"{above}/{name}")

    # Links and configuration ---------------------------------------------------------------------
    def _describe(self) -> None:
        """Make the links, and write down configuration and records on the way."""
        request = self._request
        self._host.path("global", PLACE).mkdir(parents=True, exist_ok=True)
        self._on_destroy(f"/bin/rm -f {PLACE}/zconfig.{self._zone}")
        self._remember("brand", request.template)
        self._remember("zone", self._zone)
        self._remember("ip-type", "exclusive" if request.exclusive else "shared")
        self._say(
            "create -t " + request.template, "set autoboot=true", f"set zonepath={_ZONES}/{self._zone}"
        )
        if request.exclusive:
            self._say("set ip-type=exclusive")
        for address in request.shared:
            self._add_shared(address)
        number = 0
        for address in request.exclusive:
            number = self._add_exclusive(address, number)
        self._add_networks(number + 1)
        self._add_file_systems()
        self._add_caps()
        self._say("verify", "commit")

    def _say(self, *lines: str) -> None:
        self._configuration += lines

    def _resource(self, kind: str, *properties: str) -> None:
        self._say(f"add {kind}", *properties, "end")

    def _add_shared(self, address: str) -> None:
        self._remember("address", address)
        link, length = self._records.link_below(address, "shared-interface:")
        self._resource("net", f"set physical={link}", f"set address={address}/{length}")
        router = self._records.router_of(address)
        if router:
            self._remember("parent_zone", router)

    def _add_exclusive(self, address: str, number: int) -> int:
        """A vnic for an address; returns its number, from which the next search goes on."""
        self._remember("address", address)
        below, length = self._records.link_below(address, "interface:")
        number = self._programs.first_free("show-vnic", "znic", number)
        link = f"znic{number}"
        self._programs.run("/usr/sbin/dladm", "create-vnic", "-l", below, link)
        if self._request.flow:
            self._add_flow(link, address)
        self._on_destroy(f"/usr/sbin/dladm delete-vnic {link}")
        self._addresses[link] = self._outer[link] = f"{address}/{length}"
        allowed = [] if self._request.networks else self._allowed(address, length)
        self._resource("net", f"set physical={link}", *allowed)
        router = self._records.router_of(address)
        if router:
            self._remember("parent_zone", router)
            self._add_lease(router, link, address)
        return number

    def _allowed(self, address: str, length: str) -> list[str]:
        """Link protection, and with it the address from the global zone. A router cannot have it."""
        gateway = self._records.gateway_of(self._request.exclusive[0])
        return [
            f"set allowed-address={address}/{length}",
            *([f"set defrouter={gateway}"] if gateway else []),
        ]

    def _add_flow(self, link: str, address: str) -> None:
        self._programs.run(
            *("/usr/sbin/flowadm", "add-flow", "-l", link, "-a", f"local_ip={address}"),
            *("-p", self._request.flow, f"{link}flow"),
        )
        self._on_destroy(f"/usr/sbin/flowadm remove-flow -l {link}")

    def _add_lease(self, router: str, link: str, address: str) -> None:
        """Have the router's dnsmasq, where it has one, hand out the address by DHCP."""
        place = "/etc/dnsmasq.d" if router == "global" else f"{_ZONES}/{router}/root/etc/dnsmasq.d"
        if not self._host.path("global", place).is_dir():
            return
        mac = self._programs.output("/usr/sbin/dladm", "show-vnic", "-p", "-o", "MACADDRESS", link).strip()
        fragment = f"{place}/{self._zone}.conf"
        line = f"dhcp-host={mac},{self._zone},{address},infinite\n"
        self._host.path("global", fragment).write_text(line)
        where = [] if router == "global" else ["-z", router]
        restart = ["/usr/sbin/svcadm", *where, "restart", "network/dnsmasq"]
        self._programs.run(*restart)
        self._on_destroy(f"/usr/bin/rm -f {fragment}", " ".join(restart))

    def _add_networks(self, number: int) -> None:
        """For each network an etherstub, the router's vnic, and a vnic for shared-ip zones."""
        stub_number = shared_number = 0
        for network in self._request.networks:
            address, _, prefix = network.partition("/")
            gateway = f"{address.rpartition('.')[0]}.1"
            stub_number = self._programs.first_free("show-etherstub", "zrstub", stub_number)
            stub = f"zrstub{stub_number}"
            self._programs.run("/usr/sbin/dladm", "create-etherstub", stub)
            number = self._programs.first_free("show-vnic", "znic", number)
            inner = f"znic{number}"
            self._programs.run("/usr/sbin/dladm", "create-vnic", "-l", stub, inner)
            shared_number = self._programs.first_free("show-vnic", "snic", shared_number)
            shared = f"snic{shared_number}"
            self._programs.run("/usr/sbin/dladm", "create-vnic", "-l", stub, shared)
            self._programs.run("/usr/sbin/ipadm", "create-if", shared)
            self._addresses[inner] = f"{gateway}/{prefix}"
            self._resource("net", f"set physical={inner}")
            name = short_network(address, int(prefix))
            self._records.append(
                *("rconfig", name),
                *(f"interface: {stub}", f"shared-interface: {shared}", f"gateway: {gateway}"),
                *(f"zone: {self._zone}", f"public-ip:  {' '.join(self._request.exclusive)}"),
            )
            self._on_destroy(
                f"/usr/sbin/dladm delete-vnic {inner}",
                f"/usr/sbin/ipadm delete-if {shared}",
                f"/usr/sbin/dladm delete-vnic {shared}",
                f"/usr/sbin/dladm delete-etherstub {stub}",
                f"rm {PLACE}/rconfig.{name}",
            )

    def _add_file_systems(self) -> None:
        request = self._request
        if request.template == "TRIBsparse":
            self._host.path("global", _SPARSE_LIB).mkdir(parents=True, exist_ok=True)
        if request.template in ("TRIBsparse", "TRIBwhole"):
            self._host.path("global", _CACHE).mkdir(parents=True, exist_ok=True)
            self._add_lofs("/var/zap/global-cache", _CACHE, "ro,nodevices")
        for dataset in request.datasets:
            self._resource("dataset", f"set name={dataset}")
        for path in request.directories:
            source = f"{_ZONE_DATA}/{self._zone}{path}"
            self._host.path("global", source).mkdir(parents=True, exist_ok=True)
            self._add_lofs(path, source, "nodevices")
        for path, read_only in request.shares:
            self._add_lofs(path, path, "ro,nodevices" if read_only else "nodevices")
        for user in request.users:
            home = asked.accounts(self._host)[user][5]
            self._add_lofs(home, home, "nodevices")
            self._resource("admin", f"set user={user}", "set auths=manage")
            self._remember("admin_user", user)

    def _add_lofs(self, directory: str, special: str, options: str) -> None:
        self._resource(
            *("fs", f"set dir={directory}", f"set special={special}"),
            *("set type=lofs", f"add options [{options}]"),
        )

    def _add_caps(self) -> None:
        if self._request.memory:
            self._resource("capped-memory", f"set physical={self._request.memory}")
            self._remember("memory", self._request.memory)
        if self._request.cpus:
            self._resource("capped-cpu", f"set ncpus={self._request.cpus}")
            self._remember("cpus", self._request.cpus)

    def _configure(self) -> None:
        saved = self._records.file("zonecfg", self._zone)
        saved.write_text("".join(f"{line}\n" for line in self._configuration))
        self._on_destroy(f"/usr/bin/rm -f {PLACE}/zonecfg.{self._zone}")
        self._programs.run("/usr/sbin/zonecfg", "-z", self._zone, "-f", f"{PLACE}/zonecfg.{self._zone}")

    def _install_options(self) -> list[str]:
        request = self._request
        lists = {
            "-o": request.overlays,
            "-O": request.extra_overlays,
            "-p": request.packages,
            "-P": request.extra_packages,
            "-i": [request.image] if request.image else [],
        }
        return [word for option, values in lists.items() for value in values for word in (option, value)]

    # The zone's files ----------------------------------------------------------------------------
    def _fill_root(self) -> None:
        for user in self._request.users:
            self._copy_account(user)
        for link, address in self._addresses.items():
            self._file(f"etc/hostname.{link}").write_text(f"{address}\n")
        if self._request.exclusive:
            gateway = self._records.gateway_of(self._request.exclusive[0])
            self._file("etc/defaultrouter").write_text(f"{gateway}\n")
        if self._request.networks:
            self._fill_router()
        if self._request.router:
            self._fill_dnsmasq()
        for path in ("etc/resolv.conf", "etc/default/init"):
            shutil.copyfile(self._host.path("global", f"/{path}"), self._file(path))
        self._file("etc/nodename").write_text(f"{self._zone}\n")
        self._substitute("etc/inet/hosts", r"tribblix", self._zone)
        if self._request.ssh_key:
            self._copy_key()

    def _copy_account(self, user: str) -> None:
        """The account with its password and group; in the zone it may become root."""
        gid = asked.accounts(self._host)[user][3]
        for path in ("etc/passwd", "etc/shadow"):
            self._append(path, *self._lines(f"/{path}", rf"{re.escape(user)}:"))
        if f":{gid}:" not in self._file("etc/group").read_text():
            self._append("etc/group", *self._lines("/etc/group", rf".*:{gid}:"))
        self._append("etc/user_attr", f"{user}::::roles=root")

    def _lines(self, path: str, pattern: str) -> list[str]:
        lines = self._host.path("global", path).read_text().splitlines()
        return [line for line in lines if re.match(pattern, line)]

    def _append(self, path: str, *lines: str) -> None:
        with self._file(path).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def _substitute(self, path: str, pattern: str, text: str) -> None:
        file = self._file(path)
        file.write_text(re.sub(pattern, text, file.read_text(), flags=re.MULTILINE))

    def _fill_router(self) -> None:
        """Forwarding at each boot, and NAT on the first outer link."""
        if not self._host.path("global", f"/var/sadm/pkg/{_FILTER_PACKAGE}/pkginfo").is_file():
            self._programs.say("Installing ipfilter in the global zone")
            self._programs.run("/usr/bin/zap", "install", _FILTER_PACKAGE)
        script = ["#!/bin/sh"]
        for link in sorted(self._addresses):
            script.append(f"/usr/sbin/ipadm set-ifprop -t -p forwarding=on -m ipv4 {link}")
        script.append("/usr/sbin/svcadm enable network/ipfilter")
        if self._request.router:
            script.append("/usr/sbin/svcadm enable network/dnsmasq")
        rc = self._file("etc/rc2.d/S83router")
        rc.write_text("".join(f"{line}\n" for line in script))
        rc.chmod(0o755)
        outer = min(self._outer)
        for network in self._request.networks:
            rule = f"map {outer} {network} -> 0/32"
            self._append("etc/ipf/ipnat.conf", f"{rule} portmap tcp/udp auto", rule)

    def _fill_dnsmasq(self) -> None:
        ranges = [f"dhcp-range={network.partition('/')[0]},static" for network in self._request.networks]
        lines = ["conf-dir=/etc/dnsmasq.d", "user=dnsmasq", *ranges]
        self._file("etc/dnsmasq.conf").write_text("".join(f"{line}\n" for line in lines))

    def _copy_key(self) -> None:
        home = next(
            fields[5]
            for fields in (line.split(":") for line in self._file("etc/passwd").read_text().splitlines())
            if fields[0] == "root"
        )
        directory = self._file(f"{home.lstrip('/')}/.ssh")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = directory / "authorized_keys"
        shutil.copyfile(self._host.path("global", self._request.ssh_key), keys)
        keys.chmod(0o600)
        self._substitute("etc/ssh/sshd_config", r"^PermitRootLogin.*", "PermitRootLogin without-password")

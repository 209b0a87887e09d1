"""Hosts as the resources see them, made from text in the form that real hosts print."""

from __future__ import annotations

import functools

from pulumi_illumos_provider.illumos import fragments
from pulumi_illumos_provider.illumos.snapshot import Snapshot, probes
from pulumi_illumos_provider.plan import Completed
from pulumi_illumos_provider.resources import KINDS
from pulumi_illumos_provider.resources.kind import Owner
from pulumi_illumos_provider.resources.router import render
from pulumi_illumos_provider.resources.router.design import recorded

OWNER = Owner("urn:pulumi:dev::site::illumos:index:Thing::thing")
OTHER = Owner("urn:pulumi:dev::site::illumos:index:Thing::other")

ETHERSTUB = KINDS["illumos:index:Etherstub"]
INGRESS = KINDS["illumos:index:Ingress"]
PORT_FORWARD = KINDS["illumos:index:PortForward"]
ROUTER = KINDS["illumos:index:RouterZone"]
ZONE = KINDS["illumos:index:Zone"]

OMNIOS = 'SunOS\nillumos\nglobal\nomnios-r151054\nNAME="OmniOS"\nID=omnios\n'
TRIBBLIX = "SunOS\nillumos\nglobal\ntribblix-m38\nNAME=Tribblix\nID=tribblix\n"

GW_CONFIG = """\
create -b
set zonepath=/zones/gw
set brand=lipkg
set autoboot=true
set ip-type=exclusive
add net
set physical="gw_0"
end
add net
set physical="gw_1"
end
add attr
set name="pulumi-owner"
set type="string"
set value="urn:pulumi:dev::site::illumos:index:RouterZone::gw"
end
add attr
set name="pulumi-public"
set type="string"
set value="link=igb0 vnic=gw_0 address=192.0.2.100/24 gateway=192.0.2.1"
end
add attr
set name="pulumi-network-0"
set type="string"
set value="NETWORK"
end
""".replace(
    "NETWORK",
    "etherstub=lan0 subnet=10.9.1.0/24 address=10.9.1.254 vnic=gw_1 shared=gw_s0 dhcp=on domain=- owned=no",
)

GW_FILES = {
    "etc/nodename": "gw\n",
    "etc/resolv.conf": "nameserver 192.0.2.53\n",
    "etc/hostname.gw_0": "192.0.2.100/24\n",
    "etc/hostname.gw_1": "10.9.1.254/24\n",
    "etc/defaultrouter": "192.0.2.1\n",
}

ROUTER_INPUTS = {
    "name": "gw",
    "publicAddress": "192.0.2.100",
    "networks": [{"subnet": "10.9.1.0/24", "etherstub": "lan0", "address": "10.9.1.254"}],
}


GW_LIVE = {
    "addresses": "gw_0/?:192.0.2.100/24\ngw_1/?:10.9.1.254/24",
    "forwarding": "on",
    "routes": "default 192.0.2.1 UG 1 0",
    "policy": "custom",
}


@functools.cache
def built() -> dict[str, str]:
    """The files of router zone gw as the provider writes them."""
    now = FakeHost().router(files={"etc/nodename": "gw\n"}).snapshot()
    design = recorded(now.zones["gw"])
    assert design is not None
    files = {path: text for path, text in render.files(design).items() if text is not None}
    files[now.distribution.dnsmasq.config.lstrip("/")] = render.name_server(design, now.distribution)
    for kind, rules in (
        (fragments.NAT, render.nat_rules(design)),
        (fragments.FILTER, render.filter_rules(design)),
    ):
        text = fragments.text(rules)
        files[f"{kind.directory}/{fragments.ROUTER}"] = text
        files[kind.config] = f"{fragments.BEGIN}\n{text}{fragments.END}\n"
    return files


class FakeHost:
    """Text that a host would print; `snapshot` reads it as the provider does."""

    def __init__(self, system: str = OMNIOS) -> None:
        self.system = system
        self.brands = "ipkg lipkg sparse" if system == OMNIOS else "sparse-root whole-root"
        self.links = ["igb0:phys:1500:"]
        self.vnics: list[str] = []
        self.properties: list[str] = []
        self.addresses = ["igb0/v4:static:ok:192.0.2.11/24"]
        self.interfaces = ["lo0:ok", "igb0:ok"]
        self.zones = ["0:global:running:/::ipkg:shared"]
        self.configurations: list[str] = []
        self.owners: list[str] = []
        self.zap: list[str] = []
        self.datasets = ["rpool\tfilesystem\t/rpool", "rpool/zones\tfilesystem\t/zones"]
        self.owned: list[str] = []
        self.paths: list[str] = []

    def etherstub(self, name: str, owner: str = "") -> FakeHost:
        self.links.append(f"{name}:etherstub:9000:")
        if owner:
            self.owners.append(f"{name} {owner}")
        return self

    def vnic(
        self, name: str, over: str, zone: str = "", protection: str = "", allowed: str = ""
    ) -> FakeHost:
        number = len(self.vnics) + 1
        self.links.append(f"{name}:vnic:9000:{over}")
        self.vnics.append(f"{name}:{over}:2\\:8\\:20\\:0\\:0\\:{number:x}:0")
        self.properties += [
            f"{name}:zone:{zone}",
            f"{name}:protection:{protection}",
            f"{name}:allowed-ips:{allowed}",
        ]
        return self

    def zone(
        self,
        name: str,
        state: str,
        config: str,
        files: dict[str, str] | None = None,
        services: dict[str, str] | None = None,
        brand: str = "lipkg",
        live: dict[str, str] | None = None,
        kept: dict[str, str] | None = None,
    ) -> FakeHost:
        ip_type = "excl" if "ip-type=exclusive" in config else "shared"
        self.zones.append(f"-:{name}:{state}:/zones/{name}::{brand}:{ip_type}")
        text = f"#zone {name}\n" + "".join(f"\t{line}\n" for line in config.splitlines())
        text += f"#memory \n#root /zones/{name}/root\n"
        for what, contents in (("file", files), ("live", live), ("kept", kept)):
            text += _sections(what, contents or {})
        for fmri, value in (services or {}).items():
            text += f"#service {value} {fmri}\n"
        self.configurations.append(text)
        return self

    def global_zone(
        self,
        records: str = "",
        files: dict[str, str] | None = None,
        services: dict[str, str] | None = None,
        live: dict[str, str] | None = None,
        name: str = "gw",
    ) -> FakeHost:
        """What a router called gw has, or would find, in the global zone."""
        text = f"#router {name}\n" + "".join(f"\t{line}\n" for line in records.splitlines())
        text += _sections("file", files or {}) + _sections("live", {"forwarding": "off"} | (live or {}))
        for fmri, value in (services or {}).items():
            text += f"#service {value} {fmri}\n"
        self.configurations.append(text)
        return self

    def router(
        self,
        state: str = "running",
        files: dict[str, str] | None = None,
        live: dict[str, str] | None = None,
        whole: bool = False,
        services: dict[str, str] | None = None,
    ) -> FakeHost:
        """Router zone gw; a whole one has everything that the provider writes and looks at."""
        self.etherstub("lan0").vnic("gw_0", "igb0", "gw").vnic("gw_1", "lan0", "gw").vnic("gw_s0", "lan0")
        self.interfaces.append("gw_s0:ok")
        states = {
            "svc:/network/ipv4-forwarding:default": "online",
            "svc:/network/ipfilter:default": "online",
            "svc:/network/dns/dnsmasq:default": "online",
        } | (services or {})
        present = GW_FILES | (built() if whole else {}) | (files or {})
        live = (GW_LIVE if state == "running" and whole else {}) | (live or {})
        return self.zone("gw", state, GW_CONFIG, present, states, live=live)

    def snapshot(self) -> Snapshot:
        text = {
            "system": self.system,
            "brands": self.brands,
            "ipfilter": "yes\n",
            "resolvers": "nameserver 192.0.2.53\n",
            "accounts": "root\nadmin\n",
            "datasets": "".join(f"{line}\n" for line in self.datasets),
            "owned": "".join(f"{line}\n" for line in self.owned),
            "paths": "".join(f"{line}\n" for line in self.paths),
            "links": "\n".join(self.links),
            "vnics": "\n".join(self.vnics),
            "properties": "\n".join(self.properties),
            "addresses": "\n".join(self.addresses),
            "interfaces": "\n".join(self.interfaces),
            "route": "    gateway: 192.0.2.1\n  interface: igb0\n",
            "zones": "\n".join(self.zones),
            "owners": "\n".join(self.owners),
            "zap": "\n".join(self.zap),
            "configurations": "".join(self.configurations),
        }
        assert set(text) == set(probes("x")), "every probe has an answer here"
        return Snapshot.parse({name: Completed(0, out, "") for name, out in text.items()})


def _sections(what: str, contents: dict[str, str]) -> str:
    return "".join(
        f"#{what} {name}\n" + "".join(f"\t{line}\n" for line in text.splitlines())
        for name, text in contents.items()
    )


def plan(kind, raw, host, owner=OWNER, update=False):
    """What the kind plans for inputs on a host; as an update when the object is in the state."""
    now = host.snapshot()
    wanted = kind.inputs.model_validate(raw)
    state = kind.read("gz", raw["name"], now) if update else None
    return kind.plan(wanted, now, owner, state).steps


def says(steps):
    return [step.say for step in steps]


def text_of(steps):
    """Everything that is sent to the host for some steps."""
    return "\n".join(" ".join(step.run.argv) + "\n" + (step.run.stdin or "") for step in steps)

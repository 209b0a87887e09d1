"""What is set up inside a zone before it boots for the first time."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, ClassVar

from pulumi_illumos_provider.illumos import files
from pulumi_illumos_provider.illumos.snapshot import Snapshot, ZoneSeen, parse_resolvers
from pulumi_illumos_provider.model.zone.inside import InsideInputs, InsideState
from pulumi_illumos_provider.plan import Step, sh
from pulumi_illumos_provider.resources import zone_steps as steps
from pulumi_illumos_provider.resources.zone.job import Job
from pulumi_illumos_provider.resources.zone.network import own_names
from pulumi_illumos_provider.resources.zone.side import Side

_KEYS = "root/.ssh/authorized_keys"
_LIVE = ("etc/resolv.conf", _KEYS)


class Inside(Side[InsideInputs, InsideState]):
    """Files of the zone's root; only brands that are set up from their files have them."""

    inputs: type[InsideInputs] = InsideInputs
    outputs: type[InsideState] = InsideState
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "dnsServers": frozenset({"address", "router", "nics"}),
    }

    def plan(self, wanted: InsideInputs, job: Job) -> None:
        if not job.native:
            return
        contents = _files(wanted, job)
        writes = steps.file_steps(job.name, job.root, contents, job.zone)
        boot_contents = {path: text for path, text in contents.items() if path not in _LIVE}
        if steps.file_steps(job.name, job.root, boot_contents, job.zone):
            job.reboot_for("hostname")
        if not job.installed:
            writes.append(Step(f"letting zone {job.name} use DNS", files.use_dns(job.root)))
        if wanted.ssh_authorized_keys:
            writes += _allow_root_login(job, writes)
        job.inside += writes

    def read(self, zone: ZoneSeen, now: Snapshot) -> dict[str, Any]:
        return {
            "dns_servers": parse_resolvers(zone.files.get("etc/resolv.conf", "")),
            "hostname": zone.files.get("etc/nodename", "").strip() or zone.name,
            "ssh_authorized_keys": [
                line.strip()
                for line in zone.files.get(_KEYS, "").splitlines()
                if line.strip() and not line.startswith("#")
            ],
        }

    def satisfied(self, field: str, wanted: InsideInputs, state: InsideState) -> bool:
        value = getattr(wanted, field)
        match field:
            case "hostname":
                name = getattr(wanted, "name", None) or getattr(state, "name", "")
                return bool((value or name) == state.hostname)
            case "ssh_authorized_keys":
                return value is None or set(value) == set(state.ssh_authorized_keys)
            case _:
                return value is None or bool(value == getattr(state, field))

    def spell(self, state: InsideState) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        if state.dns_servers:
            spelled["dnsServers"] = [str(server) for server in state.dns_servers]
        if state.hostname != getattr(state, "name", ""):
            spelled["hostname"] = state.hostname
        if state.ssh_authorized_keys:
            spelled["sshAuthorizedKeys"] = list(state.ssh_authorized_keys)
        return spelled


def _files(wanted: InsideInputs, job: Job) -> dict[str, str | None]:
    """Files of the zone's root, by path; None for those that must not be there."""
    servers = wanted.dns_servers
    if servers is None:
        routed = [nic.network.address for nic in job.placed if nic.network]
        servers = routed[:1] or list(job.now.resolvers)
    contents: dict[str, str | None] = {
        "etc/nodename": f"{wanted.hostname or job.name}\n",
        "etc/resolv.conf": steps.resolv_conf(servers),
    }
    if wanted.ssh_authorized_keys is not None:
        keys = wanted.ssh_authorized_keys
        contents[_KEYS] = "".join(f"{key}\n" for key in keys) if keys else None
    gateway: IPv4Address | None = None
    for nic in job.placed:
        if not nic.shared:
            hostname, dhcp = f"etc/hostname.{nic.vnic}", f"etc/dhcp.{nic.vnic}"
            # An allowed-address is configured from the global zone, and wins over these files.
            contents[hostname] = contents[dhcp] = None
            if nic.dhcp:
                contents[hostname] = contents[dhcp] = ""
            elif nic.address and not nic.protected:
                contents[hostname] = f"{nic.address}\n"
                gateway = gateway or nic.gateway
    contents["etc/defaultrouter"] = f"{gateway}\n" if gateway else None
    mine = {path for path in contents if path.startswith(("etc/hostname.", "etc/dhcp."))}
    for path in job.zone.files if job.zone else ():
        link = path.rsplit(".", 1)[-1]
        stale = path.startswith(("etc/hostname.", "etc/dhcp.")) and path not in mine
        if stale and link in own_names(job.name, job.zone):
            contents[path] = None
    return contents


def _allow_root_login(job: Job, writes: list[Step]) -> list[Step]:
    """Let root log in with a key, never with a password: some distributions refuse root altogether."""
    if job.installed and not any(_KEYS in step.say for step in writes):
        return []
    script = """
cd "$1/etc/ssh" 2>/dev/null && grep '^PermitRootLogin no' sshd_config >/dev/null || exit 0
sed 's/^PermitRootLogin no.*/PermitRootLogin without-password/' sshd_config >sshd_config.new &&
    cat sshd_config.new >sshd_config && rm -f sshd_config.new
"""
    return [Step(f"letting root log into zone {job.name} with a key", sh(script, job.root))]

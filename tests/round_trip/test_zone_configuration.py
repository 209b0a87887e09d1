"""Zone configurations there and back: what we send through the lab's zonecfg, and what we read of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from illumos_lab.profile import PROFILES
from pulumi_illumos_provider.illumos import zonecfg
from pulumi_illumos_provider.model.zone import ZoneInputs
from tests.lab.fakes_zones import zone_host
from tests.unit.resources.hosts import OMNIOS, OWNER, TRIBBLIX, ZONE, FakeHost

SETTINGS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SYSTEMS = {"omnios": OMNIOS, "tribblix": TRIBBLIX}
BRANDS = {"omnios": "lipkg", "tribblix": "whole-root"}

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"'), max_size=40)
SIZES = st.one_of(st.sampled_from(["1G", "1.5G", "777M", "1536M"]), st.integers(2**26, 2**41))
COUNTS = st.integers(100, 10**6)
FILESYSTEMS: Any = st.fixed_dictionaries(
    {"dir": WORDS.map(lambda w: f"/mnt/{w}"), "special": st.sampled_from(["/data", "/data/x y"])},
    optional={
        "options": st.lists(st.sampled_from(["ro", "nodevices", "nosetuid"]), unique=True, max_size=3)
    },
)
DATASETS: Any = st.fixed_dictionaries({"name": WORDS.map(lambda w: f"rpool/d{w}"), "create": st.just(True)})

CONFIGURATIONS: Any = st.fixed_dictionaries(
    {"name": st.just("web"), "nics": st.just([])},
    optional={
        "autoboot": st.booleans(),
        "bootargs": st.sampled_from(["-m verbose", "-s", "-v"]),
        "limitpriv": st.lists(
            st.sampled_from(["default", "dtrace_proc", "dtrace_user", "!sys_time"]),
            unique=True,
            min_size=1,
            max_size=3,
        ).map(lambda names: ["default", *(name for name in names if name != "default")]),
        "fsAllowed": st.lists(st.sampled_from(["nfs", "pcfs", "hsfs"]), unique=True, min_size=1),
        "hostid": st.integers(0, 0xFFFFFFFE).map(lambda n: f"{n:X}"),
        "securityFlags": st.fixed_dictionaries(
            {"default": st.lists(st.sampled_from(["aslr", "noexecstack"]), unique=True, min_size=1)}
        ),
        "attributes": st.dictionaries(
            WORDS, VALUES.map(str.strip).filter(lambda v: len(v) > 0), max_size=4
        ),
        "cpus": st.integers(1, 6400).map(lambda n: n / 100),
        "memory": SIZES,
        "swap": SIZES,
        "maxLwps": COUNTS,
        "maxProcesses": COUNTS,
        "maxShmMemory": SIZES,
        "maxSemIds": COUNTS,
        "cpuShares": st.integers(1, 65535),
        "resourceControls": st.lists(
            st.builds(
                lambda limit, deny: {"name": "zone.max-lofi", "limit": limit, "deny": deny},
                st.integers(1, 10**9),
                st.booleans(),
            ),
            max_size=2,
            unique_by=lambda control: control["limit"],
        ),
        "filesystems": st.lists(FILESYSTEMS, max_size=3, unique_by=lambda fs: fs["dir"]),
        "datasets": st.lists(DATASETS, max_size=3, unique_by=lambda dataset: dataset["name"]),
        "devices": st.lists(WORDS.map(lambda w: f"/dev/{w}*"), max_size=3, unique=True),
    },
)


class Configured:
    """The lab's zonecfg, and a host as the provider sees it, on which one zone is configured."""

    def __init__(self, directory: str, profile: str) -> None:
        self.lab: Any = zone_host(Path(directory), PROFILES[profile])
        self.profile = profile
        self.made: set[str] = set()

    def host(self) -> FakeHost:
        host = FakeHost(SYSTEMS[self.profile])
        host.brands += " lipkg whole-root"
        host.paths = ["directory /data", "directory /data/x y"]
        host.datasets += [f"{name}\tfilesystem\tlegacy" for name in sorted(self.made)]
        host.owned += [f"{name}\tpulumi-illumos:zone\tweb" for name in sorted(self.made)]
        exported = self.lab.run("zonecfg", "-z", "web", "export")
        if exported.exit == 0:
            # What zonecfg rounds is read from the file that it keeps.
            caps = self.lab.path("global", "/etc/zones/web.xml").read_text().split('physcap="')[1:]
            host.zone("web", "running", exported.stdout, {"etc/nodename": "web\n"})
            if caps:
                cap = caps[0].split('"')[0]
                host.configurations[-1] = host.configurations[-1].replace("#memory \n", f"#memory {cap}\n")
            brand = BRANDS[self.profile]
            host.zones[-1] = (
                host.zones[-1].replace(":lipkg:", f":{brand}:").replace("/zones/web", f"{self.zones}/web")
            )
        return host

    @property
    def zones(self) -> str:
        return str(self.lab.profile.zones_parent)

    def carry_out(self, wanted: ZoneInputs, *, update: bool) -> None:
        """Send the provider's zonecfg commands, as it would to a host."""
        now = self.host().snapshot()
        state = ZONE.read("gz", "web", now) if update else None
        for step in ZONE.plan(wanted, now, OWNER, state).steps:
            if step.say.startswith("creating dataset "):
                self.made.add(step.say.split()[2])
            if "configur" in step.say and step.run.stdin:
                self.lab.path("global", "/commands").write_text(step.run.stdin)
                result = self.lab.run("zonecfg", "-z", "web", "-f", "/commands")
                assert (result.exit, result.stdout, result.stderr) == (0, "", ""), step.run.stdin

    def check(self, wanted: ZoneInputs) -> None:
        """What is read means what was wanted; it needs no change, nor do the inputs of an import."""
        now = self.host().snapshot()
        state = ZONE.read("gz", "web", now)
        assert ZONE.differences(wanted, state) == []
        assert not _configures(ZONE.plan(wanted, now, OWNER, state).steps)
        imported = ZoneInputs.model_validate({**ZONE.spell(state), "nics": [], "name": "web"})
        assert ZONE.differences(imported, state) == []
        assert not _configures(ZONE.plan(imported, now, OWNER, state).steps)


def _configures(steps: Any) -> list[str]:
    return [step.run.stdin for step in steps if "configuration" in step.say and step.run.stdin]


def _wanted(raw: dict[str, Any], profile: str, zones: str) -> ZoneInputs:
    raw = dict(raw)
    if "cpuShares" in raw:
        raw["schedulingClass"] = "FSS"
    return ZoneInputs.model_validate({**raw, "brand": BRANDS[profile], "zonepath": f"{zones}/web"})


@pytest.mark.parametrize("profile", ["omnios", "tribblix"])
@SETTINGS
@given(first=CONFIGURATIONS, second=CONFIGURATIONS)
def test_any_configuration_is_read_as_it_was_wanted_and_changed_into_any_other(
    profile: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        configured = Configured(directory, profile)
        one = _wanted(first, profile, configured.zones)
        configured.carry_out(one, update=False)
        configured.check(one)
        two = _wanted(second, profile, configured.zones)
        configured.carry_out(two, update=True)
        # Where the second says nothing, some properties are left as they were.
        left = {
            name: getattr(one, name)
            for name in ("limitpriv", "fs_allowed", "security_flags", "resource_controls")
            if getattr(two, name) is None and getattr(one, name) is not None
        }
        configured.check(two)
        configured.check(two.model_copy(update=left))


@pytest.mark.parametrize("profile", ["omnios"])
def test_what_the_model_does_not_know_survives_every_change(profile: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        configured = Configured(directory, profile)
        configured.carry_out(_wanted({"name": "web", "nics": []}, profile, configured.zones), update=False)
        by_hand = (
            "set zfs-io-priority=7; add device; set match=/dev/x; add property (name=p,value=v); end; "
            "add rctl; set name=zone.max-lofi; add value (priv=privileged,limit=5,action=deny); end; "
            "add admin; set user=root; set auths=login; end; "
            "add attr; set name=count; set type=int; set value=5; end"
        )
        assert configured.lab.run("zonecfg", "-z", "web", by_hand).exit == 0
        changed = {
            "name": "web",
            "nics": [],
            "autoboot": False,
            "cpus": 2,
            "devices": ["/dev/x"],
            "attributes": {"count": "5"},
        }
        configured.carry_out(_wanted(changed, profile, configured.zones), update=True)
        config = zonecfg.parse_export(configured.lab.run("zonecfg", "-z", "web", "export").stdout)
        assert config.properties.get("autoboot") == "false"
        assert config.rctl_limit("zone.cpu-cap") == 200
        assert config.rctl_limit("zone.zfs-io-priority") == 7
        assert config.rctl_limit("zone.max-lofi") == 5
        device, count = config.resource("device", "/dev/x"), config.resource("attr", "count")
        assert device is not None
        assert device.lists == (("property", '(name=p,value="v")'),)
        assert count is not None
        assert count.values["type"] == "int"
        assert config.resource("admin", "root") is not None

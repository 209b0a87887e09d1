"""Settings, limits and storage of a zone: what is planned, refused, read back and left alone."""

import pytest

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.resources.kind import Difference

from .hosts import OWNER, TRIBBLIX, ZONE, FakeHost, plan, says, text_of

BOX = {"name": "box", "nics": []}
CONFIG = f"""\
create -b
set zonepath=/zones/box
set brand=lipkg
set autoboot=true
set ip-type=exclusive
add attr
set name="pulumi-owner"
set type="string"
set value="{OWNER.urn}"
end
add attr
set name="pulumi-install"
set type="string"
set value="-"
end
"""
FILES = {"etc/nodename": "box\n", "etc/resolv.conf": "nameserver 192.0.2.53\n"}
CAP = """\
add rctl
set name="zone.cpu-cap"
add value (priv=privileged,limit=150,action=deny)
end
"""
SPARSE = """\
add fs
set dir="/usr"
set special="/usr"
set type="lofs"
add options ro
add options nodevices
end
"""


def box(more="", live=None, system=None, state="running"):
    host = FakeHost(system) if system else FakeHost()
    brand = "sparse-root" if system == TRIBBLIX else "lipkg"
    host.zone("box", state, CONFIG.replace("lipkg", brand) + more, FILES, brand=brand)
    if live is not None:
        lines = "".join(f"\t{line}\n" for line in live.splitlines())
        host.configurations[-1] += f"#live rctls\n{lines}"
    return host


def state_of(host):
    return ZONE.read("gz", "box", host.snapshot())


def differing(raw, host):
    wanted = ZONE.inputs.model_validate(raw)
    return [difference.property for difference in ZONE.differences(wanted, state_of(host))]


# Limits ------------------------------------------------------------------------------------------


def test_a_changed_cap_is_changed_in_the_configuration_and_in_the_running_zone():
    steps = plan(ZONE, BOX | {"cpus": 2}, box(CAP), update=True)
    assert says(steps) == [
        "changing the configuration of zone box",
        "setting zone.cpu-cap of the running zone box to 200",
    ]
    assert steps[1].done is not None


def test_a_cap_of_a_halted_zone_is_changed_in_its_configuration_only():
    raw = BOX | {"cpus": 2, "state": "halted"}
    assert says(plan(ZONE, raw, box(CAP, state="installed"), update=True)) == [
        "changing the configuration of zone box"
    ]


def test_a_cap_that_is_taken_away_is_not_in_force_any_longer():
    steps = plan(ZONE, BOX, box(CAP), update=True)
    assert says(steps)[-1] == "setting zone.cpu-cap of the running zone box to no limit"


def test_shares_that_are_taken_away_become_the_systems_own():
    shares = CAP.replace("cpu-cap", "cpu-shares").replace("150,action=deny", "20,action=none")
    steps = plan(ZONE, BOX, box(shares), update=True)
    assert says(steps)[-1] == "setting zone.cpu-shares of the running zone box to 1"


def test_what_prctl_changed_by_hand_is_drift_and_is_mended_without_touching_the_configuration():
    host = box(
        CAP, "zone: 5: box\nzone.cpu-cap privileged 400 - deny -\nzone.cpu-cap system 4294967295 inf deny -"
    )
    assert state_of(host).live_limits["zone.cpu-cap"] == "400"
    assert differing(BOX | {"cpus": 1.5}, host) == ["liveLimits"]
    steps = plan(ZONE, BOX | {"cpus": 1.5}, host, update=True)
    assert "setting zone.cpu-cap of the running zone box to 150" in says(steps)
    assert "changing the configuration of zone box" not in says(steps)


def test_a_memory_cap_that_rcapd_keeps_is_set_in_the_running_zone_too():
    said = says(plan(ZONE, BOX | {"memory": "1G"}, box(system=TRIBBLIX), update=True))
    assert said[0] == "changing the configuration of zone box"
    assert said[-1] == "capping the memory of the running zone box at 1G"
    assert "booting zone box" not in said


@pytest.mark.parametrize("spelling", ["1-4", "1 - 4"])
def test_dedicated_cpus_need_a_reboot_and_have_one_meaning(spelling):
    config = "add dedicated-cpu\nset ncpus=1-4\nend\n"
    assert differing(BOX | {"dedicatedCpus": {"count": spelling}}, box(config)) == []
    steps = plan(ZONE, BOX | {"dedicatedCpus": {"count": 2}}, box(config), update=True)
    assert "booting zone box" in says(steps)


BY_HAND = """\
add capped-memory
set physical=1G
end
add rctl
set name=zone.max-swap
add value (priv=privileged,limit=2147483648,action=deny)
end
""" + CAP.replace('"', "")


def made_by_hand(config=BY_HAND):
    """A zone with these caps, where rcapd caps the memory."""
    host = box(config, system=TRIBBLIX)
    host.configurations[-1] = host.configurations[-1].replace("#memory \n", f"#memory {2**30}\n")
    return host


@pytest.mark.parametrize("memory", ["1G", "1024M", "1073741824"])
@pytest.mark.parametrize("swap", ["2G", "2048m"])
def test_caps_that_were_made_by_hand_are_read_whatever_they_are_called(memory, swap):
    limits = {"memory": memory, "swap": swap, "cpus": 1.5}
    assert differing(BOX | limits, made_by_hand()) == []
    assert "capping" not in " ".join(says(plan(ZONE, BOX | limits, made_by_hand(), update=True)))
    assert "zonecfg" not in text_of(plan(ZONE, BOX | limits, made_by_hand(), update=True))


def test_a_cap_that_was_raised_by_hand_is_a_difference():
    limits = {"memory": "1G", "swap": "2G", "cpus": 1.5}
    assert differing(BOX | limits, made_by_hand(BY_HAND.replace("limit=150", "limit=200"))) == ["cpus"]


def test_another_memory_cap_leaves_the_other_caps_alone():
    steps = plan(ZONE, BOX | {"memory": "3G", "swap": "2G", "cpus": 1.5}, made_by_hand(), update=True)
    sent = text_of(steps)
    assert f'set physical="{3 * 2**30}"' in sent
    # zonecfg adds no capped-memory beside that of swap: it is put back afterwards.
    swap = 'set name="zone.max-swap"\nadd value (priv=privileged,limit=2147483648,action=deny)'
    assert sent.index('remove rctl name="zone.max-swap"') < sent.index(swap)
    assert "zone.cpu-cap" not in sent


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "raw"),
    [
        ("set limitpriv=default\n", {}),
        ("set limitpriv=default,dtrace_proc\n", {}),
        ("set limitpriv=dtrace_proc,default\n", {"limitpriv": ["default", "dtrace_proc"]}),
        ("set hostid=0x8F2A31B0\n", {"hostid": "8f2a31b0"}),
        ("set fs-allowed=pcfs,nfs\n", {"fsAllowed": ["nfs", "pcfs"]}),
        ("add security-flags\nset default=ASLR\nend\n", {"securityFlags": {"default": ["aslr"]}}),
        ("add admin\nset user=al\nset auths=manage,login\nend\n", {}),
        (
            "add admin\nset user=al\nset auths=manage,login\nend\n",
            {"admins": [{"user": "al", "auths": ["login", "manage"]}]},
        ),
    ],
)
def test_another_spelling_of_a_setting_is_no_change(config, raw):
    host = box(config)
    assert differing(BOX | raw, host) == []
    assert says(plan(ZONE, BOX | raw, host, update=True)) == []


def test_a_setting_that_was_made_by_hand_is_a_difference_and_is_cleared():
    host = box("set pool=pool_web\nset bootargs=-m verbose\n")
    assert differing(BOX, host) == ["bootargs", "pool"]
    steps = plan(ZONE, BOX, host, update=True)
    assert "clear pool\n" in steps[0].run.stdin
    assert "clear bootargs\n" in steps[0].run.stdin


# Storage -----------------------------------------------------------------------------------------


def test_what_a_sparse_zone_shares_with_the_host_is_neither_drift_nor_spelled():
    host = box(SPARSE, system=TRIBBLIX)
    assert differing(BOX, host) == []
    assert "filesystems" not in ZONE.spell(state_of(host))
    said = says(plan(ZONE, BOX, host, update=True))
    assert not {"changing the configuration of zone box", "booting zone box"} & set(said)


def test_a_directory_that_is_missing_is_refused_and_one_that_is_there_is_shared():
    raw = BOX | {"filesystems": [{"dir": "/data", "special": "/tank/data", "options": ["ro"]}]}
    with pytest.raises(Refused, match="there is no directory /tank/data on the host"):
        plan(ZONE, raw, box(), update=True)
    host = box()
    host.paths = ["directory /tank/data"]
    steps = plan(ZONE, raw, host, update=True)
    assert 'add fs\nset dir="/data"\nset special="/tank/data"\nset type="lofs"\nadd options "ro"\nend' in (
        steps[0].run.stdin
    )
    assert "booting zone box" in says(steps)


def test_a_dataset_is_made_only_when_asked_and_its_parent_must_exist():
    raw = BOX | {"datasets": [{"name": "rpool/data/box"}]}
    with pytest.raises(Refused, match="set create, or make it"):
        plan(ZONE, raw, box(), update=True)
    made = BOX | {"datasets": [{"name": "rpool/data/box", "create": True}]}
    with pytest.raises(Refused, match="there is no dataset rpool/data on the host"):
        plan(ZONE, made, box(), update=True)
    host = box()
    host.datasets.append("rpool/data\tfilesystem\t/data")
    steps = plan(ZONE, made, host, update=True)
    assert says(steps)[0] == "creating dataset rpool/data/box for zone box"
    assert "pulumi-illumos:zone=box" in text_of(steps[:1])


def test_a_dataset_of_another_zone_is_refused():
    host = box().zone(
        "other", "installed", CONFIG.replace("box", "other") + "add dataset\nset name=rpool/x\nend\n"
    )
    host.datasets.append("rpool/x\tfilesystem\t/x")
    with pytest.raises(Refused, match="delegated to zone other"):
        plan(ZONE, BOX | {"datasets": [{"name": "rpool/x"}]}, host, update=True)


@pytest.mark.parametrize(
    ("owned", "retain", "destroyed"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_only_a_dataset_that_was_made_for_the_zone_goes_with_it(owned, retain, destroyed):
    host = box("add dataset\nset name=rpool/data\nend\n")
    host.datasets.append("rpool/data\tfilesystem\t/data")
    if owned:
        host.owned = ["rpool/data\tpulumi-illumos:zone\tbox", "rpool/data\tquota\t10737418240"]
    now = host.snapshot()
    state = state_of(host)
    assert state is not None
    steps = ZONE.plan_delete("box", now, state.model_copy(update={"retain_data": retain})).steps
    assert ("destroying dataset rpool/data of zone box" in says(steps)) is destroyed


def test_sizes_of_a_dataset_are_compared_by_meaning():
    host = box("add dataset\nset name=rpool/data\nend\n")
    host.datasets.append("rpool/data\tfilesystem\t/data")
    host.owned = ["rpool/data\tpulumi-illumos:zone\tbox", "rpool/data\tquota\t10737418240"]
    same = {"name": "rpool/data", "create": True, "properties": {"quota": "10G"}}
    assert differing(BOX | {"datasets": [same]}, host) == []
    other = {"name": "rpool/data", "create": True, "properties": {"quota": "20G"}}
    assert differing(BOX | {"datasets": [other]}, host) == ["datasets"]
    assert says(plan(ZONE, BOX | {"datasets": [other]}, host, update=True)) == [
        "setting quota of dataset rpool/data"
    ]


def test_differences_of_limits_are_live():
    wanted = ZONE.inputs.model_validate(BOX | {"cpus": 2, "maxLwps": 500})
    found = ZONE.differences(wanted, state_of(box(CAP)))
    assert {(d.property, d.change.value) for d in found if isinstance(d, Difference)} == {
        ("cpus", "live"),
        ("maxLwps", "live"),
    }

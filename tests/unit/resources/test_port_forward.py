"""Port forwards: what is planned, refused and read back."""

from __future__ import annotations

from itertools import permutations

import pytest

from pulumi_illumos_provider import schema
from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos.fragments import BEGIN, END
from pulumi_illumos_provider.model.base import check

from .hosts import OTHER, OWNER, PORT_FORWARD, FakeHost, plan, says

WEB_CONFIG = """\
create -b
set zonepath=/zones/web
set brand=lipkg
set ip-type=exclusive
add net
set physical="web_0"
set allowed-address="ADDRESS/24"
end
"""
SSH = {"router": "gw", "name": "ssh", "publicPort": 2222, "target": "10.9.1.2", "targetPort": 22}


def host(files=None, live=None, web="10.9.1.5"):
    """A router zone gw with one network, and zone web behind it."""
    return (
        FakeHost().router(files=files, live=live).zone("web", "running", WEB_CONFIG.replace("ADDRESS", web))
    )


def after(steps, files=None):
    """The router's files when the steps have run."""
    files = dict(files or {})
    for step in steps:
        program, name = step.run.argv[7], step.run.argv[6]
        files[f"etc/ipf/{program}.d/{name}"] = step.run.stdin
    for program in ("ipnat", "ipf"):
        texts = [text for path, text in sorted(files.items()) if path.startswith(f"etc/ipf/{program}.d/")]
        lines = [line for text in texts for line in text.splitlines() if not line.startswith("#")]
        counts = program == "ipnat" or "etc/ipf/ipf.d/00-router" in files
        if counts and lines:
            rules = "".join(f"{line}\n" for line in dict.fromkeys(lines))
            files[f"etc/ipf/{program}.conf"] = f"{BEGIN}\n{rules}{END}\n"
    return files


def with_forwards(*inputs, owner=OWNER):
    """The router's files with forwards that were made."""
    files: dict[str, str] = {}
    for raw in inputs:
        files = after(plan(PORT_FORWARD, raw, host(files), owner), files)
    return files


def rules(steps, program="ipnat"):
    """The rules that the steps put into the fragments of a program."""
    return [
        line
        for step in steps
        if step.run.argv[7] == program
        for line in step.run.stdin.splitlines()
        if not line.startswith("#")
    ]


def read(files=None, live=None, **more):
    return PORT_FORWARD.read("gz", "gw/ssh", host(files, live, **more).snapshot())


def differences(raw, state):
    return [d.property for d in PORT_FORWARD.differences(PORT_FORWARD.inputs.model_validate(raw), state)]


# Rules -------------------------------------------------------------------------------------------


def test_a_forward_is_a_redirection_from_every_side_and_a_way_back():
    steps = plan(PORT_FORWARD, SSH, host())
    assert says(steps) == [
        "making forward ssh in router zone gw",
        "letting the filter pass forward ssh in router zone gw",
    ]
    assert rules(steps) == [
        "rdr gw_0 192.0.2.100/32 port 2222 -> 10.9.1.2 port 22 tcp",
        "rdr gw_1 192.0.2.100/32 port 2222 -> 10.9.1.2 port 22 tcp",
        "map gw_1 from 10.9.1.0/24 to 10.9.1.2/32 port = 22 -> 10.9.1.254/32 portmap tcp 10000:32767",
    ]
    assert rules(steps, "ipf") == [
        f"pass in quick on {link} proto tcp from any to 10.9.1.2/32 port = 22 flags S/SA keep state"
        for link in ("gw_0", "gw_1")
    ]


def test_without_hairpin_only_the_world_is_redirected():
    steps = plan(PORT_FORWARD, SSH | {"hairpin": False, "protocol": "udp"}, host())
    assert rules(steps) == ["rdr gw_0 192.0.2.100/32 port 2222 -> 10.9.1.2 port 22 udp"]
    assert rules(steps, "ipf") == [
        "pass in quick on gw_0 proto udp from any to 10.9.1.2/32 port = 22 keep state"
    ]


def test_a_range_keeps_its_length():
    steps = plan(PORT_FORWARD, SSH | {"publicPort": "8000-8010", "targetPort": "9000-9010"}, host())
    assert rules(steps)[0] == "rdr gw_0 192.0.2.100/32 port 8000-8010 -> 10.9.1.2 port 9000 tcp"
    assert "to 10.9.1.2/32 port 8999 >< 9011 -> " in rules(steps)[-1]


@pytest.mark.parametrize("target", ["web", "gz/web", "10.9.1.5", "10.9.1.5/24"])
def test_the_target_is_a_zone_or_an_address(target):
    steps = plan(PORT_FORWARD, SSH | {"target": target, "host": "gz"}, host())
    assert "-> 10.9.1.5 port 22 tcp" in rules(steps)[0]


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "property", "words"),
    [
        ({"router": "nowhere"}, "router", "there is no router zone nowhere"),
        ({"router": "web"}, "router", "there is no router zone web"),
        ({"router": "gz2/gw", "host": "gz"}, "router", "on host gz2"),
        ({"publicAddress": "192.0.2.7"}, "publicAddress", "does not have 192.0.2.7"),
        ({"target": "10.8.1.2"}, "target", "in no network of router zone gw"),
        ({"target": "10.9.1.254"}, "target", "router zone gw itself"),
        ({"target": "10.9.1.255"}, "target", "broadcast"),
        ({"target": "missing"}, "target", "there is no zone missing"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_done(more, property, words):
    with pytest.raises(Refused, match=words) as refusal:
        plan(PORT_FORWARD, SSH | more, host())
    assert refusal.value.property == property


def test_a_zone_that_is_not_behind_the_router_is_refused():
    with pytest.raises(Refused, match="zone web has no address in a network of router zone gw"):
        plan(PORT_FORWARD, SSH | {"target": "web"}, host(web="192.0.2.9"))


@pytest.mark.parametrize(
    ("more", "property"),
    [
        ({"publicPort": 70000}, "publicPort"),
        ({"publicPort": 0}, "publicPort"),
        ({"publicPort": "8010-8000"}, "publicPort"),
        ({"publicPort": "8000-8010", "targetPort": 9000}, "targetPort"),
        ({"targetPort": "80-65536"}, "targetPort"),
        ({"protocol": "icmp"}, "protocol"),
        ({"target": "10.9.1.300"}, "target"),
        ({"name": "a/b"}, "name"),
        ({"router": "a b"}, "router"),
    ],
)
def test_what_is_no_forward_is_refused_without_a_host(more, property):
    _, failures = check(PORT_FORWARD.inputs, SSH | more)
    assert [failure.property for failure in failures] == [property]


def test_ports_of_one_address_are_claimed_for_each_protocol():
    def claim(**more):
        return PORT_FORWARD.claims(PORT_FORWARD.inputs.model_validate(SSH | more))[0]

    assert claim().conflicts(claim(router="gz/gw", publicPort="2000-3000", targetPort="2000-3000"))
    assert not claim().conflicts(claim(protocol="udp"))
    assert not claim().conflicts(claim(publicPort=2223))
    assert not claim().conflicts(claim(router="gw2"))
    assert not claim().conflicts(claim(publicAddress="192.0.2.101"))


def test_a_port_that_another_stack_has_is_refused_naming_it():
    files = with_forwards(
        SSH | {"name": "theirs", "publicPort": "2200-2300", "targetPort": "2200-2300"}, owner=OTHER
    )
    with pytest.raises(
        Refused, match=r"tcp port 2200-2300 of 192.0.2.100 is taken by .*::other"
    ) as refusal:
        plan(PORT_FORWARD, SSH, host(files))
    assert refusal.value.property == "publicPort"
    plan(PORT_FORWARD, SSH | {"protocol": "udp"}, host(files))


def test_a_port_of_an_ingress_is_refused():
    files = {"etc/haproxy.d/shop": "# owner: urn:shop\n# ports: tcp 192.0.2.100 443 443\n"}
    with pytest.raises(Refused, match="taken by urn:shop"):
        plan(PORT_FORWARD, SSH | {"publicPort": 443, "targetPort": 443}, host(files))


def test_a_forward_of_another_owner_is_not_taken_over():
    files = with_forwards(SSH)
    with pytest.raises(Refused, match="pulumi import illumos:index:PortForward NAME HOST/gw/ssh"):
        plan(PORT_FORWARD, SSH, host(files), owner=OTHER)
    plan(PORT_FORWARD, SSH, host(files))


# Reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        SSH,
        SSH | {"publicPort": "2222", "publicAddress": "192.0.2.100"},
        SSH | {"target": "gz/web", "router": "gz/gw"},
        SSH | {"publicPort": "8000-8010", "targetPort": "9000-9010", "protocol": "udp", "hairpin": False},
    ],
)
def test_what_was_made_is_read_back(raw):
    state = read(with_forwards(raw))
    assert differences(raw, state) == []
    assert PORT_FORWARD.respell(state, raw) == raw
    assert differences(PORT_FORWARD.spell(state), state) == []


def test_an_import_spells_no_defaults():
    assert PORT_FORWARD.spell(read(with_forwards(SSH))) == SSH
    spelled = PORT_FORWARD.spell(read(with_forwards(SSH | {"targetPort": 2222, "target": "web"})))
    assert spelled == {"router": "gw", "name": "ssh", "publicPort": 2222, "target": "web"}


def test_the_order_of_forwards_makes_no_difference():
    inputs = [SSH, SSH | {"name": "two", "publicPort": 2223}, SSH | {"name": "three", "protocol": "udp"}]
    assert len({str(sorted(with_forwards(*order).items())) for order in permutations(inputs)}) == 1


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ({"publicPort": 2224}, ["publicPort"]),
        ({"protocol": "udp"}, ["protocol"]),
        ({"target": "10.9.1.3"}, ["target"]),
        ({"target": "web"}, ["target"]),
        ({"publicAddress": "192.0.2.101"}, ["publicAddress"]),
        ({"hairpin": False}, ["hairpin"]),
        ({"router": "gw2"}, ["router"]),
    ],
)
def test_a_change_shows(more, changed):
    assert differences(SSH | more, read(with_forwards(SSH))) == changed


def test_a_zone_that_moved_shows_as_another_target():
    raw = SSH | {"target": "web"}
    state = read(with_forwards(raw), web="10.9.1.6")
    assert (state.target, differences(raw, state)) == ("10.9.1.5", ["target"])
    steps = plan(PORT_FORWARD, raw, host(with_forwards(raw), web="10.9.1.6"))
    assert "-> 10.9.1.6 port 22" in rules(steps)[0]


def _in_kernel(files):
    """What the kernel has when nobody interfered."""
    meant = "".join(
        f"{line}\n" for line in files["etc/ipf/ipnat.conf"].splitlines() if not line.startswith("#")
    )
    return {"ipnat": f"List of active MAP/Redirect filters:\n{meant}", "ipf": "", "ipnat-meant": meant}


def test_rules_that_are_not_in_force_show():
    files = with_forwards(SSH)
    live = _in_kernel(files)
    assert read(files, live).deviations == []
    flushed = read(files, live | {"ipnat": "List of active MAP/Redirect filters:\n"})
    assert len(flushed.deviations) == 3
    assert differences(SSH, flushed) == ["deviations"]


def test_a_configuration_without_the_rules_shows():
    files = with_forwards(SSH) | {"etc/ipf/ipnat.conf": "# emptied\n"}
    assert differences(SSH, read(files)) == ["deviations"]


def test_a_fragment_changed_by_hand_shows():
    files = with_forwards(SSH)
    path = "etc/ipf/ipnat.d/50-forward-ssh"
    files[path] = files[path].replace("port 22 tcp", "port 23 tcp", 1)
    state = read(files)
    assert [word for line in state.deviations for word in line.split(":")[:1]] == [
        "not in force",
        "not in force",
        "not asked for",
    ]


def test_filter_rules_are_missed_only_with_a_firewall():
    files = with_forwards(SSH)
    assert read(files).deviations == []
    firewall = files | {"etc/ipf/ipf.d/00-router": "block in on gw_0 all\n"}
    assert len(read(firewall).deviations) == 2
    assert read(after([], firewall)).deviations == []


# Removal -----------------------------------------------------------------------------------------


def test_removal_takes_rules_and_pass_rules():
    snapshot = host(with_forwards(SSH)).snapshot()
    steps = PORT_FORWARD.plan_delete("gw/ssh", snapshot, read(with_forwards(SSH))).steps
    assert says(steps) == [
        "removing forward ssh of router zone gw",
        "letting the filter forget forward ssh of router zone gw",
    ]


def test_removal_is_done_when_the_router_is_gone():
    state = read(with_forwards(SSH))
    assert PORT_FORWARD.plan_delete("gw/ssh", FakeHost().snapshot(), state).steps == ()
    assert PORT_FORWARD.read("gz", "gw/ssh", FakeHost().snapshot()) is None


def test_the_page_tells_the_form_of_the_id():
    page = schema.build({PORT_FORWARD.token: PORT_FORWARD})["resources"][PORT_FORWARD.token]["description"]
    assert "pulumi import illumos:index:PortForward NAME HOST/ROUTER/NAME_ON_HOST" in page

"""The traps that illumos' commands hold, each with a test that nothing we can send falls into it.

The plans of every situation in `SITUATIONS` stand for all that the provider sends.
"""

import re
import subprocess

import pytest

from pulumi_illumos_provider.illumos import dladm, ipadm, ownership, route, zoneadm, zonecfg
from pulumi_illumos_provider.illumos.snapshot import probes
from pulumi_illumos_provider.model.values import link_name_fault

from .hosts import ETHERSTUB, INGRESS, OMNIOS, ROUTER, ROUTER_INPUTS, TRIBBLIX, ZONE, FakeHost, plan
from .test_plans import WEB, with_web

NETWORK = [{"subnet": "10.9.1.0/24"}]
FRESH_ROUTER = {"name": "gw", "publicAddress": "192.0.2.100", "networks": NETWORK}
EVERYTHING = WEB | {
    "memory": "12800M",
    "swap": "2G",
    "cpus": 2.3,
    "hostname": "www",
    "attributes": {"note": "a b=c;d"},
    "sshAuthorizedKeys": ["ssh-ed25519 AAAA me"],
}
DHCP_NICS = [{"router": "gw", "dhcp": True}, {"link": "igb0", "dhcp": True, "vlanId": 7}]
DHCP = {"name": "app", "nics": DHCP_NICS}
MORE_NETWORKS = [*ROUTER_INPUTS["networks"], {"subnet": "10.20.0.0/26"}]
CHANGED = WEB | {"address": "10.9.1.21", "memory": "1G", "autoboot": False, "state": "halted"}

SHOP = {"router": "gw", "name": "shop", "port": 80, "backends": [{"target": "10.9.1.5", "port": 80}]}


def deletion(kind, name, host):
    now = host.snapshot()
    return kind.plan_delete(name, now, kind.read("gz", name, now)).steps


SITUATIONS = {
    "etherstub": lambda: plan(ETHERSTUB, {"name": "lan0", "mtu": 1500}, FakeHost()),
    "etherstub deleted": lambda: deletion(ETHERSTUB, "lan0", FakeHost().etherstub("lan0")),
    "router": lambda: plan(ROUTER, FRESH_ROUTER, FakeHost(OMNIOS)),
    "router on tribblix": lambda: plan(ROUTER, FRESH_ROUTER, FakeHost(TRIBBLIX)),
    "router changed": lambda: plan(
        ROUTER, ROUTER_INPUTS | {"networks": MORE_NETWORKS}, FakeHost().router(), update=True
    ),
    "router deleted": lambda: deletion(ROUTER, "gw", FakeHost().router()),
    "ingress": lambda: plan(INGRESS, SHOP, FakeHost().router()),
    "ingress on tribblix": lambda: plan(INGRESS, SHOP, FakeHost(TRIBBLIX).router()),
    "ingress deleted": lambda: INGRESS.plan_delete("gw/shop", FakeHost().router().snapshot(), None).steps,
    "zone": lambda: plan(ZONE, EVERYTHING, FakeHost().router()),
    "zone by dhcp": lambda: plan(ZONE, DHCP, FakeHost().router()),
    "zone, shared ip": lambda: plan(ZONE, WEB | {"ipType": "shared"}, FakeHost().router()),
    "zone changed": lambda: plan(ZONE, CHANGED, with_web(), update=True),
    "zone deleted": lambda: deletion(ZONE, "web", with_web()),
}


@pytest.fixture(params=SITUATIONS)
def steps(request):
    return SITUATIONS[request.param]()


def words(steps):
    return [step.run.argv for step in steps]


def sent(steps):
    """Command lines, with the arguments of our own scripts in their places."""
    lines = []
    for step in steps:
        argv = step.run.argv
        script, *arguments = argv[2:] if argv[1:2] == ("-c",) else (" ".join(argv),)
        for number, argument in enumerate(arguments):
            script = script.replace(f'"${number}"', argument)
        lines.append(script)
    return lines


def zonecfg_input(steps):
    return "".join(step.run.stdin or "" for step in steps if "zonecfg" in " ".join(step.run.argv))


# Waiting and deciding ----------------------------------------------------------------------------


def test_every_step_has_a_time_limit_and_a_bounded_number_of_attempts(steps):
    assert all(0 < step.timeout <= 3600 and 1 <= step.attempts <= 60 for step in steps)


def test_nothing_waits_without_limit_inside_smf(steps):
    # `svcadm enable -s` has no limit of its own; the lease script's disable stands within its step's.
    assert not any(re.search(r"svcadm .*enable .*-s", line) for line in sent(steps))


def test_what_may_be_refused_with_status_0_is_looked_at_afterwards(steps):
    for step in steps:
        line = " ".join(step.run.argv)
        if "zonecfg" in line and "delete" in line:
            assert step.done == zoneadm.absent(step.run.argv[2])
        if re.search(r"zoneadm .*(install|uninstall|boot)|create-vnic|create-etherstub|delete-vnic", line):
            assert step.done is not None, step.say


def test_whether_something_is_gone_is_asked_by_listing_and_a_failed_listing_is_no_answer():
    for question in (dladm.link_absent("x0"), zoneadm.absent("x"), ipadm.interface_absent("x0")):
        script = question.argv[2]
        assert "|| exit 1" in script
        # With no illumos commands here the listing fails: so the answer must not be "gone".
        assert subprocess.run(question.argv, capture_output=True, check=False).returncode != 0


def test_no_decision_rests_on_the_wording_of_a_message(steps):
    wordings = ("not found", "No such zone", "already exists", "not valid", "link busy", "does not exist")
    for step in steps:
        text = " ".join(step.run.argv) + " ".join(step.done.argv if step.done else ())
        assert not any(wording in text for wording in wordings)


# dladm and ipadm ---------------------------------------------------------------------------------


def test_programs_are_called_by_absolute_path(steps):
    for argv in words(steps):
        assert argv[0].startswith("/")
    for line in sent(steps):
        for program in ("dladm", "ipadm", "zonecfg", "zoneadm", "svcadm", "svcs", "pkill", "zlogin"):
            assert not re.search(rf"(^|[\s;|&(]){program}\s", line), line


def test_one_property_is_set_at_a_time(steps):
    for argv in words(steps):
        if "set-linkprop" in argv:
            assert argv[argv.index("-p") + 1].count("=") == 1


def test_listings_are_parseable_and_name_their_fields():
    for command in (dladm.SHOW_LINKS, dladm.SHOW_VNICS, ipadm.SHOW_ADDRESSES, ipadm.SHOW_INTERFACES):
        assert " -p -o " in " ".join(command.argv)
    # For properties -c is the switch, and -p chooses them.
    assert dladm.SHOW_PROTECTION.argv[2:4] == ("-c", "-o")
    assert route.GET_DEFAULT.argv[1:] == ("-n", "get", "-inet", "default")


def test_every_link_we_name_is_legal(steps):
    for argv in words(steps):
        if argv[1:2] in (("create-vnic",), ("create-etherstub",)):
            assert link_name_fault(argv[-1]) is None


def test_links_are_made_persistent(steps):
    changes = [argv for argv in words(steps) if argv[0].endswith(("dladm", "ipadm"))]
    # A link is lent to a running zone until it halts: zoneadm does the same at each boot.
    lent = [argv for argv in changes if any(word.startswith("zone=") for word in argv)]
    assert not any("-t" in argv for argv in changes if argv not in lent)


def test_vnics_go_before_their_etherstub_and_interfaces_before_their_vnic():
    order = [step.say for step in SITUATIONS["router changed"]()]
    assert order.index("creating etherstub gw_lan1") < order.index("creating vnic gw_2 over gw_lan1")
    assert order.index("creating vnic gw_2 over gw_lan1") < order.index("lending vnic gw_2 to zone gw")
    assert "shutting down zone gw" not in order
    gone = [step.say for step in SITUATIONS["router deleted"]()]
    assert gone.index("unplumbing gw_s0") < gone.index("deleting vnic gw_s0")
    assert gone[-1] == "deleting the configuration of zone gw"


# Link protection ---------------------------------------------------------------------------------


def test_dhcp_and_an_allowed_address_never_meet():
    text = zonecfg_input(SITUATIONS["zone by dhcp"]())
    assert "allowed-address" not in text
    assert "defrouter" not in text  # which would need an allowed-address


def test_no_router_has_an_allowed_address(steps):
    text = zonecfg_input(steps)
    if "pulumi-public" in text:
        assert "allowed-address" not in text


# zonecfg -----------------------------------------------------------------------------------------


def test_command_files_are_complete_and_stop_at_the_first_error(steps):
    for step in steps:
        if step.run.stdin and "zonecfg" in " ".join(step.run.argv):
            assert step.run.stdin.endswith("\n")
            assert '-f "$file"' in step.run.argv[2]
            assert step.run.stdin.count('"') % 2 == 0
            opened = len(re.findall(r"(?m)^(add [a-z-]+|select .*)$", step.run.stdin))
            assert opened == len(re.findall(r"(?m)^end$", step.run.stdin))


def test_a_blank_configuration_or_a_template_is_named_never_the_default(steps):
    for line in zonecfg_input(steps).splitlines():
        assert not line.startswith("create") or re.fullmatch(r"create (-b|-t TRIB[a-z]+)", line)


def test_the_owner_is_saved_first_because_an_error_does_not_undo_what_came_before():
    lines = zonecfg_input(SITUATIONS["zone"]()).splitlines()
    assert lines[1:3] == ["add attr", 'set name="pulumi-owner"']


def test_what_needs_a_terminal_is_forced(steps):
    for line in sent(steps):
        assert "uninstall" not in line or "uninstall -F" in line
        assert not re.search(r"zonecfg -z \S+ delete$", line)


def test_caps_avoid_the_aliases_that_round_or_truncate(steps):
    text = zonecfg_input(steps)
    assert "capped-cpu" not in text
    assert "ncpus" not in text
    assert not re.search(r"(?m)^set (physical|swap|locked)=.*[KMGT]$", text)


def test_ip_type_and_autoboot_are_always_said(steps):
    text = zonecfg_input(steps)
    if "create " in text:
        assert "set ip-type=" in text
        assert "set autoboot=" in text


@pytest.mark.parametrize("value", ['say "hi"', "two\nlines", "x" * 1001])
def test_what_zonecfg_would_drop_silently_is_never_sent(value):
    with pytest.raises(ValueError, match="cannot be stored"):
        zonecfg.add_resource(zonecfg.attribute("note", value))


def test_install_options_are_plain_words(steps):
    for argv in words(steps):
        if "install" in argv:
            options = argv[argv.index("install") :]
            assert all(re.fullmatch(r"[A-Za-z0-9_./=:@+-]+", word) for word in options)


# IPFilter and dnsmasq ----------------------------------------------------------------------------


def test_nat_rules_end_with_a_line_feed_and_avoid_auto():
    for step in SITUATIONS["router"]():
        if "ipnat.conf" in step.say:
            assert step.run.stdin.endswith("\n")
            assert "auto" not in step.run.stdin
            assert "-> 0/32" not in step.run.stdin


def test_dnsmasq_gets_no_option_that_it_refuses_on_illumos_and_listens_only_inside():
    (text,) = [s.run.stdin for s in SITUATIONS["router"]() if "dnsmasq.conf" in s.say]
    for option in ("dhcp-hostsdir", "dhcp-optsdir", "hostsdir", "bind-dynamic", "log-async"):
        assert not re.search(rf"(?m)^{option}", text)
    assert re.findall(r"(?m)^interface=(.*)", text) == ["gw_1"]
    assert "dhcp-broadcast" in text


def test_svcadm_refresh_is_never_used_to_load_a_configuration(steps):
    # IPFilter's policy is a property of its service, and forwarding is what its service does.
    # haproxy has tested its configuration before.
    meant = ("IPFilter", "forwarding", "ingress")
    spoken = [step for step in steps if not any(word in step.say for word in meant)]
    assert not any("refresh" in line for line in sent(spoken))


# Reading -----------------------------------------------------------------------------------------


def test_reading_changes_nothing():
    verbs = "create|delete|destroy|(un)?install|boot|halt|enable|disable|rm|mv|cp|set-|add-|remove"
    changing = rf"(?<![-\w])({verbs})\b"
    for name, command in probes("web").items():
        assert not re.search(changing, " ".join(command.argv[2:])), name
    # Even `zonecfg -z global info` would create a file: the global zone is left out.
    assert "list -cn" in probes("web")["configurations"].argv[2]
    assert ownership.LIST.stdin is None

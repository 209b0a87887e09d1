"""Fragments of rules in a router zone of an emulated host: changed side by side, cut off, refused."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from illumos_lab.testing import Host, Lab
from pulumi_illumos_provider.illumos import fragments
from pulumi_illumos_provider.illumos.fragments import BEGIN, END, FILTER, FILTER6, NAT

ROOT = "/zones/gw/root"
ETC = f"{ROOT}/etc/ipf"
ADMINISTRATORS = "map p0 10.9.0.0/24 -> 0/32\n"
BUILD = f"""
set -o errexit
dladm create-vnic -l e1000g0 p0
zonecfg -z gw -f - <<END
create -b
set brand=lipkg
set zonepath=/zones/gw
set ip-type=exclusive
add net
set physical=p0
end
END
zoneadm -z gw install
echo 192.0.2.100/24 >{ROOT}/etc/hostname.p0
mkdir -p {ETC}
printf '%s' '{ADMINISTRATORS}' >{ETC}/ipnat.conf
zoneadm -z gw boot
until [ "$(svcs -z gw -H -o state multi-user-server)" = online ]; do sleep 0.05; done
svcadm -z gw enable -s svc:/network/ipfilter:default
"""


@pytest.fixture(scope="module")
def built() -> Iterator[Host]:
    with Lab.start(time_scale=0) as lab:
        lab.host.run(["/usr/bin/ksh93", "-c", BUILD]).check()
        yield lab.host


@pytest.fixture
def host(built: Host) -> Iterator[Host]:
    """The host; its router zone has only an administrator's rule before and after."""
    yield built
    for kind in (FILTER6, FILTER, NAT):
        for name in names(built, kind):
            carry_out(built, fragments.remove(kind, "gw", ROOT, name)).check()
    assert config(built) == ADMINISTRATORS
    assert built.run(f"ls {ETC} /var/run/pulumi-illumos").stdout.split() == [
        "/var/run/pulumi-illumos:",
        f"{ETC}:",
        "ipnat.conf",
    ]


def carry_out(host: Host, command):
    return host.run(list(command.argv), input=command.stdin or "")


def redirect(port: int, target: str = "10.10.0.5") -> str:
    return f"rdr p0 192.0.2.100/32 port {port} -> {target} port 80 tcp"


def put(host: Host, name: str, *rules: str, kind=NAT, notes=()):
    done = carry_out(host, fragments.put(kind, "gw", ROOT, name, rules, notes))
    if done.status == 0:
        carry_out(host, fragments.in_force(kind, "gw", ROOT, name, rules, notes)).check()
    return done


def names(host: Host, kind=NAT) -> list[str]:
    return host.run(f"ls {ETC}/{kind.program}.d 2>/dev/null").stdout.split()


def config(host: Host, kind=NAT) -> str:
    return host.run(f"cat {ETC}/{kind.program}.conf").stdout


def in_kernel(host: Host) -> list[str]:
    """Our rules in the kernel; all are of a form that is listed as it is written."""
    listed = host.run("ipnat -z gw -l").check().stdout.partition("\n\n")[0].splitlines()[1:]
    return sorted(rule for rule in listed if rule.startswith("rdr "))


def in_fragments(host: Host) -> list[str]:
    return sorted(host.run(f"cat {ETC}/ipnat.d/* 2>/dev/null | grep -v '^#'").stdout.splitlines())


def in_config(host: Host) -> list[str]:
    outside, _, rest = config(host).partition(f"{BEGIN}\n")
    inside, _, after = rest.partition(f"{END}\n")
    assert outside + after == ADMINISTRATORS
    return sorted(inside.splitlines())


def agree(host: Host) -> list[str]:
    """The rules, which the fragments, the configuration and the kernel have alike."""
    rules = in_fragments(host)
    assert rules == in_config(host) == in_kernel(host)
    return rules


def test_two_programs_come_and_go_at_the_same_time(host):
    """Over SSH, in random order; afterwards there is exactly what both left."""

    def program(letter: str) -> set[str]:
        chance = random.Random(letter)
        has: dict[str, str] = {}
        for _ in range(7):
            number = chance.randrange(3)
            name = f"50-forward-{letter}{number}"
            if name in has and chance.random() < 0.5:
                command = fragments.remove(NAT, "gw", ROOT, name)
                del has[name]
            else:
                port = 1000 * (ord(letter) - ord("a") + 2) + chance.randrange(100) + 100 * number
                has[name] = redirect(port)
                command = fragments.put(NAT, "gw", ROOT, name, [has[name]])
            host.ssh(shlex.join(command.argv), input=command.stdin or "").check()
        return set(has.values())

    with ThreadPoolExecutor() as pool:
        left = set().union(*pool.map(program, "ab"))
    assert agree(host) == sorted(left)
    assert left


def test_a_change_that_is_cut_off_is_finished_by_the_next_one(host):
    assert put(host, "50-forward-a", redirect(2000)).status == 0
    changes = [
        fragments.put(NAT, "gw", ROOT, "50-forward-a", [redirect(2001)]),
        fragments.put(NAT, "gw", ROOT, "50-forward-a", [redirect(2002)]),
        fragments.remove(NAT, "gw", ROOT, "50-forward-a"),
    ]
    chance = random.Random(1)
    for number in range(6):
        command = changes[number % 3]
        moment = chance.uniform(0.02, 0.3)
        # The program ends without a chance to tidy up, its lock included.
        cut = f"{shlex.join(command.argv)} & sleep {moment}; kill -KILL $! 2>/dev/null; wait"
        host.run(f"exec 3<&0; {cut.replace(' & ', ' <&3 & ', 1)}", input=command.stdin or "")
        carry_out(host, fragments.put(NAT, "gw", ROOT, "50-forward-b", [redirect(3000 + number)])).check()
        rules = agree(host)
        assert redirect(3000 + number) in rules
        assert len(rules) <= 2
        if number % 3 == 2:
            assert put(host, "50-forward-a", redirect(2000)).status == 0


def test_a_lock_of_a_process_that_is_gone_is_broken(host):
    gone = host.run("sh -c 'echo $$'").stdout.strip()
    host.run(f"mkdir -p /var/run/pulumi-illumos; echo {gone} >/var/run/pulumi-illumos/gw.lock")
    assert put(host, "50-forward-a", redirect(2000)).status == 0


@pytest.mark.parametrize(
    "rule",
    [
        # The program says nothing against the first two, and reads something else.
        "rdr p0 0/0 port 80 -> 10.10.0.5 port 80 tcp; rdr p0 0/0 port 81 -> 10.10.0.5 port 81 tcp",
        "rdr p0 0/0 port 80 -> 10.10.0.5 port 80 tcp rdr p0 0/0 port 81 -> 10.10.0.5 port 81",
        "rdr p0 192.0.2.100/32 port 81 ->",
        # The kernel refuses this one, and the program reports success.
        "map p0 10.8.0.0/24 -> 0/32 portmap tcp/udp 30000:10000",
    ],
)
def test_a_rule_that_is_not_taken_as_it_is_meant_changes_nothing(host, rule):
    assert put(host, "50-forward-a", redirect(2000)).status == 0
    refused = put(host, "50-forward-a", rule)
    assert refused.status == 1
    assert refused.stderr
    assert agree(host) == [redirect(2000)]


def test_ports_that_were_taken_in_the_meantime_are_refused(host):
    def note(first, last):
        return [f"owner: urn:{first}", f"ports: tcp 192.0.2.100 {first} {last}"]

    assert put(host, "50-forward-a", redirect(2000), notes=note(2000, 2010)).status == 0
    refused = put(host, "50-forward-b", redirect(2005), notes=note(2005, 2005))
    assert (refused.status, "urn:2000" in refused.stderr) == (1, True)
    assert put(host, "50-forward-b", redirect(2011), notes=note(2011, 2011)).status == 0
    assert put(host, "50-forward-a", redirect(2001), notes=note(2001, 2010)).status == 0


def test_rules_that_several_need_live_as_long_as_one_of_them(host):
    assert put(host, "50-forward-a", redirect(2000), redirect(2001)).status == 0
    assert put(host, "50-forward-b", redirect(2000)).status == 0
    assert in_config(host) == in_kernel(host) == [redirect(2000), redirect(2001)]
    carry_out(host, fragments.remove(NAT, "gw", ROOT, "50-forward-a")).check()
    assert agree(host) == [redirect(2000)]


def test_a_filter_waits_for_the_routers_own_rules(host):
    admit = "pass in quick on p0 proto tcp from any to 10.10.0.5/32 port = 80 flags S/SA keep state"
    block = "block in on p0 from any to any"

    def listed():
        return host.run("ipfstat -z gw -io").stdout.splitlines()

    assert put(host, "50-forward-a", admit, kind=FILTER).status == 0
    assert listed() == []
    assert put(host, fragments.ROUTER, block, kind=FILTER).status == 0
    assert config(host, FILTER).splitlines()[1:-1] == [block, admit]
    assert [line.split()[0] for line in listed()] == ["block", "pass"]
    # The same rules in another order are another filter.
    out = "pass out quick on p0 from any to any keep state"
    later = "pass in on p0 proto icmp from any to any"
    for rules in ([block, out, later], [later, block, out]):
        assert put(host, fragments.ROUTER, *rules, kind=FILTER).status == 0
        assert listed()[:3] == [out, *(rule for rule in rules if rule != out)]
    carry_out(host, fragments.remove(FILTER, "gw", ROOT, fragments.ROUTER)).check()
    assert listed() == []
    assert names(host, FILTER) == ["50-forward-a"]


def test_changes_of_one_filter_leave_that_of_the_other_version_in_force(host):
    four, six = "block in on p0 from any to 10.10.0.0/24", "block in on p0 from any to 2001:db8::/64"
    other_four, other_six = four.replace("10.10", "10.20"), six.replace("db8", "db9")

    def listed():
        kinds = ("", "-6")
        return [host.run(f"ipfstat -z gw {kind} -io").stdout.splitlines() for kind in kinds]

    assert put(host, fragments.ROUTER, four, kind=FILTER).status == 0
    assert put(host, fragments.ROUTER, six, kind=FILTER6).status == 0
    assert listed() == [[four], [six.replace("any", "::/0")]]
    assert put(host, fragments.ROUTER, other_four, kind=FILTER).status == 0
    assert listed() == [[other_four], [six.replace("any", "::/0")]]
    assert put(host, fragments.ROUTER, other_six, kind=FILTER6).status == 0
    assert listed() == [[other_four], [other_six.replace("any", "::/0")]]
    carry_out(host, fragments.remove(FILTER, "gw", ROOT, fragments.ROUTER)).check()
    assert listed() == [[], [other_six.replace("any", "::/0")]]


def test_a_zone_that_is_halted_has_the_rules_when_it_boots(host):
    host.run("zoneadm -z gw halt").check()
    assert put(host, "50-forward-a", redirect(2000)).status == 0
    host.run("zoneadm -z gw boot").check()
    online = '[ "$(svcs -z gw -H -o state ipfilter 2>/dev/null)" = online ]'
    host.run(f"until {online}; do sleep 0.05; done").check()
    assert agree(host) == [redirect(2000)]


def test_a_link_in_the_zone_leads_nowhere(host):
    host.run(f"mkdir /tmp/elsewhere; ln -s /tmp/elsewhere {ETC}/ipnat.d").check()
    refused = put(host, "50-forward-a", redirect(2000))
    host.run(f"rm {ETC}/ipnat.d; rmdir /tmp/elsewhere").check()
    assert refused.status == 1
    assert "symbolic link" in refused.stderr

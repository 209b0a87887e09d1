"""Deliberate mistakes over SSH: the message, the stream and the exit status of each.

All rows run in one shell on the host, one after the other, and change nothing. The texts are those of
the illumos sources, in OmniOS' wording where it has its own.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from illumos_lab.testing import Lab, Result

SETUP = """
set -e
dladm create-etherstub stub0
dladm create-etherstub -t tmp0
dladm create-vnic -l stub0 -m 2:8:20:1:2:3 vnic0
dladm create-vnic -l stub0 run0
dladm create-vnic -l e1000g0 plumb0
ipadm create-addr -T static -a 203.0.113.5/24 plumb0/v4
for z in conf inst inc run; do
  zonecfg -z $z "create -b; set brand=lipkg; set zonepath=/zones/$z; set ip-type=exclusive"
done
# Looking at the global zone makes its configuration.
zonecfg -z global info >/dev/null
zonecfg -z run 'add net; set physical=run0; end'
zoneadm -z inst install
zoneadm -z run install
zoneadm -z inc mark incomplete
zoneadm -z run boot
until [ "$(svcs -z run -H -o state svc:/milestone/multi-user-server:default 2>/dev/null)" = online ]
do sleep 0.1
done
"""

# Long enough for every name.
LONG = "a" * 40 + "0"


@dataclass(frozen=True)
class Row:
    """A command line, and how it ends. A text that ends in … is only the beginning."""

    command: str
    status: int
    stderr: str = ""
    stdout: str = ""


def _dladm(command: str, text: str, status: int = 1) -> Row:
    return Row(f"dladm {command}", status, f"dladm: {text}" + ("" if text.endswith("…") else "\n"))


def _ipadm(command: str, text: str) -> Row:
    # The text has no line feed: that goes to the other stream.
    return Row(f"ipadm {command}", 1, f"ipadm: {text}", "\n")


def _zoneadm(command: str, text: str, status: int = 1) -> Row:
    return Row(f"zoneadm {command}", status, f"{text}\n")


def _zonecfg(command: str, text: str, status: int = 1) -> Row:
    return Row(f"zonecfg {command}", status, text + ("" if text.endswith("…") else "\n"))


DLADM = [
    _dladm("frobnicate", "unknown subcommand 'frobnicate'\nusage:  dladm <subcommand> <args> ...…"),
    _dladm("modify-vnic -l stub0 vnic0", "unknown subcommand 'modify-vnic'\nusage:  dladm …"),
    _dladm("create-etherstub stub0", "etherstub creation failed: object already exists"),
    _dladm("create-etherstub vnic0", "etherstub creation failed: object already exists"),
    _dladm("create-etherstub web-1", "invalid link name 'web-1'"),
    _dladm("create-etherstub web01", "invalid link name 'web01'"),
    _dladm(f"create-etherstub {LONG}", f"link name too long '{LONG}'"),
    _dladm("delete-etherstub nope0", "invalid link name 'nope0'"),
    _dladm("delete-etherstub vnic0", "'vnic0' is not an etherstub"),
    _dladm("delete-etherstub stub0", "vnic deletion failed: link busy"),
    _dladm("show-etherstub nope0", "invalid etherstub name 'nope0': object not found"),
    _dladm("show-etherstub vnic0", "datalink vnic0 is not an etherstub: found class vnic"),
    _dladm("create-vnic -l nope0 new0", "invalid link name 'nope0'"),
    _dladm("create-vnic -l stub0 vnic0", "vnic creation over stub0 failed: object already exists"),
    _dladm("create-vnic -l stub0 new-0", "invalid link name 'new-0'"),
    _dladm("create-vnic -l vnic0 new0", "vnic creation over vnic0 failed: invalid argument"),
    _dladm(
        "create-vnic -l tmp0 new0",
        "vnic creation over tmp0 failed: can't create persistent object on top of temporary object",
    ),
    _dladm(
        "create-vnic -l stub0 -m 2:8:20:1:2:3 new0",
        "vnic creation over stub0 failed: MAC address is already in use",
    ),
    _dladm("create-vnic -l stub0 -m fixed new0", "'fixed' is not a valid MAC address"),
    _dladm("create-vnic -l stub0 -m auto -m auto new0", "cannot specify -m option twice"),
    _dladm("create-vnic -l stub0 -v 5000 new0", "invalid VLAN identifier '5000'"),
    _dladm("create-vnic -l stub0 -f new0", "-f option can only be used with -v"),
    _dladm("delete-vnic nope0", "invalid link name 'nope0'"),
    _dladm("delete-vnic stub0", "'stub0' is not a vnic"),
    _dladm("delete-vnic e1000g0", "vnic deletion failed: invalid argument"),
    _dladm("delete-vnic run0", "vnic deletion failed: link busy"),
    _dladm("delete-vnic plumb0", "vnic deletion failed: link busy"),
    _dladm("show-vnic nope0", "invalid vnic name 'nope0': object not found"),
    _dladm("show-vnic e1000g0", "datalink e1000g0 is not a vnic: found class phys"),
    _dladm("show-vnic -p", "output fields must be specified in parsable mode"),
    _dladm("show-link nope0", "link nope0 is not valid: object not found"),
    _dladm("show-link -P tmp0", "link tmp0 is a temporary link: invalid argument"),
    _dladm("show-link -p", "-p requires -o"),
    _dladm("show-link -p -o all", '"-o all" is invalid with -p'),
    _dladm("show-link -p -o colour", "unknown output field: `colour'"),
    _dladm("show-link -Z", "unrecognized option '-Z'\nusage: …"),
    _dladm("set-linkprop vnic0", "link property must be specified"),
    _dladm("set-linkprop -p colour=red vnic0", "warning: invalid link property 'colour'"),
    _dladm(
        "set-linkprop -p priority=fast vnic0",
        "warning: link property 'priority' must be one of: low,medium,high",
    ),
    _dladm(
        "set-linkprop -p state=up vnic0",
        "warning: cannot set link property 'state' on 'vnic0': read-only property",
    ),
    _dladm(
        "set-linkprop -p zone=run vnic0",
        "warning: cannot set link property 'zone' on 'vnic0': change cannot be persistent",
    ),
    _dladm(
        "show-linkprop -p colour vnic0",
        "warning: cannot get link property 'colour' for vnic0: object not found",
    ),
    _dladm("rename-link nope0 new0", "rename operation failed: object not found"),
    _dladm("rename-link vnic0 stub0", "rename operation failed: object already exists"),
    _dladm("rename-link plumb0 new0", "rename operation failed: link busy"),
]
IPADM = [
    _ipadm("create-if plumb0", "Could not create plumb0 : Interface already exists"),
    _ipadm("delete-if nope0", "Could not delete nope0: Interface does not exist"),
    _ipadm("enable-if plumb0", "persistent operation not supported for enable-if"),
    _ipadm("show-if nope0", "Could not get interface(s): Interface does not exist"),
    _ipadm(
        "create-addr -T static -a 203.0.113.6/24 plumb0/v4",
        "Could not create address: Address object already exists",
    ),
    _ipadm("create-addr -T bogus -a 203.0.113.6/24 plumb0/v5", "Invalid address type bogus"),
    _ipadm("delete-addr plumb0/nope", "could not delete address: Object not found"),
    _ipadm("show-addr plumb0", "Invalid address object name provided"),
    _ipadm("show-addr -p", "-p requires -o"),
    _ipadm("show-ifprop -p mtu nope0", "no such object 'nope0': Interface does not exist"),
    _ipadm("set-prop -p forwarding=on ipx", "invalid protocol 'ipx' specified"),
    _ipadm("show-prop -p forwarding", "protocol must be specified when property name is used"),
    Row("ipadm frobnicate", 1, "ipadm: unknown subcommand 'frobnicate'…", "…"),
]
ROUTE = [
    Row("route add default 192.0.2.1", 17, "", "add net default: gateway 192.0.2.1: entry exists\n"),
    Row("route delete default 10.9.9.9", 3, "", "delete net default: gateway 10.9.9.9: not in table\n"),
    Row(
        "route add default 10.9.9.9",
        128,
        "",
        "add net default: gateway 10.9.9.9: Network is unreachable\n",
    ),
    Row("route delete default", 1, "route: gateway required for add or delete command…"),
    Row(
        "route -p change default 192.0.2.1",
        1,
        "route: change command not supported with -p\n",
        "change net default: gateway 192.0.2.1\n",
    ),
    Row(
        "route -p delete default 10.9.9.9",
        1,
        "delete persistent net default: gateway 10.9.9.9: not in file\n",
        "delete net default: gateway 10.9.9.9: not in table\n",
    ),
    Row("route -p show", 0, "", "No persistent routes are defined\n"),
]
ZONECFG = [
    _zonecfg("info", "…", 2),
    _zonecfg("-z bad/name info", "bad/name: Bogus zone name\n…", 2),
    _zonecfg("-z nozone info", "nozone: No such zone configured"),
    _zonecfg("-z nozone delete -F", "nozone: No such zone configured\nnozone: No such zone configured"),
    Row("zonecfg -z nozone set zonename=x", 0),
    _zonecfg(
        "-z conf delete", "Input not from terminal and -F not specified:\ndelete command ignored, exiting."
    ),
    _zonecfg("-z run delete -F", "run: Zone state is invalid for the requested operation"),
    _zonecfg(
        "-z conf create -b",
        "Zone exists, input not from terminal and -F not specified:\ncreate command ignored, exiting.",
    ),
    _zonecfg("-z inst create -b", "Zone inst already installed; create not allowed.", 0),
    _zonecfg(
        "-z inst set zonepath=/zones/new", "Zone inst already installed; set zonepath not allowed.", 0
    ),
    _zonecfg("-z new0 create -t NOSUCH", "NOSUCH: No such zone configured"),
    _zonecfg("-z SUNWnew create -b", "SUNWnew: zones beginning with SUNW are read-only."),
    _zonecfg("-z conf wibble", "syntax error at 'w'\n…"),
    _zonecfg("-z conf end", "The end command only makes sense in the resource scope."),
    _zonecfg("-z conf 'add net'", "Resource incomplete."),
    _zonecfg("-z conf -f /nonexistent", "could not open file /nonexistent: No such file or directory"),
    _zonecfg("-z conf -f /tmp", "/tmp is not a regular file."),
    _zonecfg("-z conf -f /dev/stdin", "/dev/stdin is not a regular file."),
    _zonecfg("-z global add fs", "Cannot add a fs resource to the global zone."),
    Row(
        "zlogin -n run /usr/sbin/zonecfg -z conf info", 1, "zonecfg can only be run from the global zone.\n"
    ),
]
ZONEADM = [
    _zoneadm("list -p -v", "zoneadm: list -p and -v are mutually exclusive."),
    _zoneadm("-z nozone boot", "zoneadm: nozone: No such zone configured"),
    _zoneadm("-z conf boot", "zoneadm: zone 'conf': must be installed before boot."),
    _zoneadm("-z inst install", "zoneadm: zone 'inst': is already installed."),
    _zoneadm("-z inc install", "zoneadm: zone 'inc': zone is incomplete; uninstall required."),
    _zoneadm("-z run install", "zoneadm: zone 'run': install operation is invalid for running zones."),
    _zoneadm("-z run boot", "zone 'run': zone is already booted", 0),
    _zoneadm("-z conf halt", "zone 'conf': halt operation is invalid for zones in state 'configured'"),
    _zoneadm("-z inst halt", "zone 'inst': zone is already halted", 0),
    _zoneadm("-z inst shutdown", "zoneadm: zone 'inst': not running"),
    _zoneadm("-z inst reboot", "zoneadm: zone 'inst': not running"),
    _zoneadm("-z conf uninstall -F", "zoneadm: zone 'conf': is already in state 'configured'."),
    _zoneadm(
        "-z run uninstall -F", "zoneadm: zone 'run': uninstall operation is invalid for running zones."
    ),
    _zoneadm("-z run detach", "zoneadm: zone 'run': detach operation is invalid for running zones."),
    _zoneadm("-z conf detach", "zoneadm: zone 'conf': must be installed before detach."),
    _zoneadm("-z run mark incomplete", "zoneadm: zone 'run': mark operation is invalid for running zones."),
    _zoneadm("-z conf clone run", "zoneadm: zone 'conf': clone operation is invalid for running zones."),
    _zoneadm("-z conf clone inc", "zoneadm: zone inc is incomplete; installed is required."),
    _zoneadm("-z global boot", "zoneadm: zone 'global': boot operation is invalid for the global zone."),
    Row("zoneadm frobnicate", 2, "…"),
]
ZLOGIN = [
    Row("zlogin nozone true", 1, "zlogin: zone 'nozone' unknown\n"),
    Row("zlogin inst true", 1, "zlogin: login allowed only to running zones (inst is 'installed').\n"),
    Row("zlogin conf true", 1, "zlogin: cannot login to a zone which is 'configured'\n"),
    Row("zlogin inc true", 1, "zlogin: cannot login to a zone which is 'incomplete'\n"),
    Row("zlogin global true", 1, "zlogin: 'zlogin' not applicable to the global zone\n"),
    Row("zlogin -n run", 2, "zlogin: -n may not be specified for interactive login\nusage: …"),
    Row("zlogin", 2, "…"),
    Row("zlogin run zlogin conf true", 1, "zlogin: 'zlogin' may only be used from the global zone\n"),
    Row("zlogin run 'echo out; echo err >&2; exit 3'", 3, "err\n", "out\n"),
    Row("zlogin -S run echo 'a   b'", 0, "", "a b\n"),
    Row("zlogin -S run 'kill -9 $$'", 0),
]
SMF = [
    Row("svcs -H -o state nosuch", 1, "svcs: Pattern 'nosuch' doesn't match any instances\n"),
    Row("svcs -z inst -H -o state network/ipfilter", 1, "svcs: …"),
    Row("svcs -z nozone", 1, "svcs: zone 'nozone': …"),
    Row("svcadm enable nosuch", 1, "svcadm: Pattern 'nosuch' doesn't match any instances\n"),
    Row(
        "svcadm clear svc:/network/physical:default",
        1,
        'svcadm: Instance "svc:/network/physical:default" is not in a maintenance or degraded state.\n',
    ),
    Row("svcadm -z nozone enable network/ipfilter", 1, "svcadm: zone 'nozone': …"),
    Row("svcadm frobnicate", 2, "…"),
    Row("svcadm", 2, "…"),
    Row("svcadm -z run enable network/ssh:default", 0),
    Row("svcadm -z run disable network/ipfilter", 0),
]
ZFS = [
    Row("zfs list nosuch", 1, "cannot open 'nosuch': dataset does not exist\n"),
    Row("zfs create rpool/zones", 1, "cannot create 'rpool/zones': dataset already exists\n"),
    Row("zfs create rpool/a/b", 1, "cannot create 'rpool/a/b': parent does not exist\n"),
    Row(
        "zfs create rpool/a@b",
        1,
        "cannot create 'rpool/a@b': snapshot delimiter '@' is not expected here\n",
    ),
    Row(
        "zfs destroy rpool/zones",
        1,
        "cannot destroy 'rpool/zones': filesystem has children\n"
        "use '-r' to destroy the following datasets:\n…",
    ),
    Row(
        "zfs set colour=red rpool/zones",
        1,
        "cannot set property for 'rpool/zones': invalid property 'colour'\n",
    ),
    Row("zfs frobnicate", 2, "unrecognized command 'frobnicate'\n…"),
]
IPFILTER = [
    Row("ipnat -z nozone -l", 1, "Could not find running zone: nozone\n"),
    Row("ipf -E nozone", 0, "Could not find running zone: nozone\n"),
    Row("ipnat -G global -l", 1, "-G cannot be used with the global zone\n"),
    Row("ipnat -z run -G run -l", 1, "Only one of -G and -z may be set\n"),
]
# As a user who has no more than the rights that everybody has.
USER = [
    Row("dladm create-etherstub new0", 1, "dladm: etherstub creation failed: permission denied\n"),
    Row(
        "dladm create-vnic -l stub0 new0", 1, "dladm: vnic creation over stub0 failed: permission denied\n"
    ),
    Row("dladm delete-vnic vnic0", 1, "dladm: vnic deletion failed: permission denied\n"),
    _ipadm("create-if vnic0", "Could not create vnic0 : Insufficient user authorizations"),
    _ipadm("delete-addr plumb0/v4", "could not delete address: Insufficient user authorizations"),
    Row(
        "route add default 192.0.2.9",
        1,
        "",
        "add net default: gateway 192.0.2.9: insufficient privileges\n",
    ),
    Row("zoneadm -z inst boot", 1, "zoneadm: zone 'inst': only a privileged user may boot a zone.\n"),
    Row(
        "zlogin run true",
        1,
        "zlogin: You lack sufficient privilege to run this command (all privs required)\n",
    ),
    Row("dladm show-link -p -o class stub0", 0, "", "etherstub\n"),
    Row("ipadm show-addr -p -o addr plumb0/v4", 0, "", "203.0.113.5/24\n"),
    Row("zoneadm -z conf list", 0, "", "conf\n"),
    Row("zfs create rpool/new", 1, "cannot create 'rpool/new': permission denied\n"),
]
ROOT = [*DLADM, *IPADM, *ROUTE, *ZONECFG, *ZONEADM, *ZLOGIN, *SMF, *ZFS, *IPFILTER]
# Where a distribution has illumos-gate's own dladm and zonecfg.
GATE_SETUP = """
set -e
dladm create-etherstub stub0
dladm create-vnic -l stub0 vnic0
zonecfg -z conf "create -b; set brand=whole-root; set zonepath=/export/zones/conf"
"""
GATE = [
    _dladm("show-etherstub nope0", "invalid vnic name 'nope0': object not found"),
    Row("dladm show-etherstub vnic0", 0),
    Row("dladm show-vnic stub0", 0),
    Row("dladm show-vnic e1000g0", 0),
    _dladm("show-vnic -p -o link,zone", "unknown output field: `zone'"),
    Row("dladm show-vnic -p -o link,over", 0, "", "vnic0:stub0\n"),
    Row("zoneadm list -p", 0, "", "0:global:running:/:…"),
    _zonecfg("-z conf 'add net; set physical=a0; set global-nic=e1000g0; end'", "syntax error at …"),
    _zonecfg("-z conf set zfs-io-priority=5", "syntax error at …"),
    Row("zonecfg -z new0 create -t whole", 1, "whole: No such zone configured\n"),
    Row("ipnat -l", 127, "…"),
    Row("pkg list", 127, "…"),
    Row("zap frobnicate", 2, "", "Unrecognized subcommand frobnicate\n"),
]
MARK = "\x01"


def _script(rows: list[Row]) -> str:
    lines = ["PATH=/usr/sbin:/usr/bin:/sbin; cd /"]
    for row in rows:
        lines.append(f"printf '\\001'; printf '\\001' >&2; {row.command} </dev/null; printf '\\002%s' $?")
    return "\n".join(lines) + "\n"


def _run(lab: Lab, user: str, rows: list[Row]) -> Iterator[Result]:
    host = lab.host
    done = subprocess.run(
        ["ssh", "-F", str(lab.ssh_config), "-l", user, host.name, "/bin/sh", "-s"],
        input=_script(rows).encode(),
        capture_output=True,
    )
    outputs = done.stdout.decode().split(MARK)[1:]
    errors = done.stderr.decode().split(MARK)[1:]
    assert len(outputs) == len(errors) == len(rows), done
    for output, error in zip(outputs, errors, strict=True):
        text, _, status = output.rpartition("\x02")
        yield Result(int(status), text, error)


def _fits(text: str, expected: str) -> bool:
    if expected.endswith("…"):
        return text.startswith(expected[:-1]) and text.strip() != ""
    return text == expected


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(profile="omnios", time_scale=0) as lab:
        lab.host.run(SETUP).check()
        yield lab


@dataclass
class Outcome:
    """How every row ended, and what there was before and afterwards."""

    results: dict[tuple[str, str], Result]
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def outcome(lab: Lab) -> Outcome:
    before = lab.host.dump()
    results = {}
    for user, rows in (("root", ROOT), ("jack", USER)):
        for row, result in zip(rows, _run(lab, user, rows), strict=True):
            results[user, row.command] = result
    return Outcome(results, before, lab.host.dump())


ROWS = [("root", row) for row in ROOT] + [("jack", row) for row in USER]


@pytest.mark.parametrize(
    ("user", "row"), ROWS, ids=[re.sub(r"\W+", "-", f"{user} {row.command}") for user, row in ROWS]
)
def test_a_mistake_is_told_as_illumos_tells_it(user: str, row: Row, outcome: Outcome) -> None:
    result = outcome.results[user, row.command]
    assert result.status == row.status, result
    assert _fits(result.stderr, row.stderr), result
    assert _fits(result.stdout, row.stdout) or row.stdout == "…", result


def test_mistakes_change_nothing(outcome: Outcome) -> None:
    assert outcome.before == outcome.after


@pytest.fixture(scope="module")
def gate_results() -> dict[str, Result]:
    with Lab.start(profile="tribblix", time_scale=0) as lab:
        lab.host.run(GATE_SETUP).check()
        return dict(zip((row.command for row in GATE), _run(lab, "root", GATE), strict=True))


@pytest.mark.parametrize("row", GATE, ids=[re.sub(r"\W+", "-", row.command) for row in GATE])
def test_where_the_distributions_differ(row: Row, gate_results: dict[str, Result]) -> None:
    result = gate_results[row.command]
    assert result.status == row.status, result
    assert _fits(result.stderr, row.stderr), result
    assert _fits(result.stdout, row.stdout), result

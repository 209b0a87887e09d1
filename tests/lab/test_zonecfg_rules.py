"""Rules of zonecfg beyond the recorded runs: each row is a session on the machine of the recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lab.test_zonecfg_corpus import replay

HEADER = (
    '<?xml version="1.0"?>\n<!DOCTYPE zone PUBLIC "-//Sun Microsystems Inc//DTD Zones//EN" '
    '"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1">\n'
)
INDEX = "global:installed:/\nz1:configured:/zones/z1:\n"
FILE = "/tmp/cmds"


def replaced(files: dict[str, str], old: str, new: str) -> dict[str, str]:
    """Files with other text in them."""
    return {path: text.replace(old, new) for path, text in files.items()}


def zone(content: str = "", attributes: str = "", root: str = "") -> dict[str, str]:
    """The files of a machine with the zone z1."""
    head = f'<zone name="z1" zonepath="/zones/z1" autoboot="false" brand="ipkg" {attributes}>'
    return {
        f"{root}/etc/zones/index": INDEX,
        f"{root}/etc/zones/z1.xml": f"{HEADER}{head}{content}</zone>\n",
    }


def session(files: dict[str, str], tmp_path: Path, *argv: str, **more: Any) -> tuple[int, str, str]:
    """Exit status, output and errors of a run; of a usage no more than the first two lines are kept."""
    case = {"files_before": files, "program": "zonecfg", "argv": list(argv), "stdin": "", **more}
    got = replay(case, tmp_path)
    return got["exit"], shortened(got["stdout"]), shortened(got["stderr"])


def shortened(text: str) -> str:
    """Up to the synopsis of the first usage."""
    before, usage, after = text.partition("usage:\n")
    before = before.partition("Commands:\n")[0]
    return before + (f"usage: {after.partition(chr(10))[0]}\n" if usage else "")


def commands(files: dict[str, str], tmp_path: Path, text: str) -> tuple[int, str, str]:
    """A run for z1 with the commands on the command line."""
    return session(files, tmp_path, "-z", "z1", text)


def rctl(name: str, *values: str) -> str:
    content = "".join(
        f'<rctl-value priv="privileged" limit="{limit}" action="{action}"/>'
        for limit, action in (value.split() for value in values)
    )
    return f'<rctl name="zone.{name}">{content}</rctl>'


def net(physical: str, attributes: str) -> str:
    return f'<network physical="{physical}" {attributes}/>'


def attr(name: str, kind: str, value: str) -> str:
    return f'<attr name="{name}" type="{kind}" value="{value}"/>'


def fs(directory: str, special: str, kind: str = "lofs") -> str:
    return f'<filesystem special="{special}" directory="{directory}" type="{kind}"/>'


TWO_FS = fs("/a", "/s1") + fs("/b", "/s2", "ufs")
TWO_ATTRS = attr("a", "int", "1") + attr("b", "string", "x")
EXCLUSIVE = 'ip-type="exclusive"'
NO_ID = "No such resource with that id\n"
AMBIGUOUS = "Insufficient specification\n"
SIMPLE = "A simple value was expected here.\n"
FLAGS = '<security-flags lower="aslr" default="aslr" upper="all"/>'


def message(text: str) -> tuple[int, str, str]:
    return 1, "", text


def shows(text: str) -> tuple[int, str, str]:
    return 0, text, ""


SESSIONS = {
    # Values of a command that breaks off are taken for those of the next one.
    "values left behind": (
        "",
        "remove fs dir=/a special; set pool=b; info pool",
        (1, "pool: /a\n", "syntax error at ';'\n"),
    ),
    "list items left behind": (
        "",
        "add fs; set options=[a,b; set options=[c]; info; cancel",
        (
            1,
            "fs:\n\tdir not specified\n\tspecial not specified\n\traw not specified\n\ttype not specified\n"
            "\toptions: [a,b,c]\n",
            "syntax error at ';'\n",
        ),
    ),
    # Options and words
    "select without a qualifier": (
        "",
        "select fs",
        message("usage: select <resource-type> { <property-name>=<property-value> }\n"),
    ),
    "remove with a word in front of a property": (
        "",
        "remove -x dir /a",
        message("usage: remove [-F] <resource-type> [ <property-name>=<property-value> ]*\n"),
    ),
    "remove with a word in front of a resource": (
        TWO_ATTRS,
        "remove x attr name=a",
        message("syntax error at 'name'\n"),
    ),
    "set with a word in front of zonepath": (
        "",
        "set x zonepath=/q; info zonepath",
        shows("zonepath: /q\n"),
    ),
    "set with an unknown option": (
        "",
        "set -x zonepath=/q",
        message("usage: set <property-name>=<property-value>\n"),
    ),
    "two unknown options": (
        "",
        "delete -xy",
        (
            0,
            "usage: delete [-F]\n",
            "-xy: illegal option -- x\n-xy: illegal option -- y\n",
        ),
    ),
    "remove of a property outside of a resource": (
        "",
        "remove options ro",
        message("usage: remove [-F] <resource-type> [ <property-name>=<property-value> ]*\n"),
    ),
    "remove of a resource inside of one": (
        "",
        "add net; remove attr name=a; cancel",
        message(
            "name: No such property type\nusage: remove [-F] <resource-type> "
            "[ <property-name>=<property-value> ]*\n"
        ),
    ),
    "verify save": (
        "",
        "set autoboot=true; verify save; revert -F; info autoboot",
        shows("autoboot: true\n"),
    ),
    # Which resource is meant
    "the last property decides": (
        TWO_FS,
        "select fs dir=/a type=ufs; info; cancel",
        shows("fs:\n\tdir: /b\n\tspecial: /s2\n\traw not specified\n\ttype: ufs\n\toptions: []\n"),
    ),
    "one property fits the one, another the other": (
        TWO_FS,
        "remove fs dir=/b special=/s1",
        message(f"remove fs: {AMBIGUOUS}"),
    ),
    "an attr by type and value": (TWO_ATTRS, "remove attr type=int value=x", shows("")),
    "an empty device": (
        '<device match="/dev/a"/>',
        'select device match=""',
        message(f"select device: {NO_ID}"),
    ),
    "an empty dataset": (
        '<dataset name="tank/a"/>',
        'remove dataset name=""',
        message(f"remove dataset: {NO_ID}"),
    ),
    "an empty rctl": (
        rctl("max-lwps", "100 deny"),
        'select rctl name=""',
        message("select rctl: Invalid argument\n"),
    ),
    "an empty net": (
        net("net0", 'address="10.0.0.1"'),
        'select net physical=""',
        message(f"select net: {AMBIGUOUS}"),
    ),
    "both addresses": (
        net("net0", 'address="10.0.0.1"'),
        "select net address=10.0.0.1 allowed-address=10.0.0.2",
        message("select net: Invalid argument\n"),
    ),
    "the address of the other ip-type": (
        net("net0", 'address="10.0.0.1"'),
        "remove net physical=net0 allowed-address=10.0.0.9",
        message(f"remove net: {NO_ID}"),
    ),
    "end of a selected net that is not there": (
        net("net0", 'address="10.0.0.1"'),
        "select net physical=net0 allowed-address=10.0.0.9; end; cancel",
        message(f"z1: {NO_ID}"),
    ),
    "security-flags by whatever": (
        FLAGS,
        "select security-flags lower=none; info; cancel",
        shows("security-flags:\n\tdefault: aslr\n\tlower: aslr\n\tupper: all\n"),
    ),
    "no security-flags": (
        "",
        "select security-flags lower=none",
        message("select security-flags: No such entry\n"),
    ),
    "a wrong value of a wrong property": (
        TWO_FS,
        "select fs options=[ro]",
        message(f"{SIMPLE}select fs: {AMBIGUOUS}"),
    ),
    "admin by auths": (
        '<admin user="bob" auths="login"/>',
        "info admin auths=manage",
        shows("admin:\n\tuser: bob\n\tauths: login\n"),
    ),
    "info does not look at raw": (
        fs("/a", "/s"),
        "info fs raw=/x",
        shows("fs:\n\tdir: /a\n\tspecial: /s\n\traw not specified\n\ttype: lofs\n\toptions: []\n"),
    ),
    "info does not look at the router": (
        net("net0", 'address="10.0.0.1"'),
        "info net defrouter=1.1.1.1",
        shows(
            "net:\n\taddress: 10.0.0.1\n\tallowed-address not specified\n\tphysical: net0\n"
            "\tdefrouter not specified\n"
        ),
    ),
    "addresses are compared as text": (
        net("net0", 'address="fe80::1/10"'),
        "info net address=FE80::1/10",
        shows("No such net resource.\n"),
    ),
    # Duplicates
    "another router makes another net": (
        net("net0", 'address="10.0.0.1" defrouter="10.0.0.254"'),
        "add net; set physical=net0; set address=10.0.0.1; set defrouter=10.0.0.253; end; verify",
        shows(""),
    ),
    "two that fit are no duplicate": (
        net("net0", 'address="10.0.0.1"') + net("net0", 'address="10.0.0.2"'),
        "add net; set physical=net0; end",
        message(
            "net: address not specified\nZone z1 failed to verify\nz1: Required property missing\n"
            "Configuration not saved.\n"
        ),
    ),
    "a duplicate with the address of the other ip-type": (
        net("net0", 'address="10.0.0.1"'),
        "add net; set physical=net0; set allowed-address=10.0.0.9; end; cancel",
        message(
            "A net resource with the physical 'net0', and allowed-address '10.0.0.9' already exists.\n"
        ),
    ),
    # Values
    "host id without digits": ("", "set hostid=0x; info hostid", shows("hostid: 0x\n")),
    "host id that is empty": ("", 'set hostid=""', message("hostid: Specified property is invalid\n")),
    "host id that is long, but none": (
        "",
        "set hostid=zzzzzzzzzzzz",
        message("hostid: Specified property is invalid\n"),
    ),
    "host id that is long": (
        "",
        "set hostid=12345678901",
        message("hostid string is too large: 12345678901\n"),
    ),
    "number with a sign": ("", "set max-msg-ids=+5; info max-msg-ids", shows("[max-msg-ids: 5]\n")),
    "number with a blank before": (
        "",
        'set max-msg-ids=" 5"; info max-msg-ids',
        shows("[max-msg-ids: 5]\n"),
    ),
    "number of 64 bits and one": (
        "",
        "set max-msg-ids=18446744073709551616",
        message("max-msg-ids property is out of range.\n"),
    ),
    "size beyond the precision of a double": (
        "",
        "set max-shm-memory=9007199254740993; info rctl",
        shows(
            "rctl:\n\tname: zone.max-shm-memory\n"
            "\tvalue: (priv=privileged,limit=9007199254740993,action=deny)\n"
        ),
    ),
    "size with a blank": (
        "",
        'set max-shm-memory="2 m"; info max-shm-memory',
        shows("[max-shm-memory: 2M]\n"),
    ),
    "unit without a number": (
        "",
        "set max-shm-memory=k; info max-shm-memory",
        shows("[max-shm-memory: 0]\n"),
    ),
    "importance stays as it is written": (
        "",
        "add dedicated-cpu; set ncpus=2; set importance=007; end; info dedicated-cpu",
        shows("dedicated-cpu:\n\tncpus: 2\n\timportance: 007\n"),
    ),
    "ncpus with a sign": (
        "",
        "add dedicated-cpu; set ncpus=+2; end; info dedicated-cpu",
        shows("dedicated-cpu:\n\tncpus: +2\n"),
    ),
    "more cpus than an int holds": (
        "",
        "add capped-cpu; set ncpus=1e10; cancel",
        message("ncpus property is out of range.\n"),
    ),
    "cap shown with single precision": (
        rctl("cpu-cap", "123456789 deny"),
        "info capped-cpu",
        shows("capped-cpu:\n\t[ncpus: 1234567.88]\n"),
    ),
    "hexadecimal limit": (
        "",
        "add rctl; set name=zone.max-lwps; add value (priv=privileged,limit=0x10,"
        "action=deny); end; info max-lwps",
        shows("[max-lwps: 0]\n"),
    ),
    "octal limit that is none": (
        "",
        "add rctl; add value (priv=privileged,limit=09,action=deny); cancel",
        (0, "", "Invalid rctl value specification\n"),
    ),
    "memory cap that is no number": (
        '<mcap physcap="lots"/>',
        "info capped-memory",
        shows("capped-memory:\n\tphysical: 0\n"),
    ),
    "resource control in capital letters": (
        "",
        "add rctl; set name=zone.MaxLwps; info; cancel",
        shows("rctl:\n\tname: zone.MaxLwps\n"),
    ),
    "router of IPv6": ("", "add net; set defrouter=fe80::1; cancel", shows("")),
    "router with a prefix": (
        "",
        "add net; set defrouter=10.0.0.1/99; cancel",
        (
            0,
            "",
            "Warning: prefix length in 10.0.0.1/99 is not required and will be ignored. "
            "The default host-prefix length will be used\n",
        ),
    ),
    "long address": (
        "",
        f"add net; set address={'h' * 50}; info; cancel",
        shows(
            f"net:\n\taddress: {'h' * 45}\n\tallowed-address not specified\n\tphysical not specified\n"
            "\tdefrouter not specified\n"
        ),
    ),
    "long name of an attr": (
        "",
        f"add attr; set name={'n' * 300}; set type=int; set value=1; end; info attr value=1",
        shows(f"attr:\n\tname: {'n' * 255}\n\ttype: int\n\tvalue: 1\n"),
    ),
    "shared interface with a leading zero": (
        "",
        "add net; set physical=net00; info; cancel",
        shows(
            "net:\n\taddress not specified\n\tallowed-address not specified\n\tphysical: net00\n"
            "\tdefrouter not specified\n"
        ),
    ),
    "logical interface without a number": (
        "",
        "add net; set physical=net0:; cancel",
        message("net0:: invalid physical interface name\n"),
    ),
    "negative uint": (
        "",
        "add attr; set name=a; set type=uint; set value=-5; end; cancel",
        message("invalid attr value for type=uint\n"),
    ),
    "boolean without a value": (
        "",
        "add attr; set name=a; set type=boolean; end; cancel",
        message("value not specified\ninvalid attr value for type=boolean\n"),
    ),
    "zone name before the zone exists": (
        "",
        "set zonename=SUNWx",
        message(
            "SUNWx: Bogus zone name\n\n<zone> := [A-Za-z0-9][A-Za-z0-9_.-]*\n"
            "\t(except the reserved words 'global' and anything starting with 'SUNW')\n"
            "\tName must be less than 64 characters.\n"
        ),
    ),
    # Resource controls behind properties
    "alias beside two resource controls": (
        rctl("max-msg-ids", "1 deny") + rctl("max-msg-ids", "2 deny"),
        "clear max-msg-ids",
        message("clear max-msg-ids: An incompatible rctl already exists for this property\n"),
    ),
    "a blocked alias is complained of before its value": (
        rctl("max-lwps", "1 none"),
        "set max-lwps=x",
        message("max-lwps: An incompatible rctl already exists for this property\n"),
    ),
    "a blocked swap is complained of before its value": (
        rctl("max-swap", "1 none"),
        "add capped-memory; set swap=1; cancel",
        message("swap: An incompatible rctl already exists for this property\n"),
    ),
    "capped-cpu beside a resource control of another form": (
        rctl("cpu-cap", "1 none"),
        "add capped-cpu",
        (0, "", "capped-cpu: An incompatible rctl already exists for this property\n"),
    ),
    "dedicated-cpu beside a pool and a cap": (
        rctl("cpu-cap", "100 deny"),
        "set pool=a; add dedicated-cpu",
        (0, "", "The capped-cpu resource already exists.\n"),
    ),
    "dedicated-cpu beside a pool": (
        "",
        "set pool=a; add dedicated-cpu",
        (
            0,
            "",
            "The pool property is already set.  A persistent pool is incompatible with\n"
            "the dedicated-cpu resource.\n",
        ),
    ),
    "importance without dedicated-cpu": (
        '<tmp_pool importance="1"/>',
        "remove dedicated-cpu",
        message("remove dedicated-cpu: No such entry\n"),
    ),
    # Inside a resource
    "problems of fs in the order of its properties": (
        "",
        "add fs; set dir=a; set raw=b; end; cancel",
        message(
            "dir a is not an absolute path.\nspecial not specified\nraw b is not an absolute path.\n"
            "type not specified\n"
        ),
    ),
    "options end at what is no option": (
        "",
        "add fs; add options [ro,(name=x),nosuid]; add options rw; remove options [ro,(name=x),rw]; "
        "info; cancel",
        shows(
            "fs:\n\tdir not specified\n\tspecial not specified\n\traw not specified\n\ttype not specified\n"
            "\toptions: [rw]\n"
        ),
    ),
    "a value is removed by all of it": (
        rctl("max-lwps", "100 deny"),
        "select rctl name=zone.max-lwps; remove value (limit=100); cancel",
        message("value: No such property with that id\n"),
    ),
    "a value is removed by nothing else": (
        rctl("max-lwps", "100 deny"),
        "select rctl name=zone.max-lwps; remove value (name=100); cancel",
        message("value: No such property type\nusage: add <resource-type>\n"),
    ),
    "a router is removed whatever is said": (
        net("net0", 'address="10.0.0.1" defrouter="10.0.0.9"'),
        "select net physical=net0; remove defrouter [x]; end; info net",
        shows(
            "net:\n\taddress: 10.0.0.1\n\tallowed-address not specified\n\tphysical: net0\n"
            "\tdefrouter not specified\n"
        ),
    ),
    "unknown user and unknown right": (
        "",
        "add admin; set user=carol; set auths=fly,login,swim; end; cancel",
        message(
            "user carol is not a valid username\nzone 'z1': 'fly' is not a valid authorization\n"
            "zone 'z1': 'swim' is not a valid authorization\n"
        ),
    ),
    # Checks of the whole
    "ip-type of an unknown brand": (
        "",
        "set brand=nosuch; set ip-type=exclusive; revert -F",
        message("z1: unknown brand.\n\n"),
    ),
    "brand that forbids what is there already": (
        "",
        "set ip-type=exclusive; set brand=labeled; verify; info ip-type",
        shows("ip-type: exclusive\n"),
    ),
    "shared interface that is none": (
        net("vnic", 'address="10.0.0.1"'),
        "verify",
        message("vnic: invalid physical interface name\nz1: Invalid argument\n"),
    ),
    "fs with a relative directory": (fs("a", "/s"), "verify", shows("")),
    "cpu shares, class, cap": (
        rctl("cpu-shares", "1 none") + rctl("cpu-cap", "100 deny") + '<pset ncpu_min="1" ncpu_max="1"/>',
        "set scheduling-class=TS; verify; revert -F",
        message(
            "rctl zone.cpu-shares and dedicated-cpu are incompatible.\n"
            "WARNING: rctl zone.cpu-shares and scheduling-class=TS are incompatible\n"
            "rctl zone.cpu-cap and the dedicated-cpu are incompatible.\n"
            "z1: Incompatible settings\n"
            "rctl zone.cpu-shares and dedicated-cpu are incompatible.\n"
            "rctl zone.cpu-cap and the dedicated-cpu are incompatible.\n"
            "Zone z1 failed to verify\nz1: Incompatible settings\nConfiguration not saved.\n"
        ),
    ),
    "admin of nobody": (
        '<admin user="carol" auths="login"/>',
        "verify",
        message("user carol is not a valid username\nz1: Bad document property\n"),
    ),
    "admin with an unknown right": (
        '<admin user="bob" auths="fly"/>',
        "verify",
        message("zone 'z1': 'fly' is not a valid authorization\nz1: Bad document property\n"),
    ),
    "negative flags win": (
        "",
        "add security-flags; set default=none,aslr; set lower=aslr; end; cancel",
        message("default secflags must be above the lower limit\n"),
    ),
    "all that is negative is no flag": (
        "",
        "add security-flags; set default=-all; end; cancel",
        message(
            "default security flags '-all' are invalid\n"
            "only assignment of security flags is allowed (default: -all)\n"
        ),
    ),
    "positive flag": ("", "add security-flags; set default=+aslr; set lower=aslr; end", shows("")),
    "flags outside of both limits": (
        "",
        "add security-flags; set default=aslr; set lower=noexecstack; set upper=forbidnullmap; end; cancel",
        message(
            "default secflags must be within the upper limit\n"
            "default secflags must be above the lower limit\n"
            "lower secflags must be within the upper limit\n"
        ),
    ),
    "relative flags count as none": (
        "",
        "add security-flags; set default=aslr; set upper=current; end; cancel",
        message(
            "only assignment of security flags is allowed (upper: current)\n"
            "default secflags must be within the upper limit\n"
        ),
    ),
    "privileges after a part of the word default": (
        "",
        "set limitpriv=def,sys_time; verify; revert -F",
        shows(""),
    ),
    "privileges with an empty word": ("", "set limitpriv=default,,sys_time; verify; revert -F", shows("")),
    "default in the second place": (
        "",
        "set limitpriv=sys_time,default; verify; revert -F",
        (0, "", "z1: invalid privilege: default\n"),
    ),
    "the word zone, wherever": (
        "",
        "set limitpriv=nosuch,zone; verify; revert -F",
        (0, "", "z1: invalid privilege: zone\n"),
    ),
    "a forbidden privilege by its place in the brand": (
        "",
        "set limitpriv=all; verify; revert -F",
        (0, "", "z1: invalid privilege: sys_ppp_config\n"),
    ),
    "a needed privilege by its place in the brand": (
        "",
        "set limitpriv=file_read; verify; revert -F",
        (0, "", "z1: invalid privilege: sys_mount\n"),
    ),
    "an exclusive stack needs its privilege": (
        "",
        "set ip-type=exclusive; set limitpriv=default,!sys_ip_config; verify; revert -F",
        (0, "", "z1: invalid privilege: sys_ip_config\n"),
    ),
    # What is saved
    "clear in a scope is a change": (
        fs("/a", "/s"),
        "select fs dir=/a; clear raw; exit -F",
        message(
            "resource specification incomplete\nZone z1 failed to verify\nz1: Insufficient specification\n"
            "Configuration not saved.\n"
        ),
    ),
    "the brand that is exported is the saved one": (
        "",
        "set brand=sn1; export; revert -F",
        shows(
            "create -b\nset zonepath=/zones/z1\nset brand=ipkg\nset autoboot=false\nset ip-type=shared\n"
        ),
    ),
    "what overwrites a zone is exported with the old brand": (
        "",
        "create -F -b; export; revert -F",
        shows(
            "Zone z1 already exists; overwriting.\ncreate -b\nset brand=ipkg\nset autoboot=false\n"
            "set ip-type=shared\n"
        ),
    ),
}
"""Content of the zone, commands of one line, and what comes of them."""


@pytest.mark.parametrize(("content", "text", "wanted"), SESSIONS.values(), ids=SESSIONS)
def test_a_line_of_commands(content: str, text: str, wanted: tuple[int, str, str], tmp_path: Path) -> None:
    assert commands(zone(content), tmp_path, text) == wanted


GLOBAL_WARNING = (
    "WARNING: Setting a global zone memory cap too low could deny\nservice to even the root user; "
    "this could render the system impossible\nto administer.  Please use caution.\n"
)
READ_ONLY = (
    "WARNING: you do not have write access to this zone's configuration file;\ngoing into read-only mode.\n"
)
BEGIN = "Use 'create' to begin configuring a new zone.\n"
ABSENT = "z9: No such zone configured\n"
WRONG_CALL = (
    "usage:\tzonecfg help\n\tzonecfg -z <zone>\t\t\t(interactive)\n\tzonecfg -z <zone> <command>\n"
    "\tzonecfg -z <zone> -f <command-file>\n"
)
ZONE_SYNTAX = (
    "\n<zone> := [A-Za-z0-9][A-Za-z0-9_.-]*\n\t(except the reserved words 'global' and anything starting "
    "with 'SUNW')\n\tName must be less than 64 characters.\n"
)
BROKEN = {"/etc/zones/index": INDEX, "/etc/zones/z1.xml": f'{HEADER}<zone name="z1" pool="p"/>\n'}

CALLS: dict[str, tuple[dict[str, str], list[str], dict[str, Any], tuple[int, str, str]]] = {
    "no arguments": (zone(), [], {}, (2, "", WRONG_CALL)),
    "help never fails": (zone(), ["help", "nothing", "more"], {}, (0, "", "syntax error at 'more'\n")),
    "help is no subcommand behind options": (zone(), ["-R", "/data", "help"], {}, (2, "", WRONG_CALL)),
    "options are checked one by one": (
        zone(),
        ["-z", "a:b", "-R", "data"],
        {},
        (2, "", f"a:b: Bogus zone name\n{ZONE_SYNTAX}"),
    ),
    "a file that was named before is told": (
        zone(),
        ["-f", FILE, "-R", "data"],
        {},
        (2, "", f"On line 0 of {FILE}:\nroot path must be absolute: data\n"),
    ),
    "a zone that is called as templates begin": (
        zone(),
        ["-z", "SUNW", "info"],
        {},
        message("SUNW: No such zone configured\n"),
    ),
    "commands beside a file": (
        zone(),
        ["-z", "z1", "-f", FILE, "set autoboot=no"],
        {},
        message(f"On line 1 of {FILE}:\nautoboot value must be 'true' or 'false'.\n"),
    ),
    "a file that is read only": (
        zone(),
        ["-z", "z1", "-f", FILE],
        {"command_file": {"path": FILE, "text": "verify\n"}, "run_as": "alice"},
        message(f"{READ_ONLY}On line 1 of {FILE}:\nz1: cannot verify in read-only mode.\n"),
    ),
    "read only comes before wrong options": (
        zone(),
        ["-z", "z1", "remove -x fs; set -x zonepath=/a"],
        {"run_as": "alice"},
        message("z1: cannot remove in read-only mode.\nz1: cannot set in read-only mode.\n"),
    ),
    "zone name like those of templates before the zone exists": (
        zone(),
        ["-z", "z9", "set zonename=SUNWx; create"],
        {},
        message("SUNWx: zones beginning with SUNW are read-only.\n"),
    ),
    "deletion of nothing on standard input": (
        zone(),
        ["-z", "z9"],
        {"stdin": "delete -F\n"},
        (1, BEGIN * 3, ABSENT * 3),
    ),
    "deletion where the file is gone": (
        {"/etc/zones/index": INDEX},
        ["-z", "z1", "delete -F"],
        {},
        message("z1: No such zone configured\n"),
    ),
    "revert after a refused deletion": (
        zone() | {"/etc/zones/index": INDEX.replace("configured", "installed")},
        ["-z", "z1", "delete"],
        {"stdin": "y\n", "stdin_is_terminal": True},
        (
            0,
            "Are you sure you want to delete zone z1 (y/[n])? ",
            "Zone z1 not in configured state; delete not allowed.  Use -F to force delete.\n",
        ),
    ),
    "several resources on standard input that is no terminal": (
        zone(TWO_FS),
        ["-z", "z1"],
        {"stdin": "remove fs\n"},
        message("Resource incomplete.\n"),
    ),
    "export to a file of a zone that is not there": (
        zone(),
        ["-z", "z9", "export -f /tmp/out"],
        {},
        message(ABSENT),
    ),
    "an invalid document is complained of once": (
        BROKEN,
        ["-z", "z1", "info pool; info pool"],
        {},
        (1, "pool: p\n", "z1: Invalid document\n"),
    ),
    "a manifest without a root directory": (
        zone()
        | {"/zones/old/SUNWdetached.xml": f'{HEADER}<zone name="o" zonepath="/o" autoboot="true"/>\n'},
        ["-z", "z9", "-f", FILE],
        {"command_file": {"path": FILE, "text": "create -a /zones/old\n"}},
        (0, "", "invalid path to detached zone\n"),
    ),
    "a manifest without what it says on packages": (
        zone()
        | {
            "/zones/old/SUNWdetached.xml": f'{HEADER}<zone name="o" zonepath="/o" autoboot="true">'
            '<package name="a" version="1"/></zone>\n',
            "/zones/old/root/etc/release": "",
        },
        ["-z", "z9", "create -a /zones/old; info zonepath"],
        {},
        shows("zonepath: /zones/old\n"),
    ),
    "brand that forbids a stack of its own": (
        zone() | {"/usr/lib/brand/sn1/platform.xml": '<platform name="sn1" allow-exclusive-ip="false"/>'},
        ["-z", "z1", "set brand=sn1; set ip-type=exclusive; info ip-type; revert -F"],
        {},
        (1, "ip-type: shared\n", "ip-type cannot be 'exclusive' when brand is 'sn1'.\n"),
    ),
    "cpu-shares of the global zone": (zone(), ["-z", "global", "set cpu-shares=5"], {}, shows("")),
    "swap of the global zone": (
        zone(),
        ["-z", "global", "add capped-memory; set swap=60m; cancel"],
        {},
        message(f"{GLOBAL_WARNING}swap value is too small.  It must be at least 100M.\n"),
    ),
    "admins of the global zone are not shown with all": (
        zone(),
        ["-z", "global", "add admin; set user=bob; set auths=login; end; info"],
        {},
        shows("zonename: global\npool: \n"),
    ),
    "host id that cannot be": (
        zone(attributes='hostid="xyz"'),
        ["-z", "z1", "info hostid; export; verify"],
        {},
        (
            1,
            "create -b\nset zonepath=/zones/z1\nset brand=ipkg\nset autoboot=false\nset ip-type=shared\n",
            "z1: Specified property is invalid\nz1: invalid hostid: xyz\n",
        ),
    ),
    "file systems that cannot be": (
        zone(attributes='fs-allowed="a,,b"'),
        ["-z", "z1", "info fs-allowed"],
        {},
        message("z1: Specified property is invalid\n"),
    ),
    "ip-type that cannot be": (
        zone(attributes='ip-type="both"'),
        ["-z", "z1", "verify"],
        {},
        message("cannot get ip-type\nz1: invalid privilege: (null)\n"),
    ),
    "defrouter of two nets of one link": (
        zone(net("net0", 'allowed-address="10.0.0.1"') + net("net0", 'defrouter="10.0.0.9"'), EXCLUSIVE),
        ["-z", "z1", "verify"],
        {},
        shows(""),
    ),
    "defrouters of links without addresses": (
        zone(net("net0", 'defrouter="10.0.0.9"') + net("net1", 'defrouter="10.0.0.9"'), EXCLUSIVE),
        ["-z", "z1", "verify"],
        {},
        message(
            "".join(
                f"net: defrouter for {link} cannot be specified without allowed-address "
                "for an exclusive IP type\n"
                for link in ("net1", "net0")
            )
            + "z1: Invalid argument\n"
        ),
    ),
    "zonepath outside of the alternate root": (
        zone(root="/data/alt"),
        ["-R", "/data/alt", "-z", "z1", "set zonepath=/zones/q"],
        {},
        message("z1: Bad document property\n"),
    ),
    "new zone without zonepath below an alternate root": (
        zone(root="/data/alt")
        | {"/data/alt/etc/zones/SUNWblank.xml": f'{HEADER}<zone name="b" zonepath="" autoboot="false"/>\n'},
        ["-R", "/data/alt", "-z", "z9", "create -b; info zonepath"],
        {},
        (1, "zonepath: /data/alt\n", "z9: Problem updating index file\nConfiguration not saved.\n"),
    ),
    "exit by force asks nothing": (
        zone(),
        ["-z", "z1"],
        {"stdin": "create -F -b\nexit -F\n", "stdin_is_terminal": True},
        (
            1,
            "zonecfg:z1> Zone z1 already exists; overwriting.\nzonecfg:z1> ",
            "zonepath cannot be empty.\nZone z1 failed to verify\nz1: Required resource missing\n"
            "Configuration not saved.\n",
        ),
    ),
    "line of a syntax error at the end of a line": (
        zone(),
        ["-z", "z1", "-f", FILE],
        {"command_file": {"path": FILE, "text": "info pool\nset pool=\n"}},
        (1, "pool: \n", "syntax error on line 3 at '\\n'\n"),
    ),
    "line of a syntax error at a quote that the end of the line closes": (
        zone(),
        ["-z", "z1", "-f", FILE],
        {"command_file": {"path": FILE, "text": 'set pool=a"\n'}},
        message("syntax error on line 1 at '\"\n'\n"),
    ),
    "zonepath of a running zone": (
        zone(),
        ["-z", "z1", "set zonepath=/zones/q"],
        {"kernel_zones": "3 z1 running\n"},
        (0, "", "Zone z1 already installed; set zonepath not allowed.\n"),
    ),
    "create over a running zone": (
        zone(),
        ["-z", "z1", "create -F -b; info zonepath"],
        {"kernel_zones": "3 z1 running\n"},
        (0, "zonepath: /zones/z1\n", "Zone z1 already installed; create not allowed.\n"),
    ),
    "brand that is not there, on standard input": (
        replaced(zone(), 'brand="ipkg"', 'brand="zork"'),
        ["-z", "z1"],
        {"stdin": "info\n"},
        message('Zone z1 uses non-existent brand "zork".  Unable to continue\n'),
    ),
    "zonename of the global zone": (
        zone(),
        ["-z", "global", "info zonename"],
        {},
        (0, "", "zonename is not a valid property for the global zone.\n"),
    ),
    "value that a resource control cannot have": (
        zone(rctl("max-lwps", "500 maybe", "600 deny")),
        ["-z", "z1", "info rctl; verify"],
        {},
        (
            1,
            "rctl:\n\tname: zone.max-lwps\n",
            "rctl: no value specified\nz1: Required property missing\n",
        ),
    ),
    "something else in a resource control": (
        zone(
            '<rctl name="zone.max-lwps">'
            '<rctl-value priv="privileged" limit="500" action="deny"/><b/></rctl>'
        ),
        ["-z", "z1", "info pool; info max-lwps; info rctl"],
        {},
        (
            1,
            "rctl:\n\tname: zone.max-lwps\n\tvalue: (priv=privileged,limit=500,action=deny)\n",
            "z1: Invalid document\n",
        ),
    ),
    "resource without a value that it must have": (
        zone('<attr name="a" type="string"/>' + attr("b", "int", "1")),
        ["-z", "z1", "info pool; info attr"],
        {},
        message("z1: Invalid document\n"),
    ),
    "list with a gap": (
        zone(
            '<filesystem special="/s" directory="/d" type="lofs">'
            '<fsoption name="ro"/><fsoption/><fsoption name="rw"/></filesystem>'
        ),
        ["-z", "z1", "info pool; info fs"],
        {},
        (
            1,
            "fs:\n\tdir: /d\n\tspecial: /s\n\traw not specified\n\ttype: lofs\n\toptions: [ro]\n",
            "z1: Invalid document\n",
        ),
    ),
    "autoboot that is neither": (
        replaced(zone(), 'autoboot="false"', 'autoboot="yes"'),
        ["-z", "z1", "info pool; info autoboot; export"],
        {},
        (
            1,
            "create -b\nset zonepath=/zones/z1\nset ip-type=shared\n",
            "z1: Invalid document\nz1: Bad document property\n",
        ),
    ),
    "autoboot that is too long": (
        replaced(zone(), 'autoboot="false"', 'autoboot="falsely"'),
        ["-z", "z1", "info pool; info autoboot"],
        {},
        message("z1: Invalid document\nz1: Arg list too long\n"),
    ),
    "file without a zonename": (
        replaced(zone(), 'name="z1" ', ""),
        ["-z", "z1", "info pool; info zonename; commit"],
        {},
        (1, "zonename not specified\n", "z1: Invalid document\nz1: Bad document property\n"),
    ),
    "file without a zonepath": (
        replaced(zone(), 'zonepath="/zones/z1" ', ""),
        ["-z", "z1", "info pool; info zonepath"],
        {},
        (1, "zonepath not specified\n", "z1: Invalid document\n"),
    ),
    "file that names another zone": (
        replaced(zone(), 'name="z1" ', 'name="q" '),
        ["-z", "z1", "set autoboot=true"],
        {},
        message("z1: Miscellaneous file system error\nConfiguration not saved.\n"),
    ),
    "revert to a broken file": (
        BROKEN,
        ["-z", "z1", "info pool; revert -F; info pool"],
        {},
        (1, "pool: p\n", "z1: Invalid document\nz1: Invalid document\n"),
    ),
    "new zone whose line in the index is damaged": (
        zone() | {"/etc/zones/index": "global:installed:/\nz9:odd:/zones/z9:\n"},
        ["-z", "z9", "create -b; set zonepath=/zones/z9"],
        {},
        message("z9: Problem updating index file\nConfiguration not saved.\n"),
    ),
    "line of the index without an end": (
        zone() | {"/etc/zones/index": "global:installed:/\nz1:configured:/zones/z1:"},
        ["-z", "z1", "set autoboot=true"],
        {},
        message("z1: Problem updating index file\nConfiguration not saved.\n"),
    ),
    "index without the global zone": (
        zone() | {"/etc/zones/index": "z1:configured:/zones/z1:\n"},
        ["-z", "global", "set pool=p"],
        {},
        message("global: Problem updating index file\nConfiguration not saved.\n"),
    ),
    **{
        f"end of {resource} in a zone that is not there": (
            zone(),
            ["-z", "z9", f"select {resource}; end"],
            {},
            message(f"{ABSENT}{problem}\nResource incomplete.\n"),
        )
        for resource, problem in {
            "security-flags lower=aslr": "z9: Bad handle",
            "capped-cpu": "ncpus not specified",
            "dedicated-cpu": "ncpus not specified",
            "capped-memory": "No property was specified.  One of physical, swap or locked is required.",
            "net physical=net0": "physical not specified",
            "admin user=alice": "user not specified\nauths not specified",
        }.items()
    },
}
"""Files, command line and surroundings of a run, and what comes of it."""


@pytest.mark.parametrize(("files", "argv", "more", "wanted"), CALLS.values(), ids=CALLS)
def test_a_call(
    files: dict[str, str],
    argv: list[str],
    more: dict[str, Any],
    wanted: tuple[int, str, str],
    tmp_path: Path,
) -> None:
    assert session(files, tmp_path, *argv, **more) == wanted


def test_what_is_reverted_is_written_anew(tmp_path: Path) -> None:
    files = zone("<!-- a --><device   match='/dev/a'/>")
    got = replay(
        {
            "files_before": files,
            "program": "zonecfg",
            "stdin": "",
            "argv": ["-z", "z1", "set autoboot=true; revert -F"],
        },
        tmp_path,
    )
    assert got["files_after"]["/etc/zones/z1.xml"].endswith(
        '<zone name="z1" zonepath="/zones/z1" autoboot="false" brand="ipkg">\n'
        '  <!-- a -->\n  <device match="/dev/a"/>\n</zone>\n'
    )


@pytest.mark.parametrize("name", ["-a", "tank/..", "9tank", "tank/%x y"])
def test_a_dataset_may_have_the_name(name: str, tmp_path: Path) -> None:
    assert commands(zone(), tmp_path, f'add dataset; set name="{name}"; end; verify') == (0, "", "")


def test_an_export_makes_its_file_even_when_there_is_nothing_to_export(tmp_path: Path) -> None:
    session(zone(), tmp_path, "-z", "z9", "export -f /tmp/out")
    assert (tmp_path / "tmp/out").read_text() == ""

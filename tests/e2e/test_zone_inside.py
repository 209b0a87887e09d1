"""What is set up inside a native zone, with the real engine: users, files, hosts, a first boot's script."""

from __future__ import annotations

import hashlib
import os

import pytest

from .programs import zone
from .stack import PulumiFailed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files have several owners")

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhVr0aMYDXhkQh9mCRgNwRjBKdvSRMFgWzNhbT8Zl5d me"
HASH = "$6$saltsalt$Vq1eH0n3zVQk"
TOKEN = "correct-horse-battery"
ROOT = "/zones/web/root"


def secret(text):
    return {"fn::secret": text}


USERS = [
    {
        "name": "deploy",
        "uid": 1500,
        "group": "www",
        "comment": "Deployment",
        "shell": "/usr/bin/bash",
        "passwordHash": HASH,
        "sshAuthorizedKeys": [KEY],
        "profiles": ["Network Management"],
    },
    {"name": "admin", "fromHost": True},
]
FILES = [
    {
        "path": "/etc/opt/app/token",
        "content": secret(f"token={TOKEN}\n"),
        "mode": "0640",
        "owner": "deploy",
        "group": "www",
    },
    {"path": "/etc/motd.local", "content": "Welcome\n"},
    {"path": "/etc/profile", "content": "umask 027\n"},
]
SCRIPT = f"""\
date >/dev/null
echo "{TOKEN} from $(uname -n)" >>/var/tmp/first
id -un deploy >>/var/tmp/first
"""


def web(**more):
    properties = {
        "nics": [],
        "hostname": "www",
        "dnsServers": ["192.0.2.53"],
        "dnsSearch": ["lan.example", "example"],
        "timezone": "Europe/Zurich",
        "hosts": [{"address": "10.10.0.9", "names": ["db", "db.lan.example"]}],
        "users": USERS,
        "files": FILES,
        "firstBootScript": secret(SCRIPT),
        **more,
    }
    return {"web": zone("web", **{name: value for name, value in properties.items() if value is not None})}


def inside(host, command):
    return host.run(f"zlogin web '{command}'").check().stdout


def number(host):
    """The zone's number in the kernel: another one after each boot."""
    return host.run("zoneadm -z web list -p").check().stdout.split(":")[0]


def test_a_zone_is_set_up_inside_and_stays_as_it_is_wanted(host, stack):
    shop = stack().write(web())
    printed = shop.preview() + shop.up()
    exported = shop.run("stack", "export")
    assert all(text not in printed + exported for text in (TOKEN, HASH))
    # The zone sees all of it.
    assert inside(host, "getent passwd deploy") == (
        "deploy:x:1500:1000:Deployment:/export/home/deploy:/usr/bin/bash\n"
    )
    host_admin = host.run("getent passwd admin").check().stdout.split(":")
    assert inside(host, "getent passwd admin").split(":")[2:5] == host_admin[2:5]
    assert inside(host, "grep ^deploy: /etc/shadow").split(":")[1] == HASH
    assert "profiles=Network Management" in inside(host, "grep ^deploy: /etc/user_attr")
    assert inside(host, "cat /export/home/deploy/.ssh/authorized_keys") == f"{KEY}\n"
    listed = inside(host, "ls -l /etc/opt/app/token").split()
    assert (listed[0], listed[2:4]) == ("-rw-r-----", ["deploy", "www"])
    assert inside(host, "cat /etc/opt/app/token") == f"token={TOKEN}\n"
    assert inside(host, "grep db /etc/hosts") == "10.10.0.9\tdb db.lan.example\n"
    assert "localhost" in inside(host, "cat /etc/hosts")
    assert inside(host, "cat /etc/resolv.conf") == "search lan.example example\nnameserver 192.0.2.53\n"
    assert inside(host, "echo $TZ") == "Europe/Zurich\n"
    ran = f"{TOKEN} from www\ndeploy\n"
    assert inside(host, "cat /var/tmp/first") == ran
    outputs = shop.resources()["web"]["outputs"]
    assert outputs["firstBootStatus"] == 0
    assert outputs["timezone"] == "Europe/Zurich"
    # The script has run, and does so never again; to change it changes nothing.
    host.run("zoneadm -z web reboot").check()
    host.run(
        f"cat {ROOT}/etc/rc3.d/S99* {ROOT}/etc/pulumi-illumos/first-boot >/dev/null 2>&1 && exit 1; :"
    ).check()
    shop.write(web(firstBootScript="exit 1"))
    shop.expect_no_change()
    assert inside(host, "cat /var/tmp/first") == ran
    # What somebody changed inside is seen, and mended in the running zone.
    booted = number(host)
    host.run(f"echo Bye >{ROOT}/etc/motd.local; chmod 666 {ROOT}/etc/opt/app/token").check()
    shadow = f"{ROOT}/etc/shadow"
    host.run(f"sed /^deploy/d {shadow} >/tmp/shadow; cat /tmp/shadow >{shadow}; rm /tmp/shadow").check()
    assert "files" in shop.refresh()
    shop.up()
    assert inside(host, "cat /etc/motd.local") == "Welcome\n"
    assert inside(host, "ls -l /etc/opt/app/token").startswith("-rw-r-----")
    assert inside(host, "grep ^deploy: /etc/shadow").split(":")[1] == HASH
    # What is dropped from the program goes, except what was there before; the zone goes on running.
    shop.write(web(users=USERS[:1], files=FILES[:1], hosts=None, dnsSearch=None, dnsDomain="example"))
    assert "/etc/profile was in zone web before" in shop.up()
    assert host.run(f"ls {ROOT}/etc/motd.local").status != 0
    assert inside(host, "cat /etc/profile") == "umask 027\n"
    assert host.run("zlogin web 'getent passwd admin'").status != 0
    assert "db" not in inside(host, "cat /etc/hosts")
    assert inside(host, "cat /etc/resolv.conf") == "domain example\nnameserver 192.0.2.53\n"
    assert number(host) == booted
    # An import spells what is ours, without what may be secret.
    shop.run("state", "delete", "--yes", shop.resources()["web"]["urn"])
    shop.run("import", "illumos:index:Zone", "web", "gz1/web", "--yes", "--protect=false")
    imported = shop.resources()["web"]
    assert imported["inputs"]["files"] == [
        {"path": "/etc/opt/app/token", "mode": "640", "owner": "deploy", "group": "www"}
    ]
    assert imported["inputs"]["users"][0]["group"] == "www"
    assert (
        imported["outputs"]["files"][0]["sha256"] == hashlib.sha256(f"token={TOKEN}\n".encode()).hexdigest()
    )
    shop.write(
        web(
            **{
                **imported["inputs"],
                "name": None,
                "hosts": None,
                "dnsSearch": None,
                "firstBootScript": None,
            }
        )
    )
    shop.preview("--expect-no-changes")
    # A change of the time zone takes a boot.
    shop.write(web(users=[], files=[], hosts=[], dnsSearch=[], timezone="UTC", firstBootScript=None))
    assert "will be rebooted: timezone" in shop.preview()
    shop.up()
    assert inside(host, "echo $TZ") == "UTC\n"
    assert host.run("cat /etc/pulumi-illumos/zones/web").stdout == "first-boot\n"
    shop.destroy()


def test_a_script_that_fails_is_told_with_what_it_said(host, stack):
    script = f"#!/bin/bash\ntoken={TOKEN}\necho 'no such package' >&2\ncat $0\nexit 7\n"
    shop = stack().write({"web": zone("web", nics=[], firstBootScript=secret(script))})
    with pytest.raises(PulumiFailed, match=r"status 7(.|\n)*no such package") as failed:
        shop.up()
    assert TOKEN not in failed.value.output
    # It has run once: the zone is there, and says so.
    shop.up()
    assert shop.resources()["web"]["outputs"]["firstBootStatus"] == 7
    shop.destroy()

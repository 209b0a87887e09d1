"""Logging in to zones over their own networks, and what a login finds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from illumos_lab.testing import Host, Lab, Result

OPTIONS = "-o BatchMode=yes -o StrictHostKeyChecking=no"
ZONES = """\
dladm create-etherstub stub0
dladm create-vnic -l e1000g0 gw0
dladm create-vnic -l stub0 gw1
dladm create-vnic -l stub0 web0
zonecfg -z gw 'create -t TRIBsparse; set zonepath=/export/zones/gw; set ip-type=exclusive;
    add net; set physical=gw0; set allowed-address=192.0.2.100/24; set defrouter=192.0.2.1; end;
    add net; set physical=gw1; set allowed-address=10.1.2.1/24; end'
zonecfg -z web 'create -t TRIBsparse; set zonepath=/export/zones/web; set ip-type=exclusive;
    add net; set physical=web0; set allowed-address=10.1.2.10/24; set defrouter=10.1.2.1; end'
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
for zone in gw web; do
    zoneadm -z $zone install
    mkdir -m 700 /export/zones/$zone/root/root/.ssh
    cp /root/.ssh/id_ed25519.pub /export/zones/$zone/root/root/.ssh/authorized_keys
    zoneadm -z $zone boot
done
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.start(profile="tribblix", time_scale=0) as lab:
        lab.host.run(ZONES).check()
        for zone in ("gw", "web"):
            _await(lab.host, zone)
        yield lab.host


def _await(host: Host, zone: str, state: str = "online") -> None:
    deadline = time.monotonic() + 60
    while host.run(f"svcs -z {zone} -H -o state network/ssh").stdout != f"{state}\n":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _login(host: Host, where: str, command: str = "zonename") -> Result:
    return host.run(["/usr/bin/ssh", *OPTIONS.split(), *where.split(), command])


def test_a_zone_is_logged_in_to_by_its_address_and_by_way_of_another(host: Host) -> None:
    before = host.journal()
    login = _login(host, "192.0.2.100", "zonename; pwd; echo $SSH_CONNECTION | cut -d' ' -f1,3,4")
    assert login.stdout == "gw\n/root\n192.0.2.11 192.0.2.100 22\n"
    assert _login(host, "-tt 192.0.2.100", "tty").stdout.startswith("/dev/pts/")
    assert _login(host, "-J 192.0.2.100 10.1.2.10").stdout == "web\n"
    keys = {
        host.run(["/usr/bin/cat", f"/export/zones/{zone}/root/etc/ssh/ssh_host_ed25519_key.pub"]).stdout
        for zone in ("gw", "web")
    }
    assert len(keys) == 2
    # Only logins to the host itself are counted.
    after = host.journal()
    assert (after["connections"], after["channels"]) == (before["connections"], before["channels"])


def test_who_is_not_known_in_the_zone_does_not_get_in(host: Host) -> None:
    assert _login(host, "jack@192.0.2.100").status == 255
    config = "/export/zones/gw/root/etc/ssh/sshd_config"
    host.run(f"sed -i.old 's/^PermitRootLogin.*/PermitRootLogin no/' {config}").check()
    assert _login(host, "192.0.2.100").status == 255
    host.run(f"mv {config}.old {config}").check()
    assert _login(host, "192.0.2.100").status == 0


def test_logins_end_with_the_service_or_with_the_zone(host: Host) -> None:
    host.run("zlogin -n gw svcadm disable -s ssh").check()
    refused = _login(host, "192.0.2.100")
    assert (refused.status, "Connection refused" in refused.stderr) == (255, True)
    host.run("zlogin -n gw svcadm enable -s ssh").check()
    # A session that is there when its zone goes ends with it; the zone's next boot has the old key.
    command = f"ssh {OPTIONS} 192.0.2.100 'touch /var/tmp/here; sleep 600' & echo $!"
    waiting = "until [ -f /export/zones/gw/root/var/tmp/here ]; do sleep 0.1; done"
    host.run(f"{command}; {waiting}; zoneadm -z gw halt; wait; zoneadm -z gw boot").check()
    _await(host, "gw")
    assert _login(host, "192.0.2.100").stdout == "gw\n"


def test_a_login_has_the_time_zone_of_the_system(host: Host) -> None:
    host.run("test -f /usr/share/lib/zoneinfo/Asia/Tokyo").check()
    for place, login in (
        ("/etc/default/init", lambda: host.ssh("date +%z")),
        ("/export/zones/gw/root/etc/default/init", lambda: _login(host, "192.0.2.100", "date +%z")),
    ):
        host.run(f"echo TZ=Asia/Tokyo >{place}").check()
        assert login().stdout == "+0900\n"
        host.run(f"echo TZ=UTC >{place}").check()

"""What packets find on their way through a router zone: routed networks, IPv6, smaller links, filters."""

import time

import pytest

from .programs import zone
from .stack import PulumiFailed

# Counts what arrives over a connection, and answers who sent it and how much it was.
SERVER = """
import socket, sys
tcp = socket.create_server(("", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("up", flush=True)
while True:
    connection, sender = tcp.accept()
    size = 0
    while data := connection.recv(1 << 16):
        size += len(data)
    connection.sendall(f"{sender[0].removeprefix('::ffff:')} {size}".encode())
    connection.close()
"""

CLIENT = """
import socket, sys
address, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    talk = socket.create_connection((address, port), 5)
    talk.settimeout(30)
    talk.sendall(bytes(size))
    talk.shutdown(socket.SHUT_WR)
    print(talk.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""

BLOCKED = "TimeoutError"
OUTER, ROUTER = "192.0.2.150", "192.0.2.100"
WHOLE = "/system/lab/linux/bin/ping -n -M do -c 1 -w 3 -s 8972"
"""Sends a packet of 9000 bytes that must not be taken apart."""

INSTALLED = "/var/pkg/state/installed/catalog.base.C"
"""Where pkg keeps what is installed."""

LAN = {"subnet": "10.10.0.0/24", "subnet6": "2001:db8:10::/64", "mtu": 9000, "domain": "old.example"}
ROUTED = {"subnet": "10.30.0.0/24", "nat": False}
CELL = {"subnet": "10.40.0.0/24", "subnet6": "2001:db8:40::/64", "isolated": True}


def router(*networks, **more):
    properties = {"name": "gw", "publicAddress": ROUTER, "networks": list(networks), **more}
    return {"type": "illumos:RouterZone", "properties": properties}


def behind(name, address, how="addrconf"):
    """A zone that takes an IPv6 address from router advertisements, or its IPv4 address by DHCP."""
    return zone(name, nics=[{"router": "${gw.id}", "address": address, how: True}])


def eventually(check, seconds=90):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


class Net:
    """The zones, and what they say to each other."""

    def __init__(self, host):
        self.host = host

    def serve(self, name, port):
        root = f"/zones/{name}/root"
        self.host.run(f"cat >{root}/tmp/server.py", input=SERVER).check()
        command = f"nohup python3 /tmp/server.py {port} >/tmp/out 2>&1 </dev/null &"
        self.host.run(f"zlogin {name} '{command}'").check()
        eventually(lambda: "up" in self.host.run(f"cat {root}/tmp/out").stdout)

    def talk(self, name, address, port, size=1):
        """What the server says; or the error."""
        return self.host.run(
            f"zlogin {name} python3 - {address} {port} {size}", input=CLIENT
        ).stdout.strip()

    def reaches(self, name, address):
        return "alive" in self.host.run(f"zlogin {name} ping {address} 2").stdout

    def six(self, name):
        """The address that a zone made itself out of an announced prefix."""
        lines = self.host.run(f"zlogin {name} ipadm show-addr -p -o addr").stdout.replace("\\", "").split()
        return next((line.partition("/")[0] for line in lines if line.startswith("2001:db8:")), "")

    def routers_six(self, name):
        """The default routes over IPv6."""
        lines = self.host.run(f"zlogin {name} netstat -rn -f inet6").stdout.splitlines()
        return [line.split()[1] for line in lines if line.startswith("default")]

    def domain(self, name):
        return self.host.run(f"zlogin {name} /sbin/dhcpinfo -i {name}_0 DNSdmain").stdout.strip()

    def four(self, name):
        """The address that it got by DHCP."""
        lines = self.host.run(f"zlogin {name} ipadm show-addr -p -o type,addr").stdout.split()
        return next((line.removeprefix("dhcp:") for line in lines if line.startswith("dhcp:")), "")


def test_routed_networks_ipv6_large_packets_and_dhcp_changes(host, stack, lab):
    net = Net(host)
    shop = stack()
    zones = {
        "outer": zone("outer", nics=[{"link": "e1000g0", "address": f"{OUTER}/24"}]),
        "a": behind("a", "10.10.0.20"),
        "b": behind("b", "10.10.0.21", "dhcp"),
        "e": behind("e", "10.10.0.22", "dhcp"),
        "c": behind("c", "10.30.0.5"),
        "d": behind("d", "10.40.0.5"),
    }
    shop.write({"gw": router(LAN, ROUTED, CELL), **zones}).up()
    for name, port in (("outer", 7000), ("b", 7000), ("c", 7000), ("gw", 7022)):
        net.serve(name, port)
    for network in ("10.30.0.0/24", "10.50.0.0/16"):
        host.run(f"zlogin outer route add -net {network} {ROUTER}").check()

    # The world sees the address of a routed network itself, and the router's for a translated one.
    assert net.talk("c", OUTER, 7000) == "10.30.0.5 1"
    assert net.talk("a", OUTER, 7000) == f"{ROUTER} 1"
    assert net.talk("outer", "10.30.0.5", 7000) == BLOCKED
    assert net.talk("outer", ROUTER, 7022) == BLOCKED

    # Large packets stay whole between neighbours; where the way is smaller, TCP finds out.
    assert host.run(f"zlogin a {WHOLE} 10.10.0.21").status == 0
    assert host.run(f"zlogin a {WHOLE} {OUTER}").status != 0
    assert net.talk("a", OUTER, 7000, 3_000_000) == f"{ROUTER} 3000000"
    assert net.talk("a", "10.30.0.5", 7000, 3_000_000) == "10.10.0.20 3000000"

    # A change that is cut off between the file and the daemon that reads it is finished by the next one.
    renamed = {**LAN, "domain": "new.example"}
    six = {**ROUTED, "subnet6": "2001:db8:30::/64"}
    firewall = {
        "inbound": [{"port": "7022"}],
        "rules": [
            {"action": "pass", "on": "public", "destination": network, "protocol": "tcp"}
            for network in ("10.30.0.0/24", "10.50.0.0/16")
        ],
    }
    routes = [{"destination": "10.50.0.0/16", "gateway": "10.30.0.5"}]
    changed = {"gw": router(renamed, six, CELL, firewall=firewall, routes=routes), **zones}
    host.fault("svcadm -z gw restart svc:/network/routing/ndp:default", status=1)
    with pytest.raises(PulumiFailed, match="router advertisements"):
        shop.write(changed).up()
    assert net.six("c") == ""
    assert "ndpd.conf was cut off" in shop.refresh()
    shop.up()
    shop.expect_no_change()

    assert net.talk("outer", ROUTER, 7022) == f"{OUTER} 1"
    assert net.talk("outer", "10.30.0.5", 7000) == f"{OUTER} 1"
    host.run("zlogin c ipadm create-addr -t -T static -a 10.50.0.1/32 c_0/more").check()
    assert net.talk("outer", "10.50.0.1", 7000) == f"{OUTER} 1"

    # Who asks again is told what is new; who does not keeps what it has.
    assert (net.domain("b"), net.domain("e")) == ("old.example", "old.example")
    host.run("zlogin b ifconfig b_0 dhcp extend").check()
    eventually(lambda: net.domain("b") == "new.example")
    assert (net.four("b"), net.four("e")) == ("10.10.0.21/24", "10.10.0.22/24")
    assert net.domain("e") == "old.example"
    assert net.talk("a", "b.new.example", 7000) == "10.10.0.20 1"

    def expect_six():
        for name in ("a", "c", "d"):
            eventually(lambda name=name: net.six(name) and net.routers_six(name))
            assert all(gateway.startswith("fe80::") for gateway in net.routers_six(name))
        eventually(lambda: net.reaches("a", net.six("c")))
        assert net.talk("a", net.six("c"), 7000) == f"{net.six('a')} 1"
        eventually(lambda: net.reaches("c", "2001:db8:30::1"))
        eventually(lambda: net.reaches("d", "2001:db8:40::1"))
        assert not net.reaches("a", net.six("d"))
        assert not net.reaches("d", net.six("a"))

    expect_six()
    host.run("ipf -6 -Fa gw").check()
    eventually(lambda: net.reaches("d", net.six("a")))
    assert "not in force: block in on gw_3 from any to 2001:db8:10::/64" in shop.refresh()
    shop.up()
    host.run("zoneadm -z gw reboot").check()
    eventually(lambda: net.reaches("c", "10.30.0.1"))
    expect_six()

    # Without IPv6 nothing of it is left.
    shop.write(
        {"gw": router({**renamed, "subnet6": None}, ROUTED, {**CELL, "subnet6": None}), **zones}
    ).up()
    eventually(lambda: not net.routers_six("a"))
    assert host.run("ls /zones/gw/root/etc/inet/ndpd.conf /zones/gw/root/etc/ipf/ipf6.conf").stdout == ""
    shop.expect_no_change()
    shop.destroy()


def test_software_that_is_missing_is_named_with_its_package(host, stack):
    shop = stack().write({"gw": router({"subnet": "10.10.0.0/24"})})

    def expect_failure(words):
        with pytest.raises(PulumiFailed, match=words):
            shop.up()
        assert shop.resources()["gw"]["initErrors"]

    # The package step said success, and the program is not there.
    host.fault("zoneadm -z gw boot", status=1)
    expect_failure("booting zone gw")
    host.run("rm /zones/gw/root/opt/ooce/sbin/dnsmasq").check()
    expect_failure(
        "package ooce/network/dnsmasq is missing in the zone: there is no /opt/ooce/sbin/dnsmasq"
    )
    shop.destroy()

    # The global zone has the programs, but did not have the devices when the zone was booted.
    host.run(f"mv {INSTALLED} {INSTALLED}.away").check()
    expect_failure("there is no /dev/ipnat: package network/ipfilter was not in the global zone")
    host.run(f"mv {INSTALLED}.away {INSTALLED}").check()
    shop.destroy()

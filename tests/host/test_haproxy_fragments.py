"""Ingresses of several programs in a router zone of an emulated host, with the real haproxy."""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import pytest

from illumos_lab.testing import Lab
from pulumi_illumos_provider.illumos import haproxy, haproxy_service
from pulumi_illumos_provider.illumos.distribution import OMNIOS, TRIBBLIX, Distribution, Haproxy
from pulumi_illumos_provider.illumos.haproxy import Health, Ingress, Server, Tls
from tests.lab.certificates import server_certificate

PUBLIC = "192.0.2.100"
BRANDS = {OMNIOS.name: "lipkg", TRIBBLIX.name: "whole-root"}

# Answers each line on 192.0.2.100:9000 in the router zone itself.
ECHO = """
import socket, threading
server = socket.create_server(("192.0.2.100", 9000))
print("up", flush=True)
def talk(connection):
    while text := connection.recv(100):
        connection.sendall(text)
while True:
    threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
"""

# Has port 82.
HOLD = """
import socket, threading
server = socket.create_server(("192.0.2.100", 82))
print("up", flush=True)
threading.Event().wait()
"""

# One connection for as long as the file /tmp/on is there; says what became of it.
SESSION = """
import os, socket, time
talk = socket.create_connection(("192.0.2.100", 2000), 30)
rounds = 0
try:
    while os.path.exists("/tmp/on"):
        talk.sendall(b"x")
        assert talk.recv(100) == b"x"
        rounds += 1
        print(rounds, flush=True)
        time.sleep(0.05)
    print("whole", flush=True)
except (OSError, AssertionError):
    print("broken", flush=True)
"""


@dataclass
class Router:
    """A router zone, and what programs do to it."""

    lab: Lab
    distribution: Distribution

    @property
    def root(self) -> str:
        return f"{self.distribution.zones}/gw/root"

    @property
    def package(self) -> Haproxy:
        return self.distribution.haproxy

    def run(self, command, input=""):
        return self.lab.host.run(command, input=input)

    def carry_out(self, command):
        return self.run(list(command.argv), command.stdin or "")

    def put(self, name, ingress, pem=""):
        text = haproxy.fragment(name, ingress, f"urn:{name}")
        done = self.carry_out(haproxy_service.put(self.package, "gw", self.root, name, text, pem))
        if done.status == 0:
            held = haproxy_service.in_force(self.package, "gw", self.root, name, text, pem)
            self.carry_out(held).check()
        return done

    def remove(self, name):
        self.carry_out(haproxy_service.remove(self.package, "gw", self.root, name)).check()
        self.carry_out(haproxy_service.absent(self.package, "gw", self.root, name)).check()

    def state(self):
        return self.run(f"svcs -z gw -H -o state {self.package.fmri}").stdout.strip()

    def config(self):
        return self.run(f"cat {self.root}{self.package.config}").stdout

    def names(self, directory="haproxy.d"):
        return self.run(f"ls -A {self.root}/etc/{directory} 2>/dev/null").stdout.split()

    def status(self, host, port=80, *options):
        return self.lab.outside(
            *("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", *options),
            *("-H", f"Host: {host}", f"http://{PUBLIC}:{port}/"),
        ).stdout

    def start(self, script, name):
        self.run(f"cat >{self.root}/tmp/{name}.py", script).check()
        command = f"nohup python3 /tmp/{name}.py >/tmp/{name}.out 2>&1 </dev/null &"
        self.run(f"zlogin gw '{command}'").check()

    def said(self, name):
        return self.run(f"cat {self.root}/tmp/{name}.out").stdout.split()


def eventually(condition):
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def build(lab: Lab, own: Distribution) -> Router:
    router = Router(lab, own)
    zone = (
        f"create -b; set brand={BRANDS[own.name]}; set zonepath={own.zones}/gw; set ip-type=exclusive;"
        " add net; set physical=p0; end"
    )
    for command in (
        "dladm create-vnic -l e1000g0 p0",
        f"zonecfg -z gw '{zone}'",
        f"zoneadm -z gw install {'-o base' if own is TRIBBLIX else ''}",
        f"echo {PUBLIC}/24 >{router.root}/etc/hostname.p0",
        f"echo 192.0.2.1 >{router.root}/etc/defaultrouter",
        "zoneadm -z gw boot",
    ):
        router.run(command).check()
    up = "svcs -z gw -H -o state multi-user-server"
    eventually(lambda: router.run(up).stdout.strip() == "online")
    assert router.carry_out(haproxy_service.installed("gw", router.package)).status != 0
    install = own.install_package(router.package.package)
    router.carry_out(haproxy_service.install("gw", router.package, install)).check()
    router.carry_out(haproxy_service.installed("gw", router.package)).check()
    return router


@pytest.fixture(scope="module")
def omnios() -> Iterator[Router]:
    with Lab.start(profile="omnios", time_scale=0) as lab:
        yield build(lab, OMNIOS)


@pytest.fixture(scope="module")
def tribblix() -> Iterator[Router]:
    with Lab.start(profile="tribblix", time_scale=0) as lab:
        yield build(lab, TRIBBLIX)


@pytest.fixture
def router(omnios: Router) -> Iterator[Router]:
    """A router zone in which haproxy is installed, and has nothing to do before and after."""
    yield omnios
    for name in omnios.names():
        omnios.remove(name)
    nothing_left(omnios)


def nothing_left(router):
    assert router.state() == "disabled"
    assert router.config() == ""
    assert router.names() == router.names("haproxy.certs") == []
    assert router.run("pgrep -z gw -x haproxy").stdout == ""
    assert router.run("ls /var/run/pulumi-illumos").stdout == ""


def ingress(*hostnames, port=80, mode="http", target=1, tls=None):
    servers = (Server("", PUBLIC, target),)
    return Ingress(IPv4Address(PUBLIC), port, mode, hostnames, tls, servers, "roundrobin", Health(), False)


def test_two_programs_come_and_go_at_the_same_time(router):
    """Over SSH, in random order; afterwards there is exactly what both left."""

    def program(letter):
        chance = random.Random(letter)
        has: set[str] = set()
        for _ in range(4):
            name = f"{letter}{chance.randrange(2)}"
            if name in has and chance.random() < 0.5:
                command = haproxy_service.remove(router.package, "gw", router.root, name)
                has.remove(name)
            else:
                text = haproxy.fragment(name, ingress(f"{name}.example.org"), f"urn:{name}")
                command = haproxy_service.put(router.package, "gw", router.root, name, text)
                has.add(name)
            router.lab.host.ssh(shlex.join(command.argv), input=command.stdin or "").check()
        return has

    with ThreadPoolExecutor() as pool:
        left = sorted(set().union(*pool.map(program, "ab")))
    assert left
    assert router.names() == left
    backends = [line.split()[1] for line in router.config().splitlines() if line.startswith("backend ")]
    assert backends == left
    assert router.state() == "online"
    # Nobody listens behind them; of another name nobody knows.
    assert {router.status(f"{name}.example.org") for name in left} == {"503"}


def test_what_haproxy_does_not_accept_changes_nothing(router):
    assert router.put("a", ingress("a.example.org")).status == 0
    before = router.config()
    refused = router.put("b", ingress("b.example.org", port=81, mode="nonsense"))
    assert refused.status == 1
    assert "unknown proxy mode" in refused.stderr
    assert (router.config(), router.names(), router.state()) == (before, ["a"], "online")


def test_what_haproxy_cannot_do_is_taken_back(router):
    assert router.put("a", ingress("a.example.org")).status == 0
    before = router.config()
    router.start(HOLD, "hold")
    eventually(lambda: router.said("hold"))
    refused = router.put("b", ingress(port=82, mode="tcp"))
    router.run("pkill -x -z gw python3").check()
    assert refused.status == 1
    assert "the former one again" in refused.stderr
    assert "bind" in refused.stderr
    assert (router.config(), router.names(), router.state()) == (before, ["a"], "online")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (ingress("a.example.org"), "taken in the meantime by ingress a of urn:a"),
        (ingress(mode="tcp"), "taken in the meantime by ingress a of urn:a"),
    ],
)
def test_what_was_taken_in_the_meantime_is_refused(router, other, words):
    assert router.put("a", ingress("a.example.org")).status == 0
    refused = router.put("b", other)
    assert (refused.status, words in refused.stderr) == (1, True)
    assert router.names() == ["a"]


def test_a_port_that_was_forwarded_in_the_meantime_is_refused(router):
    fragment = f"{router.root}/etc/ipf/ipnat.d/50-forward-x"
    note = f"# owner: urn:x\n# ports: tcp {PUBLIC} 70 90\n"
    router.run(f"mkdir -p {fragment.rpartition('/')[0]}; cat >{fragment}", note).check()
    refused = router.put("a", ingress("a.example.org"))
    router.run(f"rm -r {fragment.rpartition('/')[0]}").check()
    assert (refused.status, "urn:x" in refused.stderr) == (1, True)


def test_each_name_has_its_own_certificate(router):
    def secure(name):
        own = server_certificate(name)
        tls = Tls(own.chain, f"digest of {name}")
        return ingress(name, port=443, tls=tls), own.chain + own.key

    for name in ("a.example.org", "b.example.org"):
        assert router.put(name[0], *secure(name)).status == 0
    ask = "openssl s_client -connect 192.0.2.100:443 -servername NAME </dev/null 2>/dev/null | grep subject"
    for name in ("a.example.org", "b.example.org"):
        subject = router.lab.outside("sh", "-c", ask.replace("NAME", name)).stdout
        assert name in subject
    listed = router.run(f"ls -l {router.root}/etc/haproxy.certs/*.pem").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["-rw-------"] * 2
    # Another certificate takes the place of the former one; a bad one does not.
    assert router.put("a", *secure("a.example.org")).status == 0
    wanted, pem = secure("a.example.org")
    assert router.put("a", wanted, pem.replace("MI", "XX")).status == 1
    assert len(router.run(f"ls {router.root}/etc/haproxy.certs/*.pem").stdout.split()) == 2
    router.remove("a")
    assert [name[0] for name in router.names("haproxy.certs") if name.endswith(".pem")] == ["b"]


def test_a_change_that_is_cut_off_is_finished_by_the_next_one(router):
    assert router.put("a", ingress("a.example.org")).status == 0
    chance = random.Random(1)
    for number in range(2):
        text = haproxy.fragment("a", ingress(f"a{number}.example.org"), "urn:a")
        command = haproxy_service.put(router.package, "gw", router.root, "a", text)
        cut = f"{shlex.join(command.argv)} <&3 & sleep {chance.uniform(0.1, 1)}"
        router.run(f"exec 3<&0; {cut}; kill -KILL $! 2>/dev/null; wait", command.stdin)
        assert router.put("b", ingress(f"b{number}.example.org")).status == 0
        assert router.state() == "online"
        assert router.status(f"b{number}.example.org") == "503"
        assert f"b{number}.example.org" in router.config()


def test_a_configuration_of_somebody_else_is_kept(router):
    place = f"{router.root}{router.package.config}"
    theirs = f"defaults\n  mode http\nfrontend x\n  bind {PUBLIC}:5000\n"
    router.run(f"cat >{place}", theirs).check()
    router.run(f"svcadm -z gw enable -s {router.package.fmri}").check()
    refused = router.put("a", ingress("a.example.org"))
    assert (refused.status, "somebody else" in refused.stderr) == (1, True)
    assert (router.config(), router.state()) == (theirs, "online")
    # What nobody uses makes room, and comes back in the end.
    router.run(f"svcadm -z gw disable -s {router.package.fmri}").check()
    assert router.put("a", ingress("a.example.org")).status == 0
    router.remove("a")
    assert router.config() == theirs
    router.run(f"rm {place}").check()


def test_in_a_zone_that_is_halted_an_ingress_is_removed(router):
    for name in ("a", "b"):
        assert router.put(name, ingress(f"{name}.example.org")).status == 0
    router.run("zoneadm -z gw halt").check()
    router.remove("a")
    router.run("zoneadm -z gw boot").check()
    eventually(lambda: router.state() == "online")
    assert "a.example.org" not in router.config()
    eventually(lambda: router.status("b.example.org") == "503")


def test_a_link_in_the_zone_leads_nowhere(router):
    router.run(f"mkdir /tmp/elsewhere; ln -s /tmp/elsewhere {router.root}/etc/haproxy.certs").check()
    refused = router.put("a", ingress("a.example.org"))
    router.run(f"rm {router.root}/etc/haproxy.certs; rmdir /tmp/elsewhere").check()
    assert (refused.status, "symbolic link" in refused.stderr) == (1, True)


def test_open_connections_live_on_through_a_reload(tribblix):
    router = tribblix
    router.start(ECHO, "echo")
    eventually(lambda: router.said("echo"))
    assert router.put("a", ingress(port=2000, mode="tcp", target=9000)).status == 0
    router.run(f"touch {router.root}/tmp/on").check()
    router.start(SESSION, "session")
    eventually(lambda: len(router.said("session")) > 3)
    former = router.run("pgrep -z gw -x haproxy").stdout.split()
    assert router.put("b", ingress("b.example.org")).status == 0
    assert router.status("b.example.org") == "503"
    assert not set(router.run("pgrep -z gw -x haproxy").stdout.split()).issubset(former)
    rounds = len(router.said("session"))
    eventually(lambda: len(router.said("session")) > rounds + 3)
    router.run(f"rm {router.root}/tmp/on").check()
    eventually(lambda: router.said("session")[-1] in ("whole", "broken"))
    assert router.said("session")[-1] == "whole"
    router.remove("a")
    router.remove("b")
    nothing_left(router)


def test_a_service_in_maintenance_is_put_right(tribblix):
    router = tribblix
    assert router.put("a", ingress("a.example.org")).status == 0
    router.run(f"cat >{router.root}{router.package.config}", "nonsense\n").check()
    router.run(f"svcadm -z gw refresh {router.package.fmri}").check()
    eventually(lambda: router.state() == "maintenance")
    text = haproxy.fragment("a", ingress("a.example.org"), "urn:a")
    held = haproxy_service.in_force(router.package, "gw", router.root, "a", text)
    assert router.carry_out(held).status != 0
    assert router.put("a", ingress("a.example.org")).status == 0
    assert router.state() == "online"
    router.remove("a")
    nothing_left(router)


def test_a_package_manager_that_did_nothing_is_not_believed(router):
    wrong = replace(router.package, program="/opt/ooce/sbin/nothing")
    done = router.carry_out(
        haproxy_service.install("gw", wrong, OMNIOS.install_package(router.package.package))
    )
    assert done.status == 1
    assert f"package {router.package.package} was installed, and yet there is no" in done.stderr

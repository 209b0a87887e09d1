"""A router zone that serves: links, rules and services change, sessions live or end as they should."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from illumos_lab.testing import Host, Lab, Result
from tests.lab.certificates import server_certificate

BUILD = """
set -o errexit
dladm create-etherstub lan0
dladm create-etherstub lan1
for link in r0 a0 b0; do dladm create-vnic -l lan0 $link; done
for link in r1 c0; do dladm create-vnic -l lan1 $link; done
for link in p0 o0; do dladm create-vnic -l e1000g0 $link; done
make_zone() {
  printf 'create -b\\nset brand=lipkg\\nset zonepath=/zones/%s\\nset ip-type=exclusive\\n' $1 >/tmp/$1.cfg
  for link in $2; do printf 'add net\\nset physical=%s\\nend\\n' $link >>/tmp/$1.cfg; done
  zonecfg -z $1 -f /tmp/$1.cfg
  zoneadm -z $1 install $3
}
make_zone gw "p0 r0" "-e ooce/network/dnsmasq -e ooce/server/haproxy"
make_zone a a0
make_zone b b0
make_zone c c0
make_zone out o0
R=/zones/gw/root/etc
echo 192.0.2.100/24 >$R/hostname.p0
echo 10.0.0.1/24 >$R/hostname.r0
echo 10.0.0.5/24 >/zones/a/root/etc/hostname.a0
echo 10.0.0.6/24 >/zones/b/root/etc/hostname.b0
echo 10.0.1.7/24 >/zones/c/root/etc/hostname.c0
for zone in a b; do echo 10.0.0.1 >/zones/$zone/root/etc/defaultrouter; done
echo 10.0.1.1 >/zones/c/root/etc/defaultrouter
echo 192.0.2.50/24 >/zones/out/root/etc/hostname.o0
cat >$R/ipf/ipnat.conf <<'END'
map p0 10.0.0.0/24 -> 0/32 portmap tcp/udp 20000:30000
map p0 10.0.0.0/24 -> 0/32
END
mkdir $R/dhcp-hosts $R/dns-hosts
cat >$R/opt/ooce/dnsmasq/dnsmasq.conf <<'END'
interface=r0
no-resolv
server=/outside.example/198.51.100.80
domain=lan.example
local=/lan.example/
expand-hosts
host-record=gw.lan.example,10.0.0.1
addn-hosts=/etc/dns-hosts
dhcp-range=10.0.0.0,static
dhcp-range=10.0.0.100,10.0.0.109,255.255.255.0,2m
dhcp-hostsfile=/etc/dhcp-hosts
dhcp-authoritative
dhcp-leasefile=/var/opt/ooce/dnsmasq/dnsmasq.leases
no-ping
END
for zone in gw a b c out; do zoneadm -z $zone boot; done
for zone in gw a b c out; do
  until [ "$(svcs -z $zone -H -o state multi-user-server)" = online ]; do sleep 0.05; done
done
zlogin gw routeadm -u -e ipv4-forwarding
svcadm -z gw enable -s svc:/network/ipfilter:default
"""

PORTS = " portmap tcp/udp 20000:30000"

# Answers every line with its own name and the address that it was asked from.
SERVER = """
import socket, sys, threading
name, ports = sys.argv[1], sys.argv[2:]
def talk(connection, sender):
    for line in connection.makefile("r"):
        connection.sendall(f"{name} {sender[0]}\\n".encode())
def serve_tcp(tcp):
    while True:
        threading.Thread(target=talk, args=tcp.accept(), daemon=True).start()
def serve_udp(udp):
    while True:
        _, sender = udp.recvfrom(100)
        udp.sendto(f"{name} {sender[0]}".encode(), sender)
for port in map(int, ports):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", port))
    threading.Thread(target=serve_udp, args=(udp,), daemon=True).start()
    tcp = socket.create_server(("0.0.0.0", port))
    threading.Thread(target=serve_tcp, args=(tcp,), daemon=True).start()
print("up", flush=True)
threading.Event().wait()
"""

CLIENT = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    if kind == "tcp":
        talk = socket.create_connection((address, port), 3)
    else:
        talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        talk.settimeout(3)
        talk.connect((address, port))
    talk.send(b"x\\n")
    print(talk.recv(100).decode().strip())
except OSError as error:
    print(type(error).__name__)
"""

# Asks over one connection, again and again, until an answer fails to come.
SESSION = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
try:
    while True:
        talk.sendall(b"x\\n")
        if not talk.recv(100):
            break
        print("answer", flush=True)
        time.sleep(0.05)
except OSError:
    pass
print("ended", flush=True)
"""


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Net:
    """The zones, and questions that they ask each other."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.host: Host = lab.host
        self._sessions = 0

    def run(self, command: str, input: str = "") -> Result:
        """Run a command in the global zone that must succeed and not complain."""
        result = self.host.run(command, input=input).check()
        assert result.stderr == "", result.stderr
        return result

    def put(self, zone: str, path: str, text: str) -> None:
        self.run(f"cat >/zones/{zone}/root{path}", input=text)

    def serve(self, zone: str, *ports: int) -> None:
        self.put(zone, "/tmp/server.py", SERVER)
        words = " ".join(map(str, ports))
        self.run(f"zlogin {zone} 'nohup python3 /tmp/server.py {zone} {words} >/tmp/log 2>&1 </dev/null &'")
        eventually(lambda: "up" in self.host.run(f"zlogin {zone} cat /tmp/log").stdout)

    def ask(self, zone: str, kind: str, address: str, port: int) -> str:
        """What a server answers, or the name of the error."""
        command = f"zlogin {zone} python3 - {kind} {address} {port}"
        return self.host.run(command, input=CLIENT).stdout.strip()

    def pings(self, zone: str, address: str) -> bool:
        return self.host.run(f"zlogin {zone} ping {address} 2").status == 0

    def filter(self, *rules: str) -> None:
        """Replace the filter rules, and forget which connections were let through."""
        self.run("ipf -Fa -FS -f - gw", input="".join(f"{rule}\n" for rule in rules))

    def nat(self, *rules: str) -> None:
        """Replace the NAT rules."""
        self.run("ipnat -z gw -CF -f -", input="".join(f"{rule}\n" for rule in rules))

    def rules(self) -> list[str]:
        """The NAT rules of the router."""
        return self.run("ipnat -z gw -l").stdout.partition("\n\n")[0].splitlines()[1:]

    def sessions(self) -> list[str]:
        """The NAT sessions of the router."""
        text = self.run("ipnat -z gw -l").stdout
        return text.partition("List of active sessions:\n")[2].splitlines()

    def session(self, zone: str, address: str, port: int) -> Session:
        """A connection that stays open."""
        self._sessions += 1
        log = f"/tmp/session{self._sessions}"
        self.put(zone, "/tmp/session.py", SESSION)
        command = f"nohup python3 /tmp/session.py {address} {port} >{log} 2>&1 </dev/null &"
        self.run(f"zlogin {zone} '{command}'")
        session = Session(self, zone, log)
        eventually(lambda: session.answers() > 0)
        return session


class Session:
    """A connection over which a zone asks all the time."""

    def __init__(self, net: Net, zone: str, log: str) -> None:
        self._net = net
        self._zone = zone
        self._log = log

    def _lines(self) -> list[str]:
        # At first there is no file yet.
        return self._net.host.run(f"cat /zones/{self._zone}/root{self._log}").stdout.splitlines()

    def answers(self) -> int:
        return self._lines().count("answer")

    def lives(self) -> bool:
        """Answers still come."""
        before = self.answers()
        eventually(lambda: self.answers() > before + 2 or "ended" in self._lines())
        return "ended" not in self._lines()

    def ends(self) -> bool:
        """No more answers come."""
        eventually(lambda: "ended" in self._lines())
        return True


@pytest.fixture(scope="module")
def built() -> Iterator[Net]:
    with Lab.start(time_scale=0) as lab:
        lab.host.run(["/usr/bin/ksh93", "-c", BUILD]).check()
        net = Net(lab)
        net.serve("gw", 24)
        net.serve("out", 80, 443)
        for zone in ("a", "b", "c"):
            net.serve(zone, 80, 81)
        yield net


@pytest.fixture
def net(built: Net) -> Net:
    built.filter()
    built.nat("map p0 10.0.0.0/24 -> 0/32 portmap tcp/udp 20000:30000", "map p0 10.0.0.0/24 -> 0/32")
    return built


# Links -------------------------------------------------------------------------------------------


def zone_of(host: Host, link: str) -> str:
    return host.run(f"dladm show-linkprop -c -o value -p zone {link}").stdout.strip()


def test_a_link_comes_to_a_running_zone_and_goes_again(net: Net) -> None:
    host = net.host
    session = net.session("a", "192.0.2.50", 80)
    for words in ("-p zone=gw r1", "-t -p zone=nosuch r1"):
        assert host.run(f"dladm set-linkprop {words}").status == 1
    assert zone_of(host, "r1") == ""

    net.run("dladm set-linkprop -t -p zone=gw r1")
    assert zone_of(host, "r1") == "gw"
    refused = host.run("dladm delete-vnic r1")
    assert (refused.status, refused.stderr) == (1, "dladm: vnic deletion failed: link busy\n")
    assert host.run("ipadm create-if -t r1").status == 1
    net.run("zlogin gw ipadm create-addr -t -T static -a 10.0.1.1/24 r1/v4")
    net.run("ipnat -z gw -f -", input="map p0 10.0.1.0/24 -> 0/32\n")
    assert net.ask("c", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"
    # What goes from one private network to the other does not leave by p0.
    assert net.ask("c", "tcp", "10.0.0.5", 80) == "a 10.0.1.7"

    # As long as an interface is on it, it stays.
    for command in ("reset-linkprop -t -p zone r1", "set-linkprop -t -p zone=b r1"):
        busy = host.run(f"dladm {command}")
        assert (busy.status, busy.stderr.rpartition(": ")[2]) == (1, "link busy\n")
    assert zone_of(host, "r1") == "gw"
    assert net.pings("c", "10.0.1.1")
    net.run("zlogin gw ipadm delete-if r1")
    net.run("dladm reset-linkprop -t -p zone r1")
    assert zone_of(host, "r1") == ""
    assert not net.pings("c", "10.0.1.1")
    assert "r1" not in net.run("zlogin gw dladm show-link -p -o link").stdout
    assert session.lives()


def test_a_link_given_by_hand_comes_back_when_its_zone_halts(net: Net) -> None:
    def routes() -> set[tuple[str, ...]]:
        lines = net.run("zlogin b netstat -rn -f inet").stdout.splitlines()
        return {tuple(line.split()[:3]) for line in lines if " UG " in line}

    net.run("zlogin b route -p add -net 10.9.0.0/16 10.0.0.5")
    net.run("zlogin b route add -net 10.8.0.0/16 10.0.0.5")
    net.put("b", "/etc/defaultrouter", "10.0.0.1\n10.0.0.2  # the other one\n")
    net.run("dladm set-linkprop -t -p zone=b r1")
    net.run("zlogin b ipadm create-addr -t -T static -a 10.0.1.9/24 r1/v4")
    assert net.pings("c", "10.0.1.9")
    net.run("zoneadm -z b halt")
    assert zone_of(net.host, "r1") == ""
    net.run("zoneadm -z b boot")
    # Until its repository answers, this is an error.
    eventually(lambda: net.host.run("svcs -z b -H -o state multi-user-server").stdout == "online\n")
    # Only what zonecfg and the zone's files say is there again.
    assert net.run("zlogin b ipadm show-if -p -o ifname").stdout.split() == ["lo0", "b0"]
    defaults = {("default", "10.0.0.1", "UG"), ("default", "10.0.0.2", "UG")}
    assert routes() == defaults | {("10.9.0.0", "10.0.0.5", "UG")}
    net.run("zlogin b route -p delete -net 10.9.0.0/16 10.0.0.5")
    net.run("zlogin b route delete default 10.0.0.2")
    net.serve("b", 80, 81)


def test_a_link_in_zonecfg_is_there_from_the_next_boot_on(net: Net) -> None:
    net.run("zonecfg -z b 'add net; set physical=r1; end'")
    assert zone_of(net.host, "r1") == ""
    net.run("zonecfg -z b 'remove net physical=r1'")


# Sends one datagram that must not be cut into pieces, and prints the answer or the error.
BIG = """
import errno, socket, sys
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
talk.settimeout(5)
talk.setsockopt(socket.IPPROTO_IP, 10, 2)
talk.connect((sys.argv[1], 80))
try:
    talk.send(bytes(int(sys.argv[2])))
    print(talk.recv(100).decode())
except OSError as error:
    print(errno.errorcode.get(error.errno, type(error).__name__))
"""


def test_large_packets_pass_where_the_links_take_them(net: Net) -> None:
    def send(size: int) -> str:
        return net.host.run(f"zlogin a python3 - 10.0.0.6 {size}", input=BIG).stdout.strip()

    assert send(8972) == "b 10.0.0.5"
    assert send(8973) == "EMSGSIZE"
    net.run("dladm set-linkprop -t -p mtu=1500 a0")
    assert (send(1472), send(1473)) == ("b 10.0.0.5", "EMSGSIZE")
    assert "mtu 1500" in net.run("zlogin a ifconfig a0").stdout
    assert net.host.run("dladm set-linkprop -t -p mtu=9001 a0").status == 1
    net.run("dladm reset-linkprop -t -p mtu a0")
    assert send(8972) == "b 10.0.0.5"
    # A vnic takes the MTU that its etherstub has at that moment.
    net.run("dladm create-etherstub small0")
    net.run("dladm set-linkprop -p mtu=1400 small0")
    net.run("dladm create-vnic -l small0 s0")
    assert net.run("dladm show-link -p -o mtu s0").stdout == "1400\n"
    for command in ("delete-vnic s0", "delete-etherstub small0"):
        net.run(f"dladm {command}")


def test_bandwidth_and_priority_change_under_an_open_session(net: Net) -> None:
    session = net.session("a", "192.0.2.50", 80)
    for link in ("a0", "r0"):
        for prop in ("maxbw=2M", "priority=low"):
            net.run(f"dladm set-linkprop -p {prop} {link}")
    shown = net.run("dladm show-linkprop -c -o value -p maxbw,priority a0").stdout
    assert shown == "    2\nlow\n"
    assert session.lives()
    for link in ("a0", "r0"):
        net.run(f"dladm reset-linkprop -p maxbw,priority {link}")
    assert net.run("dladm show-linkprop -c -o value -p maxbw,priority a0").stdout == "\nhigh\n"
    assert session.lives()


def test_the_global_zone_can_be_the_router(net: Net) -> None:
    host = net.host
    net.run("dladm create-vnic -l lan1 g0")
    net.run("ipadm create-addr -t -T static -a 10.0.1.1/24 g0/router")
    assert net.pings("c", "10.0.1.1")
    for link in ("g0", "e1000g0"):
        net.run(f"ipadm set-ifprop -t -p forwarding=on -m ipv4 {link}")
    assert net.ask("c", "tcp", "192.0.2.50", 80) == "TimeoutError"
    net.run("cat >/etc/ipf/ipnat.conf", input="map e1000g0 10.0.1.0/24 -> 0/32\n")
    net.run("svcadm enable -s ipfilter")
    own = host.run("ipadm show-addr -p -o addr e1000g0/").stdout.split("/")[0]
    assert net.ask("c", "tcp", "192.0.2.50", 80) == f"out {own}"
    forward = "rdr e1000g0 0/32 port 8080 -> 10.0.1.7 port 80 tcp\n"
    net.run("ipnat -f -", input=forward)
    assert net.ask("out", "tcp", own, 8080) == "c 192.0.2.50"
    assert host.ssh("ipnat -l").stdout.count("RDR") == 1

    host.run("pkg install ooce/network/dnsmasq").check()
    text = "interface=g0\nno-resolv\nhost-record=c.lan,10.0.1.7\n"
    net.run("cat >/etc/opt/ooce/dnsmasq/dnsmasq.conf", input=text)
    net.run("svcadm enable -s dns/dnsmasq")
    asked = host.run("zlogin c python3 - c.lan A 10.0.1.1", input=RESOLVE)
    assert asked.stdout == "code 0 10.0.1.7"
    # A zone and the global zone are apart.
    assert net.rules() == [f"map p0 10.0.0.0/24 -> 0.0.0.0/32{rest}" for rest in (PORTS, "")]
    for command in ("disable -s dns/dnsmasq", "disable -s ipfilter"):
        net.run(f"svcadm {command}")
    net.run("ipadm delete-if g0")
    net.run("dladm delete-vnic g0")


# NAT sessions ------------------------------------------------------------------------------------


def test_rules_come_and_go_under_an_open_session(net: Net) -> None:
    session = net.session("a", "192.0.2.50", 80)
    kept = net.rules()
    forward = "rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.6 port 80 tcp\n"
    net.run("ipnat -z gw -f -", input=forward)
    assert net.ask("out", "tcp", "192.0.2.100", 8080) == "b 192.0.2.50"
    again = net.host.run("ipnat -z gw -f -", input=forward)
    assert (again.status, again.stderr) == (0, "1:ioctl(add/insert nat rule): File exists\n")
    net.run("ipnat -z gw -rf -", input=forward)
    assert net.ask("out", "tcp", "192.0.2.100", 8080) == "ConnectionRefusedError"
    assert net.rules() == kept
    assert session.lives()

    # All rules make way for others, or for none.
    net.run("ipnat -z gw -C")
    assert net.rules() == []
    assert session.lives()
    net.run("ipnat -z gw -C -f -", input="map p0 10.0.0.0/24 -> 0/32\n")
    assert session.lives()


def test_sessions_are_listed_and_flushed(net: Net) -> None:
    net.nat(
        "rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.6 port 80 tcp/udp",
        "bimap p0 10.0.0.6/32 -> 192.0.2.101/32",
        "map p0 10.0.0.0/24 -> 0/32 portmap tcp/udp 20000:30000",
        "map p0 10.0.0.0/24 -> 0/32",
    )
    assert net.sessions() == []
    session = net.session("a", "192.0.2.50", 80)
    (line,) = net.sessions()
    shape = r"MAP 10\.0\.0\.5 {7} \d{1,5} {0,4} <- -> 192\.0\.2\.100 {4} (\d+) {0,4} \[192\.0\.2\.50 80\]"
    found = re.fullmatch(shape, line)
    assert found is not None
    assert 20000 <= int(found[1]) <= 30000
    assert net.ask("out", "udp", "192.0.2.100", 8080) == "b 192.0.2.50"
    assert net.pings("a", "192.0.2.50")
    net.run("zlogin gw ipadm create-addr -t -T static -a 192.0.2.101/24 p0/second")
    assert net.ask("b", "tcp", "192.0.2.50", 443) == "out 192.0.2.101"
    net.run("zlogin gw ipadm delete-addr p0/second")
    heads = sorted(line.partition(" <- ")[0].split() for line in net.sessions())
    assert [head[:2] for head in heads] == [
        ["BIMAP", "10.0.0.6"],
        ["BIMAP", "10.0.0.6"],
        ["MAP", "10.0.0.5"],
        ["MAP", "10.0.0.5"],
    ]
    assert net.run("ipnat -z gw -s").stdout.splitlines()[3] == "inuse\t4"
    assert net.run("ipnat -z gw -F").stdout == "4 entries flushed from NAT table\n"
    assert net.run("ipnat -z gw -s").stdout.splitlines()[3] == "inuse\t0"
    assert session.ends()
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"


@pytest.mark.parametrize("verb", ["refresh ipfilter", "restart ipfilter", "restart network/physical"])
def test_the_service_ends_sessions_when_it_reads_its_rules_anew(net: Net, verb: str) -> None:
    session = net.session("a", "192.0.2.50", 80)
    net.run(f"svcadm -z gw {verb}")
    assert session.ends()
    eventually(lambda: net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.100")


def test_switching_the_filter_off_ends_sessions(net: Net) -> None:
    session = net.session("a", "192.0.2.50", 80)
    net.run("ipf -D gw")
    assert session.ends()
    net.run("ipf -E gw")


# Redirection -------------------------------------------------------------------------------------


def test_a_zone_reaches_its_neighbour_by_the_public_address(net: Net) -> None:
    net.run("ipnat -z gw -f -", input="rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.6 port 80 tcp\n")
    assert net.ask("a", "tcp", "192.0.2.100", 8080) == "ConnectionRefusedError"
    # Redirected on the inside alone, the neighbour would answer the zone directly.
    net.run("ipnat -z gw -f -", input="rdr r0 192.0.2.100/32 port 8080 -> 10.0.0.6 port 80 tcp\n")
    assert net.ask("a", "tcp", "192.0.2.100", 8080) == "TimeoutError"
    back = "map r0 from 10.0.0.0/24 to 10.0.0.6/32 port = 80 -> 10.0.0.1/32 portmap tcp 30001:32000\n"
    net.run("ipnat -z gw -f -", input=back)
    assert net.ask("a", "tcp", "192.0.2.100", 8080) == "b 10.0.0.1"
    assert net.ask("a", "tcp", "10.0.0.6", 80) == "b 10.0.0.5"
    assert net.ask("out", "tcp", "192.0.2.100", 8080) == "b 192.0.2.50"
    ends = [re.findall(r"[A-Z]+|\d+\.\d+\.\d+\.\d+", line) for line in net.sessions()]
    assert ["MAP", "10.0.0.5", "10.0.0.1", "10.0.0.6"] in ends
    assert ["RDR", "10.0.0.6", "192.0.2.100", "10.0.0.5"] in ends


def test_a_zone_looks_at_its_sockets_neighbours_and_ways(net: Net) -> None:
    net.serve("b", 7300)
    net.session("a", "10.0.0.6", 7300)
    sockets = net.run("zlogin b netstat -an -f inet -P tcp").stdout.splitlines()
    listening, connected = (line.split() for line in sockets if "7300 " in line)
    assert (listening[:2], listening[-1]) == (["*.7300", "*.*"], "LISTEN")
    assert (connected[0], connected[-1]) == ("10.0.0.6.7300", "ESTABLISHED")
    mac = net.run("dladm show-vnic -p -o macaddress a0").stdout.strip().replace("\\", "")
    assert net.run("zlogin b arp 10.0.0.5").stdout == f"10.0.0.5 (10.0.0.5) at {mac} temp\n"
    net.run("zlogin b arp -s 10.0.0.9 2:8:20:0:0:9")
    assert " S        02:08:20:00:00:09\n" in net.run("zlogin b netstat -pn -f inet").stdout
    assert net.run("zlogin b arp -d 10.0.0.9").stdout == "10.0.0.9 (10.0.0.9) deleted\n"
    way = net.host.run("zlogin a traceroute -n -q 1 -w 2 192.0.2.50").stdout
    assert [line.split()[1] for line in way.splitlines()] == ["10.0.0.1", "192.0.2.50"]
    net.run("zlogin gw route add -host 192.0.2.50 127.0.0.1 -blackhole")
    assert not net.pings("a", "192.0.2.50")
    net.run("zlogin gw route delete -host 192.0.2.50 127.0.0.1")
    assert net.pings("a", "192.0.2.50")


def test_several_redirections_share_an_address(net: Net) -> None:
    net.nat(
        "rdr p0 192.0.2.100/32 port 8001 -> 10.0.0.5 port 80 tcp",
        "rdr p0 192.0.2.100/32 port 8001 -> 10.0.0.6 port 80 udp",
        "rdr p0 192.0.2.100/32 port 8002 -> 10.0.0.6 port 81 tcp/udp",
        "rdr p0 192.0.2.100/32 port 8010-8019 -> 10.0.0.5 port = 81 tcp",
        "rdr p0 192.0.2.100/32 port 8020-8021 -> 10.0.0.6 port 80 tcp",
        "map p0 10.0.0.0/24 -> 0/32",
    )
    assert net.ask("out", "tcp", "192.0.2.100", 8001) == "a 192.0.2.50"
    assert net.ask("out", "udp", "192.0.2.100", 8001) == "b 192.0.2.50"
    assert net.ask("out", "udp", "192.0.2.100", 8002) == "b 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.100", 8015) == "a 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.100", 8021) == "b 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.100", 24) == "gw 192.0.2.50"


# dnsmasq -----------------------------------------------------------------------------------------

# Asks a name server for a name, and prints addresses or names of the answer.
RESOLVE = """
import socket, struct, sys
name, kind, server = sys.argv[1:]
number = {"A": 1, "PTR": 12}[kind]
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
talk.settimeout(5)
labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
question = labels + b"\\0" + struct.pack("!HH", number, 1)
talk.sendto(struct.pack("!6H", 7, 256, 1, 0, 0, 0) + question, (server, 53))
data = talk.recv(1000)
code, count = data[3] & 15, struct.unpack("!H", data[6:8])[0]
print("code", code, end="")
at = 12 + len(labels) + 5
for _ in range(count):
    length = struct.unpack("!H", data[at + 10 : at + 12])[0]
    value = data[at + 12 : at + 12 + length]
    print("", socket.inet_ntoa(value) if kind == "A" else value, end="")
    at += 12 + length
"""


def resolve(net: Net, name: str, kind: str = "A") -> str:
    """What the router's name server answers to a zone behind it: status and addresses."""
    return net.host.run(f"zlogin a python3 - {name} {kind} 10.0.0.1", input=RESOLVE).stdout


@pytest.fixture(scope="module")
def named(built: Net) -> Net:
    """The router gives names and addresses."""
    built.run("zlogin gw /opt/ooce/sbin/dnsmasq --test -C /etc/opt/ooce/dnsmasq/dnsmasq.conf 2>&1")
    built.run("svcadm -z gw enable -s dns/dnsmasq")
    return built


def test_names_are_read_anew_on_a_signal(named: Net) -> None:
    assert resolve(named, "gw.lan.example") == "code 0 10.0.0.1"
    assert resolve(named, "a.lan.example") == "code 3"
    named.put("gw", "/etc/dns-hosts/a", "10.0.0.5 a\n")
    named.run("pkill -HUP -x -z gw dnsmasq")
    eventually(lambda: resolve(named, "a.lan.example") == "code 0 10.0.0.5")
    assert "lan" in resolve(named, "5.0.0.10.in-addr.arpa", "PTR")
    # One domain is asked elsewhere, and no other.
    named.nat("map p0 10.0.0.0/24 -> 0/32")
    named.run("zlogin gw route add default 192.0.2.1")
    assert resolve(named, "outside.example") == "code 0 198.51.100.80"
    assert resolve(named, "example.org") == "code 5"
    named.run("zlogin gw route delete default 192.0.2.1")


def lease(net: Net) -> str:
    return net.run("zlogin c ipadm show-addr -p -o addr d0/lease").stdout.strip()


def test_a_client_gets_what_is_said_of_it_and_asks_again(named: Net) -> None:
    named.run("dladm create-vnic -l lan0 d0")
    mac = named.run("dladm show-vnic -p -o macaddress d0").stdout.strip()
    named.run("dladm set-linkprop -t -p zone=c d0")
    # Not started as root, it cannot answer who has no address yet, unless it answers all.
    assert "timed out" in named.host.run("zlogin c ipadm create-addr -t -T dhcp -w 2 d0/lease").stderr
    assert lease(named) == "?"
    named.run("echo dhcp-broadcast >>/zones/gw/root/etc/opt/ooce/dnsmasq/dnsmasq.conf")
    named.run("svcadm -z gw restart dns/dnsmasq")
    eventually(lambda: re.fullmatch(r"10\.0\.0\.10\d/24", lease(named)) is not None)

    # Known by name now, it gets another address when it asks again.
    named.put("gw", "/etc/dhcp-hosts/d", f"{mac},d,10.0.0.20,infinite\n")
    named.run("pkill -HUP -x -z gw dnsmasq")

    def asks_again() -> bool:
        named.run("zlogin c ipadm refresh-addr d0/lease")
        return lease(named) == "10.0.0.20/24"

    # Until the server has read the file, it extends the lease that there is.
    eventually(asks_again)
    assert resolve(named, "d.lan.example") == "code 0 10.0.0.20"
    # A lease without end is extended too.
    named.run("zlogin c ifconfig d0 dhcp extend")
    assert lease(named) == "10.0.0.20/24"
    named.run("zlogin c ipadm delete-if d0")
    named.run("dladm reset-linkprop -t -p zone d0")
    named.run("dladm delete-vnic d0")


# haproxy -----------------------------------------------------------------------------------------

INGRESS = """
global
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend web
    bind 192.0.2.100:8080
    bind 192.0.2.100:8443 ssl crt /etc/opt/ooce/haproxy/www.pem
    use_backend first if { hdr(host) -i -m beg a.example }
    use_backend both if { hdr(host) -i -m beg both.example }
backend first
    server a 10.0.0.5:8000
backend both
    default-server inter 100ms fall 1 rise 1
    option httpchk GET /
    server a 10.0.0.5:8000 check
    server b 10.0.0.6:8000 check
"""


def test_ingress_by_name_with_certificates_and_health(net: Net) -> None:
    server = "cd /tmp/web && exec nohup python3 -m http.server 8000 >/dev/null 2>&1 </dev/null"
    for zone in ("a", "b"):
        net.run(f"mkdir -p /zones/{zone}/root/tmp/web")
        net.put(zone, "/tmp/web/index.html", zone)
        net.run(f"zlogin {zone} '({server}) &'")
    certificate = server_certificate("a.example")
    net.put("gw", "/etc/opt/ooce/haproxy/www.pem", certificate.key + certificate.chain)
    net.run("chmod 600 /zones/gw/root/etc/opt/ooce/haproxy/www.pem")
    net.put("out", "/tmp/ca.pem", certificate.chain)
    net.put("gw", "/etc/opt/ooce/haproxy/haproxy.cfg", INGRESS)
    net.host.run("zlogin gw /opt/ooce/sbin/haproxy -c -f /etc/opt/ooce/haproxy/haproxy.cfg").check()
    # As root the check can read the key; the service, which is not root, cannot.
    assert net.host.run("svcadm -z gw enable -s ooce/network/haproxy").status == 3
    net.run("chown 72 /zones/gw/root/etc/opt/ooce/haproxy/www.pem")
    net.run("svcadm -z gw clear ooce/network/haproxy")

    def get(url: str) -> str:
        ends = ("a.example:8443", "a.example:8080", "both.example:8080", "other.example:8080")
        names = " ".join(f"--resolve {end}:192.0.2.100" for end in ends)
        command = f"zlogin out curl -s -m 5 -w %{{http_code}} --cacert /tmp/ca.pem {names} {url}"
        return net.host.run(command).stdout

    eventually(lambda: get("http://a.example:8080/") == "a200")
    assert get("https://a.example:8443/") == "a200"
    assert get("http://other.example:8080/")[-3:] == "503"
    eventually(lambda: {get("http://both.example:8080/") for _ in range(4)} == {"a200", "b200"})
    net.run("pkill -f -z b http.server")
    eventually(lambda: {get("http://both.example:8080/") for _ in range(4)} == {"a200"})
    net.run("svcadm -z gw disable -s ooce/network/haproxy")


# IPv6 --------------------------------------------------------------------------------------------

ADVERTISED = """
ifdefault AdvSendAdvertisements true
prefixdefault AdvValidLifetime 1d AdvPreferredLifetime 3600
if r0 AdvSendAdvertisements on \\
    MaxRtrAdvInterval 30
prefix 2001:db8:1::/64 r0
nonsense
"""


@pytest.fixture(scope="module")
def six(built: Net) -> Net:
    """The router forwards IPv6 and tells the inside network its prefix."""
    for zone, link, address in (
        *(("gw", "r0", "2001:db8:1::1/64"), ("gw", "p0", "2001:db8::100/64")),
        ("out", "o0", "2001:db8::50/64"),
    ):
        built.run(f"zlogin {zone} ipadm create-addr -t -T addrconf {link}/v6")
        built.run(f"zlogin {zone} ipadm create-addr -t -T static -a {address} {link}/global")
    built.run("zlogin out route add -inet6 2001:db8:1::/64 2001:db8::100")
    # Nothing can be said where no address is, and nothing needs to be said on the loopback.
    built.run("dladm create-vnic -l lan1 n0")
    built.run("dladm set-linkprop -t -p zone=gw n0")
    built.run("zlogin gw ipadm create-if -t n0")
    built.put("gw", "/etc/inet/ndpd.conf", ADVERTISED)
    built.run("svcadm -z gw restart routing/ndp")
    return built


def inside_six(net: Net) -> str:
    """The address that a zone has made itself out of the prefix."""
    lines = net.host.run("zlogin a ipadm show-addr -p -o addr a0/v6").stdout.split()
    return next((line.partition("/")[0] for line in lines if line.startswith("2001:db8:1:")), "")


def test_a_zone_makes_itself_an_address_and_finds_its_router(six: Net) -> None:
    six.run("zlogin a ipadm create-addr -t -T addrconf a0/v6")
    eventually(lambda: inside_six(six) != "")
    address = inside_six(six)
    assert six.pings("b", "10.0.0.5")
    assert six.pings("a", "2001:db8:1::1")
    routes = six.run("zlogin a netstat -rn -f inet6").stdout.splitlines()
    assert any(re.match(r"default +fe80::\S+ +UG", line) for line in routes)
    # The router itself is no router before it forwards.
    assert not six.pings("a", "2001:db8::50")
    six.run("zlogin gw routeadm -u -e ipv6-forwarding")
    assert six.pings("a", "2001:db8::50")
    assert six.pings("out", address)
    assert six.run("zlogin gw ipadm show-prop -c -o current -p forwarding ipv6").stdout == "on\n"

    # Rules for IPv6 are apart from those for IPv4.
    six.run("ipf -6 -f - gw", input="block in quick on p0 proto ipv6-icmp from 2001:db8::50/128 to any\n")
    assert not six.pings("a", "2001:db8::50")
    assert six.pings("a", "192.0.2.50")
    assert len(listed(six, "-6in")) == 1
    six.run("ipf -6 -Fa gw")
    assert six.pings("a", "2001:db8::50")

    six.run("zlogin gw routeadm -u -d ipv6-forwarding")
    assert not six.pings("a", "2001:db8::50")
    six.run("svcadm -z gw disable -s routing/ndp")
    eventually(lambda: "default" not in six.run("zlogin a netstat -rn -f inet6").stdout)
    six.run("zlogin a ipadm delete-addr a0/v6")
    assert inside_six(six) == ""
    assert not six.pings("a", "2001:db8:1::1")
    six.run("zlogin gw ipadm delete-if n0")
    six.run("dladm reset-linkprop -t -p zone n0")
    six.run("dladm delete-vnic n0")


# Filter ------------------------------------------------------------------------------------------


def listed(net: Net, options: str = "-ion") -> list[str]:
    return net.host.run(f"ipfstat {options} -z gw").stdout.splitlines()


def test_a_publishing_router_lets_in_what_it_publishes(net: Net) -> None:
    net.run("ipnat -z gw -f -", input="rdr p0 192.0.2.100/32 port 8080 -> 10.0.0.6 port 80 tcp\n")
    policy = (
        "pass in quick on r0 all",
        "pass out quick on p0 proto tcp from any to any flags S keep state keep frags",
        "pass out quick on p0 proto udp from any to any keep state",
        "pass out quick on p0 proto icmp from any to any keep state",
        "pass in quick on p0 proto tcp from any to 10.0.0.6/32 port = 80 flags S keep state",
        "block in quick on p0 all",
    )
    net.filter(*policy)
    assert net.ask("a", "tcp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert net.ask("a", "udp", "192.0.2.50", 80) == "out 192.0.2.100"
    assert net.pings("a", "192.0.2.50")
    assert net.ask("out", "tcp", "192.0.2.100", 8080) == "b 192.0.2.50"
    assert net.ask("out", "tcp", "192.0.2.100", 24) == "TimeoutError"
    assert not net.pings("out", "192.0.2.100")
    lines = listed(net)
    assert [line.split()[:3] for line in lines] == [
        *(["@1", "pass", "out"], ["@2", "pass", "out"], ["@3", "pass", "out"]),
        *(["@1", "pass", "in"], ["@2", "pass", "in"], ["@3", "block", "in"]),
    ]

    # One rule in front of the others, and away again, while a connection is open.
    session = net.session("a", "192.0.2.50", 80)
    opening = "@0 pass in quick on p0 proto tcp from any to any port = 24 keep state\n"
    net.run("ipf -f - gw", input=opening)
    assert net.ask("out", "tcp", "192.0.2.100", 24) == "gw 192.0.2.50"
    net.run("ipf -rf - gw", input=opening)
    assert listed(net) == lines
    assert net.ask("out", "tcp", "192.0.2.100", 24) == "TimeoutError"
    assert session.lives()


def test_a_swap_of_the_sets_keeps_what_was_let_through(net: Net) -> None:
    net.filter("pass out quick on p0 proto tcp from any to any keep state", "block in on p0 all")
    session = net.session("a", "192.0.2.50", 80)
    text = "block return-rst in on p0 proto tcp from any to any\n"
    net.run("ipf -I -Fa -f - gw", input=text)
    assert listed(net, "-inI") == ["@1 block return-rst in on p0 proto tcp from any to any"]
    net.run("ipf -s gw")
    assert listed(net, "-in") == ["@1 block return-rst in on p0 proto tcp from any to any"]
    assert session.lives()
    assert net.ask("out", "tcp", "192.0.2.100", 24) == "ConnectionRefusedError"
    # The other set is still there.
    net.run("ipf -s gw")
    assert net.ask("out", "tcp", "192.0.2.100", 24) == "TimeoutError"
    net.run("ipf -I -Fa gw")


def test_the_policy_custom_makes_the_service_read_its_file(net: Net) -> None:
    net.put("gw", "/etc/ipf/ipf.conf", "block return-rst in quick on p0 proto tcp all\n")
    net.run("svcadm -z gw refresh ipfilter")
    # The policy is none: the file is not read.
    assert net.ask("out", "tcp", "192.0.2.100", 24) == "gw 192.0.2.50"
    prop = "setprop firewall_config_default/policy = astring:"
    net.run(f"svccfg -z gw -s ipfilter:default {prop} custom")
    net.run("svcadm -z gw refresh ipfilter:default")
    eventually(lambda: net.ask("out", "tcp", "192.0.2.100", 24) == "ConnectionRefusedError")
    net.run(f"svccfg -z gw -s ipfilter:default {prop} none")
    net.run("svcadm -z gw refresh ipfilter:default")
    eventually(lambda: net.ask("out", "tcp", "192.0.2.100", 24) == "gw 192.0.2.50")

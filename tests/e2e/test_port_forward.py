"""Port forwards with real packets, owned by several stacks that share one router."""

from __future__ import annotations

import time

import pytest

from .programs import site, web, zone
from .stack import PulumiFailed

PUBLIC = "192.0.2.100"

# Answers whoever connects, or sends a packet, with its own name, its port, and the address that asked.
SERVER = """
import socket, sys, threading
name, ports = sys.argv[1], sys.argv[2:]
def talk(connection, sender, port):
    while connection.recv(100):
        connection.sendall(f"{name} {port} {sender[0]}\\n".encode())
def serve_tcp(tcp, port):
    while True:
        connection, sender = tcp.accept()
        threading.Thread(target=talk, args=(connection, sender, port), daemon=True).start()
def serve_udp(udp, port):
    while True:
        _, sender = udp.recvfrom(100)
        udp.sendto(f"{name} {port} {sender[0]}".encode(), sender)
for port in map(int, ports):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", port))
    tcp = socket.create_server(("0.0.0.0", port))
    for serve, sock in ((serve_udp, udp), (serve_tcp, tcp)):
        threading.Thread(target=serve, args=(sock, port), daemon=True).start()
print("up", flush=True)
threading.Event().wait()
"""

CLIENT = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    talk = socket.socket(socket.AF_INET, getattr(socket, kind))
    talk.settimeout(5)
    talk.connect((address, port))
    talk.send(b"x")
    print(talk.recv(100).decode().strip())
except OSError as error:
    print(type(error).__name__)
"""

# Asks over one connection until an answer fails to come.
SESSION = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
try:
    while True:
        talk.sendall(b"x")
        print("answer" if talk.recv(100) else "ended", flush=True)
        time.sleep(0.05)
except OSError:
    print("ended", flush=True)
"""


class Net:
    """The zones and the world, and what they ask each other."""

    def __init__(self, host, lab):
        self.host = host
        self.lab = lab

    def start(self, zone, script, *words):
        """Run a Python program in a zone, in the background; its output goes to /tmp/out."""
        self.host.run(f"cat >/zones/{zone}/root/tmp/script.py", input=script).check()
        arguments = " ".join(map(str, words))
        command = f"nohup python3 /tmp/script.py {arguments} >/tmp/out 2>&1 </dev/null &"
        self.host.run(f"zlogin {zone} '{command}'").check()

    def said(self, zone):
        return self.host.run(f"cat /zones/{zone}/root/tmp/out").stdout.split()

    def serve(self, zone, *ports):
        self.start(zone, SERVER, zone, *ports)
        eventually(lambda: "up" in self.said(zone))

    def from_outside(self, port, kind="SOCK_STREAM"):
        return self.lab.outside("python3", "-c", CLIENT, kind, PUBLIC, str(port)).stdout.strip()

    def from_zone(self, zone, port, kind="SOCK_STREAM"):
        command = f"zlogin {zone} python3 - {kind} {PUBLIC} {port}"
        return self.host.run(command, input=CLIENT).stdout.strip()

    def rules(self):
        return self.host.run("ipnat -z gw -l").stdout.partition("\n\n")[0].splitlines()[1:]


def eventually(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def forward(public, target, own=None, router="gw", **properties):
    given = {"router": router, "publicPort": public, "target": target, **properties}
    return {"type": "illumos:PortForward", "properties": given | ({"targetPort": own} if own else {})}


def named(**forwards):
    for name, resource in forwards.items():
        resource["properties"]["name"] = name
    return forwards


def sent_by(answer):
    """The address that a server saw."""
    return answer.split()[-1]


def test_forwards_of_several_stacks_share_a_router(host, stack, lab):
    net = Net(host, lab)
    app = zone("app", address="10.10.0.9", router="${gw.id}")
    everything = site(web=web(), app=app, **named(web1=forward(2222, "${web.id}", 2200, "${gw.id}")))
    base = stack().write(everything)
    # The router and the zone are not there yet: the preview of the forward does not mind.
    assert "web1" in base.preview()
    base.up()
    net.serve("web", 2200, 9000, 9001, 9002)
    net.serve("app", 2200, 5300)

    ours = named(
        app1=forward(2223, "app", 2200),
        app2=forward(2222, "10.10.0.9", 5300, protocol="udp"),
        many=forward("8000-8002", "web", "9000-9002"),
    )
    one = stack().write(ours)
    one.up()

    # From the world: two zones on different ports, the same number for tcp and udp, a range.
    assert net.from_outside(2222).startswith("web 2200 ")
    assert net.from_outside(2223).startswith("app 2200 ")
    assert net.from_outside(2222, "SOCK_DGRAM").startswith("app 5300 ")
    assert [net.from_outside(port).split()[:2] for port in (8000, 8001, 8002)] == [
        ["web", "9000"],
        ["web", "9001"],
        ["web", "9002"],
    ]
    assert net.from_outside(8003) in ("TimeoutError", "ConnectionRefusedError")
    # From behind the router: the target answers the router, since it is on the same network.
    assert net.from_zone("app", 2222) == "web 2200 10.10.0.1"
    assert net.from_zone("web", 2222, "SOCK_DGRAM") == "app 5300 10.10.0.1"
    assert sent_by(net.from_outside(2222)) not in ("10.10.0.1", PUBLIC)

    # Another order is no change; one more, and a shorter range, leave an open connection alone.
    before = net.rules()
    net.start("app", SESSION, PUBLIC, 2222)
    eventually(lambda: "answer" in net.said("app"))
    changed = named(many=forward("8000-8001", "web", "9000-9001"), more=forward(2224, "app", 2200))
    one.write(dict(reversed((ours | changed).items())))
    told = one.up()
    assert all(words in told for words in ("+ 1 created", "~ 1 updated", "3 unchanged"))
    assert net.from_outside(2224).startswith("app 2200 ")
    assert net.from_outside(8002) in ("TimeoutError", "ConnectionRefusedError")
    # What was not changed kept its place in the kernel.
    assert [rule for rule in net.rules() if rule in before] == [
        rule for rule in before if rule in net.rules()
    ]
    answers = len(net.said("app"))
    eventually(lambda: len(net.said("app")) > answers + 3)
    assert "ended" not in net.said("app")

    # A port that is taken is refused before anything is done, naming whose it is.
    two = stack().write(named(other=forward("2200-2250", "app")))
    with pytest.raises(PulumiFailed, match=r"taken by urn:pulumi:test::test::illumos:index:PortForward::"):
        two.preview()

    # What was taken out of the kernel, or lost with the zone, comes back.
    gone = next(rule for rule in net.rules() if "port 2223 " in rule)
    host.run("ipnat -z gw -rf -", input=f"{gone}\n").check()
    assert "not in force" in one.refresh()
    one.up()
    assert net.from_outside(2223).startswith("app 2200 ")
    host.run("zoneadm -z gw reboot").check()
    eventually(lambda: net.from_outside(2223).startswith("app 2200 "))
    eventually(lambda: host.run("svcs -z gw -H -o state multi-user-server").stdout == "online\n")
    one.expect_no_change()

    # The router stays while others use it; then nothing is left. Targets that are gone are no obstacle.
    with pytest.raises(PulumiFailed, match=r"still serves .*forward app1"):
        base.destroy()
    one.destroy()
    assert not [rule for rule in net.rules() if rule.startswith("rdr")]
    base.destroy()

"""How long traffic through a router zone is interrupted by each kind of change of the router.

    tools/with-engine .venv/bin/python -m bench.router_interruptions

A zone behind the router asks a server outside every 10 ms: over one TCP connection that is held all the
time, and over a new UDP session each time. For each change (a `pulumi up` with the real engine, on an
emulated host) the table has the longest time without an answer, and how many new sessions got none. The
first row is an `up` that changes nothing: what the machine itself adds. The last rows are no changes of
ours but what the provider avoids: they show what the probe can see.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from illumos_lab.testing import Host, Lab
from tests.e2e.stack import Stack

_SERVER = """
import socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 7))
def echo():
    while True:
        data, sender = udp.recvfrom(100)
        udp.sendto(data, sender)
threading.Thread(target=echo, daemon=True).start()
tcp = socket.create_server(("0.0.0.0", 7))
def talk(connection):
    while data := connection.recv(1000):
        connection.sendall(data)
while True:
    threading.Thread(target=talk, args=(tcp.accept()[0],), daemon=True).start()
"""

_PROBE = """
import json, pathlib, selectors, socket, sys, time
address, stop, report = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
held = socket.create_connection((address, 7), 5)
held.setblocking(False)
ready = selectors.DefaultSelector()
ready.register(held, selectors.EVENT_READ, "held")
last, longest, alive = time.monotonic(), 0.0, True
asked, lost, gap, answered = {}, 0, 0.0, time.monotonic()
due = time.monotonic()
pathlib.Path(str(report) + ".up").write_text("up")
while not stop.exists():
    now = time.monotonic()
    if now >= due:
        due += 0.01
        if alive:
            try:
                held.send(b"x")
            except BlockingIOError:
                pass
            except OSError:
                alive = False
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.setblocking(False)
        try:
            probe.sendto(b"y", (address, 7))
            asked[probe] = now
            ready.register(probe, selectors.EVENT_READ, "new")
        except OSError:
            lost += 1
            probe.close()
    for key, _ in ready.select(max(0, due - time.monotonic())):
        now = time.monotonic()
        try:
            data = key.fileobj.recv(1000)
        except OSError:
            data = b""
        if key.data == "held":
            if not data:
                alive = False
                ready.unregister(held)
            longest, last = max(longest, now - last), now
        else:
            ready.unregister(key.fileobj)
            del asked[key.fileobj]
            key.fileobj.close()
            gap, answered = max(gap, now - answered), now
    for probe in [p for p, when in asked.items() if now - when > 3]:
        ready.unregister(probe)
        del asked[probe]
        probe.close()
        lost += 1
gap = max(gap, time.monotonic() - answered)
if alive:
    longest = max(longest, time.monotonic() - last)
report.write_text(json.dumps({"held": longest, "alive": alive, "new": gap, "lost": lost}))
"""

_OUTSIDE = """
printf 'create -b\\nset brand=lipkg\\nset zonepath=/zones/out\\nset ip-type=exclusive\\n' >/tmp/out.cfg
printf 'add net\\nset physical=out0\\nend\\n' >>/tmp/out.cfg
dladm create-vnic -l e1000g0 out0
zonecfg -z out -f /tmp/out.cfg && zoneadm -z out install >/dev/null
echo 192.0.2.50/24 >/zones/out/root/etc/hostname.out0
zoneadm -z out boot
until [ "$(svcs -z out -H -o state multi-user-server)" = online ]; do sleep 0.05; done
"""

_LAN = {"subnet": "10.10.0.0/24"}
_DMZ = {"subnet": "10.20.0.0/24"}
_FORWARD = {
    "type": "illumos:PortForward",
    "properties": {
        "name": "ssh",
        "router": "${gw.id}",
        "protocol": "tcp",
        "publicPort": 2222,
        "target": "10.10.0.5",
        "targetPort": 22,
    },
}
_INGRESS = {
    "type": "illumos:Ingress",
    "properties": {
        "name": "www",
        "router": "${gw.id}",
        "port": 80,
        "mode": "http",
        "backends": [{"target": "10.10.0.5", "port": 8080}],
    },
}


def main() -> None:
    """Entry point."""
    table = Table("change", "held connection", "new sessions", "lost", box=None)
    with (
        tempfile.TemporaryDirectory() as directory,
        Lab.start(time_scale=0.05) as lab,
    ):
        host = lab.host
        host.run(["/bin/sh", "-c", _OUTSIDE]).check()
        stack = Stack(
            Path(directory) / "stack",
            {"illumos:host": "gz1"},
            {"ILLUMOS_SSH_CONFIG": str(lab.ssh_config), "PATH": os.environ["PATH"]},
        )
        stack.write(_site()).up()
        server = _start(host, "out", _SERVER)
        try:
            for name, change in _changes():
                measured = _measure(host, stack, change)
                table.add_row(
                    name,
                    f"{measured['held'] * 1000:.0f} ms" if measured["alive"] else "ended",
                    f"{measured['new'] * 1000:.0f} ms",
                    str(measured["lost"]),
                )
        finally:
            host.run(f"kill {server}")
    Console().print(table)


def _changes() -> list[tuple[str, dict[str, Any] | str]]:
    """What is changed, one after the other: resources for `pulumi up`, or a command on the host."""
    other = {
        "db": {
            "type": "illumos:Zone",
            "properties": {"name": "db", "address": "10.10.0.6", "router": "${gw.id}"},
        }
    }
    return [
        ("nothing", _site()),
        ("network added", _site(networks=[_LAN, _DMZ])),
        ("network removed", _site()),
        ("DHCP domain changed", _site(networks=[{**_LAN, "domain": "lan.example"}])),
        ("name servers changed", _site(dnsServers=["192.0.2.53", "192.0.2.54"])),
        ("forward added", _site({"ssh": _FORWARD})),
        ("forward removed", _site()),
        ("zone attached", _site(other)),
        ("zone detached", _site()),
        ("first ingress added", _site({"www": _INGRESS})),
        (
            "second ingress added",
            _site({"www": _INGRESS, "api": _named(_INGRESS, "api", hostnames=["api.example.org"])}),
        ),
        ("ingresses removed", _site()),
        ("by hand: ipfilter restarted", "svcadm -z gw restart svc:/network/ipfilter:default; sleep 3"),
        ("by hand: router rebooted", "zoneadm -z gw reboot; sleep 10"),
    ]


def _site(more: dict[str, Any] | None = None, **router: Any) -> dict[str, Any]:
    properties = {"name": "gw", "publicAddress": "192.0.2.100", "networks": [_LAN], **router}
    zone = {"name": "web", "address": "10.10.0.5", "router": "${gw.id}"}
    return {
        "gw": {"type": "illumos:RouterZone", "properties": properties},
        "web": {"type": "illumos:Zone", "properties": zone},
        **(more or {}),
    }


def _named(resource: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    return {**resource, "properties": {**resource["properties"], "name": name, **more}}


def _measure(host: Host, stack: Stack, change: dict[str, Any] | str) -> dict[str, Any]:
    """Change the site while the probe runs."""
    stop, report = "/var/tmp/stop", "/var/tmp/report"
    root = "/zones/web/root"
    host.run(f"rm -f {root}{stop} {root}{report} {root}{report}.up")
    _start(host, "web", _PROBE, "192.0.2.50", stop, report)
    host.run(f"until [ -f {root}{report}.up ]; do sleep 0.05; done").check()
    if isinstance(change, str):
        host.run(change)
    else:
        stack.write(change).up()
    host.run(f"touch {root}{stop}; until [ -s {root}{report} ]; do sleep 0.05; done").check()
    measured: dict[str, Any] = json.loads(host.run(f"cat {root}{report}").check().stdout)
    return measured


def _start(host: Host, zone: str, program: str, *arguments: str) -> str:
    """Run a Python program in a zone, in the background; its process."""
    path = f"/var/tmp/program-{abs(hash(program))}.py"
    host.run(["/bin/sh", "-c", f"cat >/zones/{zone}/root{path} <<'END'\n{program}\nEND"]).check()
    words = " ".join(arguments)
    started = host.run(
        f"zlogin {zone} 'python3 {path} {words} >/dev/null 2>&1 </dev/null & echo $!'"
    ).check()
    return started.stdout.strip()


if __name__ == "__main__":
    main()

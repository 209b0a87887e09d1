"""Ingresses with real packets, owned by two stacks that share a router and its ports."""

from __future__ import annotations

import time

import pytest

from tests.lab.certificates import server_certificate

from .programs import site, web, zone
from .stack import PulumiFailed

PUBLIC = "192.0.2.100"

# Answers requests with its name and the scheme that the client used; connections on the last port as well.
SERVER = """
import http.server, socket, sys, threading
name, http_port, raw_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{name} {self.headers.get('X-Forwarded-Proto')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *words):
        pass
raw = socket.create_server(("0.0.0.0", raw_port))
def greet():
    while True:
        connection, _ = raw.accept()
        connection.sendall(f"raw {name}".encode())
        connection.close()
threading.Thread(target=greet, daemon=True).start()
server = http.server.ThreadingHTTPServer(("0.0.0.0", http_port), Handler)
print("up", flush=True)
server.serve_forever()
"""

GREETING = f"""
import socket
try:
    talk = socket.create_connection(("{PUBLIC}", 2222), 30)
    print(talk.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""


FROM_ZONE = f"""
import urllib.request
request = urllib.request.Request("http://{PUBLIC}/", headers={{"Host": "blog.example.org"}})
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


class Net:
    """The zones and the world."""

    def __init__(self, host, lab):
        self.host = host
        self.lab = lab

    def serve(self, zone):
        self.host.run(f"cat >/zones/{zone}/root/tmp/server.py", input=SERVER).check()
        command = f"nohup python3 /tmp/server.py {zone} 8080 2200 >/tmp/out 2>&1 </dev/null &"
        self.host.run(f"zlogin {zone} '{command}'").check()
        eventually(lambda: "up" in self.host.run(f"cat /zones/{zone}/root/tmp/out").stdout)

    def stop(self, zone):
        self.host.run(f"pkill -x -z {zone} python3").check()

    def get(self, url, *options):
        """What the world gets for a URL, whose host name it finds at the public address."""
        place = url.split("/")[2]
        port = place.partition(":")[2] or ("443" if url.startswith("https") else "80")
        found = f"{place.partition(':')[0]}:{port}:{PUBLIC}"
        return self.lab.outside("curl", "-s", "-m", "20", "--resolve", found, *options, url).stdout


def eventually(condition):
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def ingress(name, port, *backends, router="gw", **properties):
    given = {"name": name, "router": router, "port": port, "backends": list(backends), **properties}
    return {"type": "illumos:Ingress", "properties": given}


def test_ingresses_of_two_stacks_share_ports_by_host_name(host, stack, lab, tmp_path):
    net = Net(host, lab)
    app = zone("app", address="10.10.0.9", router="${gw.id}")
    checked = {"path": "/healthz", "interval": 1, "fall": 1, "rise": 1}
    both = [{"target": "${web.id}", "port": 8080}, {"target": "${app.address}", "port": 8080}]
    shop = ingress(
        "shop", 80, *both, router="${gw.id}", hostnames=["shop.example.org"], healthCheck=checked
    )
    base = stack().write(site(web=web(), app=app, shop=shop), {"url": "${shop.url}"})
    # Neither the router nor the zones are there yet: the preview does not mind.
    assert "shop" in base.preview()
    base.up()
    assert base.outputs() == {"url": "http://shop.example.org/"}

    # Who answers is asked in turn; who does not answer is left out.
    def answers():
        return {net.get("http://shop.example.org/") for _ in range(4)}

    net.serve("web")
    eventually(lambda: answers() == {"web http"})
    net.serve("app")
    eventually(lambda: answers() == {"web http", "app http"})
    net.stop("web")
    eventually(lambda: answers() == {"app http"})
    assert "503" in net.get("http://other.example.org/", "-o", "/dev/null", "-w", "%{http_code}")

    # Another stack: another name on the same port, TLS with a certificate, connections as they are.
    certificate = server_certificate("blog.example.org")
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate.chain)
    tls = {"certificate": certificate.chain, "key": certificate.key}
    backend = {"target": "app", "port": 8080}
    ours = {
        "blog": ingress("blog", 80, backend, hostnames=["Blog.example.org", "*.blog.example.org"]),
        "safe": ingress("safe", 443, backend, hostnames=["blog.example.org"], tls=tls),
        "raw": ingress("raw", 2222, backend | {"port": 2200}, mode="tcp"),
    }
    two = stack().write(ours)
    two.up()
    two.expect_no_change()
    eventually(lambda: net.get("http://blog.example.org/") == "app http")
    assert net.get("http://new.blog.example.org/") == "app http"
    assert host.run("zlogin web python3 -", input=FROM_ZONE).stdout.strip() == "app http"
    assert net.get("https://blog.example.org/", "--cacert", str(authority)) == "app https"
    assert lab.outside("python3", "-c", GREETING).stdout.strip() == "raw app"
    eventually(lambda: answers() == {"app http"})

    # The key is with the host, and nowhere else in plain.
    secret = certificate.key.splitlines()[1]
    safe = two.resources()["safe"]
    assert secret not in str(safe)
    assert secret not in readable_files(host)
    assert safe["outputs"]["certificateInfo"]["names"] == ["blog.example.org"]

    # What somebody else has already is refused, naming who.
    mine = ingress("mine", 80, backend, hostnames=["shop.example.org"])
    with pytest.raises(
        PulumiFailed, match=r"shop.example.org .*illumos:index:Ingress::shop on router zone gw"
    ):
        two.write(ours | {"mine": mine}).preview()

    # What an administrator switched off comes back.
    two.write(ours)
    host.run("svcadm -z gw disable -s svc:/ooce/network/haproxy:default").check()
    assert "is disabled" in two.up("--refresh")
    eventually(lambda: net.get("http://blog.example.org/") == "app http")

    two.destroy()
    eventually(lambda: answers() == {"app http"})
    assert net.get("http://blog.example.org/", "-o", "/dev/null", "-w", "%{http_code}") == "503"
    base.destroy()


def readable_files(host):
    """What the files of the router zone say that anybody else than haproxy's account may read."""
    return host.run("find /zones/gw/root/etc -type f -perm -004 -exec cat {} +").stdout

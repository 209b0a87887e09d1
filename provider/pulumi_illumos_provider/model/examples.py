"""Programs for the pages of the resources; the tests run each as it stands, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A program that a resource's page shows.

    Attributes:
        title: what it shows.
        code: the program in each language, by the name of its fence: ``python``, ``yaml``.
    """

    title: str
    code: Mapping[str, str]


_PYTHON_HEAD = "import pulumi_illumos as illumos\n"
_YAML_HEAD = "name: example\nruntime: yaml\nresources:"

_PYTHON_LAN = 'lan = illumos.Etherstub("lan", name="lan0")'
_YAML_LAN = """\
  lan:
    type: illumos:Etherstub
    properties:
      name: lan0"""

_PYTHON_ROUTER = """\
router = illumos.RouterZone(
    "gw",
    name="gw",
    public_address="192.0.2.100",
    networks=[{"subnet": "10.10.0.0/24"}],
)"""
_YAML_ROUTER = """\
  gw:
    type: illumos:RouterZone
    properties:
      name: gw
      publicAddress: 192.0.2.100
      networks:
        - subnet: 10.10.0.0/24"""

ETHERSTUB = (
    Example(
        "A virtual switch",
        {
            "python": f"{_PYTHON_HEAD}\n{_PYTHON_LAN}",
            "yaml": f"{_YAML_HEAD}\n{_YAML_LAN}",
        },
    ),
)

ROUTER_ZONE = (
    Example(
        "A router zone with a network of its own",
        {
            "python": f"{_PYTHON_HEAD}\n{_PYTHON_ROUTER}",
            "yaml": f"{_YAML_HEAD}\n{_YAML_ROUTER}",
        },
    ),
    Example(
        "A router zone for two networks, one of them on an etherstub of the program",
        {
            "python": f"""{_PYTHON_HEAD}
{_PYTHON_LAN}
illumos.RouterZone(
    "gw",
    name="gw",
    public_address="192.0.2.100/24",
    networks=[
        {{"etherstub": lan.name, "subnet": "10.10.0.0/24", "domain": "lan.example"}},
        {{"subnet": "10.20.0.0/26", "address": "10.20.0.62", "dhcp": False}},
    ],
)""",
            "yaml": f"""{_YAML_HEAD}
{_YAML_LAN}
  gw:
    type: illumos:RouterZone
    properties:
      name: gw
      publicAddress: 192.0.2.100/24
      networks:
        - etherstub: ${{lan.name}}
          subnet: 10.10.0.0/24
          domain: lan.example
        - subnet: 10.20.0.0/26
          address: 10.20.0.62
          dhcp: false""",
        },
    ),
)

ZONE = (
    Example(
        "A zone behind a router, found its network by its address",
        {
            "python": f"""{_PYTHON_HEAD}
{_PYTHON_ROUTER}
illumos.Zone(
    "web",
    name="web",
    address="10.10.0.5",
    router=router.id,
    cpus=1.5,
    memory="512M",
    attributes={{"role": "web server"}},
)""",
            "yaml": f"""{_YAML_HEAD}
{_YAML_ROUTER}
  web:
    type: illumos:Zone
    properties:
      name: web
      address: 10.10.0.5
      router: ${{gw.id}}
      cpus: 1.5
      memory: 512M
      attributes:
        role: web server""",
        },
    ),
    Example(
        "A zone that asks the router for its address",
        {
            "python": f"""{_PYTHON_HEAD}
{_PYTHON_ROUTER}
illumos.Zone("app", name="app", nics=[{{"router": router.id, "dhcp": True}}])""",
            "yaml": f"""{_YAML_HEAD}
{_YAML_ROUTER}
  app:
    type: illumos:Zone
    properties:
      name: app
      nics:
        - router: ${{gw.id}}
          dhcp: true""",
        },
    ),
    Example(
        "A zone on the host's own network",
        {
            "python": f"""{_PYTHON_HEAD}
illumos.Zone("db", name="db", address="192.0.2.150", dns_servers=["198.51.100.80"])""",
            "yaml": f"""{_YAML_HEAD}
  db:
    type: illumos:Zone
    properties:
      name: db
      address: 192.0.2.150
      dnsServers:
        - 198.51.100.80""",
        },
    ),
)

PORT_FORWARD = (
    Example(
        "A web server and a range of ports to the world",
        {
            "python": f"""{_PYTHON_HEAD}
{_PYTHON_ROUTER}
web = illumos.Zone("web", name="web", address="10.10.0.5", router=router.id)
illumos.PortForward("http", router=router.id, public_port=8080, target=web.id, target_port=80)
illumos.PortForward(
    "calls",
    router=router.id,
    protocol="udp",
    public_port="40000-40099",
    target=web.address,
)""",
            "yaml": f"""{_YAML_HEAD}
{_YAML_ROUTER}
  web:
    type: illumos:Zone
    properties:
      name: web
      address: 10.10.0.5
      router: ${{gw.id}}
  http:
    type: illumos:PortForward
    properties:
      router: ${{gw.id}}
      publicPort: 8080
      target: ${{web.id}}
      targetPort: 80
  calls:
    type: illumos:PortForward
    properties:
      router: ${{gw.id}}
      protocol: udp
      publicPort: 40000-40099
      target: ${{web.address}}""",
        },
    ),
)

INGRESS = (
    Example(
        "Two zones behind one name",
        {
            "python": f"""{_PYTHON_HEAD}
{_PYTHON_ROUTER}
blue = illumos.Zone("blue", name="blue", address="10.10.0.5", router=router.id)
green = illumos.Zone("green", name="green", address="10.10.0.6", router=router.id)
illumos.Ingress(
    "shop",
    router=router.id,
    port=80,
    hostnames=["shop.example.org", "www.shop.example.org"],
    backends=[
        {{"target": blue.id, "port": 8080}},
        {{"target": green.id, "port": 8080}},
    ],
    health_check={{"path": "/healthz"}},
)""",
            "yaml": f"""{_YAML_HEAD}
{_YAML_ROUTER}
  blue:
    type: illumos:Zone
    properties:
      name: blue
      address: 10.10.0.5
      router: ${{gw.id}}
  green:
    type: illumos:Zone
    properties:
      name: green
      address: 10.10.0.6
      router: ${{gw.id}}
  shop:
    type: illumos:Ingress
    properties:
      router: ${{gw.id}}
      port: 80
      hostnames:
        - shop.example.org
        - www.shop.example.org
      backends:
        - target: ${{blue.id}}
          port: 8080
        - target: ${{green.id}}
          port: 8080
      healthCheck:
        path: /healthz""",
        },
    ),
)

VIRTUAL_DATACENTER = (
    Example(
        "A router and two zones behind it",
        {
            "python": f"""{_PYTHON_HEAD}
shop = illumos.VirtualDatacenter(
    "shop",
    public_address="192.0.2.100",
    zones=[
        {{"name": "web", "address": "10.10.0.5", "memory": "512M"}},
        {{"name": "db"}},
    ],
)""",
            "yaml": f"""{_YAML_HEAD}
  shop:
    type: illumos:VirtualDatacenter
    properties:
      publicAddress: 192.0.2.100
      zones:
        - name: web
          address: 10.10.0.5
          memory: 512M
        - name: db""",
        },
    ),
)

"""Resources that several tests use."""

from __future__ import annotations

from typing import Any

LAN = {"type": "illumos:Etherstub", "properties": {"name": "lan0"}}
GW = {
    "type": "illumos:RouterZone",
    "properties": {
        "name": "gw",
        "publicAddress": "192.0.2.100",
        "networks": [{"etherstub": "${lan.name}", "subnet": "10.10.0.0/24"}],
    },
}


def zone(name: str, **properties: Any) -> dict[str, Any]:
    return {"type": "illumos:Zone", "properties": {"name": name, **properties}}


def web(**properties: Any) -> dict[str, Any]:
    """Zone web behind the router, at 10.10.0.5."""
    return zone("web", address="10.10.0.5", router="${gw.id}", **properties)


def site(**more: Any) -> dict[str, Any]:
    """A switch, a router and what else is given."""
    return {"lan": LAN, "gw": GW, **more}


HTTP = "exec 3<>/dev/tcp/198.51.100.80/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3 | tail -1"
"""A shell sentence that asks the outside world which address it sees."""

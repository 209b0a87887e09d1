"""The service of a bridge, svc:/network/bridge:NAME, which dladm(8) makes and removes (bridged(8))."""

from __future__ import annotations

from illumos_lab.links.model import Bridging
from illumos_lab.service import Context, Dependency, Service

SERVICE = "svc:/network/bridge:"
_TIME_SCALE = 256
"""Units of the service's times in a second (IEEE 802.1D-2004, 14.8.1.1.3)."""


def properties(own: Bridging) -> dict[str, tuple[str, str]]:
    """The parameters of a bridge as properties of its service: type and value."""
    values = {
        "priority": own.priority,
        "max-age": own.max_age * _TIME_SCALE,
        "hello-time": own.hello_time * _TIME_SCALE,
        "forward-delay": own.forward_delay * _TIME_SCALE,
        "force-protocol": own.force_protocol,
        "table-maximum": 10000,
    }
    counts = {f"config/{name}": ("count", str(value)) for name, value in values.items()}
    return {**counts, "config/debug": ("boolean", "false")}


def service(fmri: str) -> Service:
    """The instance of that name. While it is not online, its bridge passes nothing."""
    name = fmri.removeprefix(SERVICE)

    def run(context: Context, running: bool) -> None:
        with context.host.lock:
            context.host.links.bridges.run(name, running)

    return Service(
        fmri,
        "bridge",
        in_zones=False,
        dependencies=(
            Dependency(("svc:/system/filesystem/local",), restart_on="error"),
            Dependency(("svc:/network/datalink-management",), restart_on="error"),
        ),
        start=lambda context: run(context, True),
        stop=lambda context: run(context, False),
        exec=f"/usr/lib/bridged {name}",
        properties=properties(Bridging()),
    )

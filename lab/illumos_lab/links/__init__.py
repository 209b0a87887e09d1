"""The datalinks of a host: dladm(8) rules, datalink.conf, and what zones borrow."""

from __future__ import annotations

from illumos_lab.links.model import AGGR, BRIDGE, ETHERSTUB, IPTUN, OVERLAY, PHYS, SIMNET, VLAN, VNIC, Link
from illumos_lab.links.status import DladmError
from illumos_lab.links.table import LinkError, LinkTable

__all__ = [
    "AGGR",
    "BRIDGE",
    "ETHERSTUB",
    "IPTUN",
    "OVERLAY",
    "PHYS",
    "SIMNET",
    "VLAN",
    "VNIC",
    "DladmError",
    "Link",
    "LinkError",
    "LinkTable",
]

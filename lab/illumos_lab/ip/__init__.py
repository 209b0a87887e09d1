"""IP configuration of stacks: interfaces, addresses, routes, and the files that persist them."""

from __future__ import annotations

from illumos_lab.ip.stack import IpStack
from illumos_lab.ip.status import IpadmError

__all__ = ["IpStack", "IpadmError"]

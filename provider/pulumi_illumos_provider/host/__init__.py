"""How to reach a host: SSH connections, scripts, privilege, time limits. No knowledge of illumos."""

from pulumi_illumos_provider.host.hosts import Hosts, StepEvent
from pulumi_illumos_provider.host.settings import ConnectionSettings, Elevate

__all__ = ["ConnectionSettings", "Elevate", "Hosts", "StepEvent"]

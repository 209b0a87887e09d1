"""How to reach a host: SSH connections, scripts, privilege, time limits. No knowledge of illumos."""

from pulumi_illumos_provider.host.hosts import EventKind, Hosts, StepEvent
from pulumi_illumos_provider.host.settings import ConnectionSettings, Elevate

__all__ = ["ConnectionSettings", "Elevate", "EventKind", "Hosts", "StepEvent"]

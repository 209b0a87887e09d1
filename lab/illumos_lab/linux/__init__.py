"""The emulated machine made true with Linux namespaces: network, processes, file systems."""

from illumos_lab.linux.network import LinuxKernel
from illumos_lab.linux.runtime import LinuxRuntime

__all__ = ["LinuxKernel", "LinuxRuntime"]

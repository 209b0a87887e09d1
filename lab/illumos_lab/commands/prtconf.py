"""prtconf(8): memory size and devices of the machine."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.memory import MEMORY_MEGABYTES

_USAGE = (
    "usage: prtconf [ -V | -F | -m | -x | -bpv | [-acdDMPv] [path] ]\n"
    "\t-D prints the driver name for each device\n\t-m prints the system's memory size in megabytes\n"
)
_DEVICES = """\
i86pc
    scsi_vhci, instance #0
    pci, instance #0
        pci8086,1237 (driver not attached)
        isa, instance #0
        pci8086,100e, instance #0
    pseudo, instance #0
    options, instance #0
    agpgart, instance #0
    iscsi, instance #0
"""


def main(host: Host, run: Invocation) -> int:
    """Print the configuration; returns 0, 1 for wrong usage and for what is not emulated."""
    try:
        pairs, operands = getopt(run.argv, "VFmxbpvacdDMP", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"prtconf: illegal option -- {str(error)[1:]}\n{_USAGE}")
        return 1
    letters = {letter for letter, _ in pairs}
    if letters == {"m"} and not operands:
        run.out(f"{MEMORY_MEGABYTES}\n")
        return 0
    if letters or operands:
        what = f"-{min(letters)}" if letters else operands[0]
        run.err(f"prtconf: {what}: not emulated by the lab\n")
        return 1
    run.out(
        "System Configuration:  Oracle Corporation  i86pc\n"
        f"Memory size: {MEMORY_MEGABYTES} Megabytes\n"
        "System Peripherals (Software Nodes):\n\n" + _DEVICES
    )
    return 0

"""prtdiag(8): the make of the machine."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_USAGE = "Usage: prtdiag [-v] [-l]\n"
_HEADER = """\
System Configuration: QEMU Standard PC (i440FX + PIIX, 1996)
BIOS Configuration: SeaBIOS 1.16.2 04/01/2014

==== Processor Sockets ====================================

Version                          Location Tag
-------------------------------- --------------------------
Intel(r) Xeon(r) CPU E5-2676 v3 @ 2.40GHz CPU 0
"""


def main(host: Host, run: Invocation) -> int:
    """Print make, firmware and processor sockets; exit status 0, or 1 for wrong usage."""
    if any(word not in ("-v", "-l", "-vl", "-lv") for word in run.argv):
        run.err(_USAGE)
        return 1
    run.out(_HEADER)
    return 0

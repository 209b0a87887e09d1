"""domainname(8): the domain of the network information service, which /etc/defaultdomain holds."""

from __future__ import annotations

from illumos_lab.host import Host
from illumos_lab.invocation import Invocation


def main(host: Host, run: Invocation) -> int:
    """Print the domain, by default an empty line; returns 0, or 1 for setting it, which is not emulated."""
    if run.argv:
        run.err("domainname: setting it: not emulated by illumos-lab\n")
        return 1
    try:
        name = host.path(run.zone, "/etc/defaultdomain").read_text().strip()
    except OSError:
        name = ""
    run.out(f"{name}\n")
    return 0

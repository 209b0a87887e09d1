"""``zap destroy-zone``: end a zone and everything that ``zap create-zone`` made for it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.zap.programs import Programs
from illumos_lab.zap.records import PLACE, Records


def destroy_zone(host: Host, run: Invocation, argv: Sequence[str]) -> int:
    """Destroy a zone; exit status 0 even where a step failed, 1 or 2 when refused before."""
    programs = Programs(host, run)
    try:
        zone = Options(*getopt(argv, "z:", permute=False)).get("z")
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"/usr/lib/zap/destroy-zone: {error}: unknown option\n")
        zone = None
    if not zone:
        programs.say("ERROR: zone name must be specified")
        return 2
    if zone == "global":
        programs.say("ERROR: unable to delete the global zone")
        return 1
    records = Records(programs)
    children = list(records.children(zone))
    if children:
        programs.say(f"Zone {zone} is a parent for the following zones, and cannot be deleted")
        programs.say("until all the child zones have been deleted")
        run.out("".join(f"  {child}\n" for child in children))
        return 1
    if not programs.succeeds("/usr/sbin/zoneadm", "-z", zone, "list"):
        programs.say(f"ERROR: No such zone {zone}")
        return 0
    _destroy(records, zone)
    return 0


def _destroy(records: Records, zone: str) -> None:
    programs = records.programs
    _run_once(records, "predestroy", zone, f"Running pre-destroy hook for zone {zone}")
    programs.run("/usr/sbin/zoneadm", "-z", zone, "halt")
    programs.say(f"Halted zone {zone}")
    programs.run("/usr/sbin/zoneadm", "-z", zone, "uninstall", "-F")
    programs.say(f"Uninstalled zone {zone}")
    programs.run("/usr/sbin/zonecfg", "-z", zone, "delete", "-F")
    programs.say(f"Deleted zone {zone}")
    _run_once(records, "destroy", zone, f"Cleaned up after zone {zone}")
    records.file("zconfig", zone).unlink(missing_ok=True)


def _run_once(records: Records, kind: str, zone: str, text: str) -> None:
    """Run a script among the records, if there is one, and remove it."""
    script = records.file(kind, zone)
    if os.access(script, os.X_OK):
        records.programs.run(f"{PLACE}/{kind}.{zone}")
        records.programs.say(text)
        script.unlink(missing_ok=True)

"""dlstat(8): what datalinks have carried.

There are no rings and lanes of cards to look at, and nothing comes again at an interval.
"""

from __future__ import annotations

from illumos_lab.commands.dladm.call import Call, Options, UsageError
from illumos_lab.deferred import deferred_output
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.links import status
from illumos_lab.ofmt import fields
from illumos_lab.subcommand import Fatal

FIELDS = fields(("LINK", 15), ("IPKTS", 8), ("RBYTES", 8), ("OPKTS", 8), ("OBYTES", 8))
_USAGE = """\
dlstat [-r | -t] [-i <interval>] [link]
       dlstat [-a | -A] [-i <interval>] [-p] [ -o field[,...]]
              [-u R|K|M|G|T|P] [link]"""
_SUBCOMMANDS = frozenset({"show-phys", "show-link", "show-aggr"})
_UNITS = " KMGTP"


def main(host: Host, run: Invocation) -> int:
    """Show what links have carried; exit status 0 or 1."""
    subcommand = run.argv[0] if run.argv else ""
    with deferred_output(run) as later:
        try:
            if subcommand in _SUBCOMMANDS:
                raise Fatal(f"{subcommand}: not emulated by the lab")
            with host.lock:
                _show(Call(host, later, "", run.argv, _USAGE))
        except UsageError:
            later.err(f"usage: {_USAGE}\n")
        except Fatal as error:
            later.err(f"{run.name}: {error}\n")
        else:
            return 0
    return 1


def _show(call: Call) -> None:
    options = call.options(":rtaApi:o:u:", once="rtaApiu", long={})
    _check(options)
    name = options.operand()
    links = call.visible()
    if name is not None:
        links = [link for link in links if link.name == name]
        if not links:
            raise Fatal(f"link {name} is not valid: {status.NOT_FOUND}")
    for letter in "rtaAi":
        if letter in options:
            call.not_emulated(f"-{letter}")
    output = call.output(FIELDS, options, right=True)
    for link in links:
        carried = call.host.kernel.traffic(link.name)
        counts = {
            "IPKTS": carried.ipackets,
            "RBYTES": carried.rbytes,
            "OPKTS": carried.opackets,
            "OBYTES": carried.obytes,
        }
        unit = options.get("u") or ""
        row = {key: str(count) if "p" in options else _scaled(count, unit) for key, count in counts.items()}
        output.print({"LINK": link.name} | row)


def _check(options: Options) -> None:
    if (unit := options.get("u")) is not None and unit not in tuple("RKMGTP"):
        raise Fatal(f"invalid unit value '{unit}',unit must be R|K|M|G|T|P")
    for one, other, text in (
        ("r", "t", "the options -t and -r are not compatible"),
        ("u", "p", "the options -u and -p are not compatible"),
        ("a", "A", "the options -a and -A are not compatible"),
    ):
        if one in options and other in options:
            raise Fatal(text)
    if "p" in options and "o" not in options:
        raise Fatal("-p requires -o")
    if "p" in options and (options.get("o") or "").lower() == "all":
        raise Fatal('"-o all" is invalid with -p')


def _scaled(count: int, unit: str) -> str:
    """A count in a unit (``R``: in none); without one, in that which leaves three digits."""
    power = _UNITS.find(unit) if unit else min((len(str(count)) - 1) // 3, len(_UNITS) - 1)
    if power <= 0:
        return f" {count:7d}"
    return f" {count / 1000**power:6.2f}{_UNITS[power]}"

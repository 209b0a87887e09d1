"""zpool(8): the one pool of the host, to look at."""

from __future__ import annotations

from collections.abc import Callable

from illumos_lab.datasets import POOL_ALLOCATED, POOL_SIZE, nice_size
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.table import format_table

_OK, _ERROR, _USAGE = 0, 1, 2
_USAGE_TEXT = (
    "usage: zpool command args ...\nwhere 'command' is one of the following:\n\n"
    '\tget [-Hp] [-o "all" | field[,...]] <"all" | property[,...]> <pool> ...\n'
    "\tlist [-Hpv] [-o property[,...]] [-T d|u] [pool] ...\n"
    "\tstatus [-DgLPvx] [-T d|u] [pool] ...\n"
)
_STATUS = """\
  pool: {pool}
 state: ONLINE
  scan: none requested
config:

        NAME        STATE     READ WRITE CKSUM
        {pool:<11} ONLINE       0     0     0
          c1t0d0    ONLINE       0     0     0

errors: No known data errors
"""
_HEADERS = {
    "allocated": "ALLOC",
    "checkpoint": "CKPOINT",
    "expandsize": "EXPANDSZ",
    "fragmentation": "FRAG",
    "capacity": "CAP",
    "dedupratio": "DEDUP",
}
_SHORT = {
    "alloc": "allocated",
    "cap": "capacity",
    "dedup": "dedupratio",
    "frag": "fragmentation",
    "ckpoint": "checkpoint",
    "expandsz": "expandsize",
}
_NOT_EMULATED_WORDS = """
    create destroy add remove import export scrub trim attach detach replace online offline
    clear history iostat split upgrade labelclear checkpoint initialize reopen reguid set sync
"""
NOT_EMULATED = frozenset(_NOT_EMULATED_WORDS.split())
"""What illumos has besides."""


def main(host: Host, run: Invocation) -> int:
    """Run zpool; exit status 0, 1 for failures, 2 for wrong usage."""
    if not run.argv:
        run.err("missing command\n" + _USAGE_TEXT)
        return _USAGE
    command, *rest = run.argv
    if command in NOT_EMULATED:
        run.err(f"zpool {command}: not emulated by illumos-lab\n")
        return _ERROR
    if command not in SUBCOMMANDS:
        run.err(f"unrecognized command '{command}'\n" + _USAGE_TEXT)
        return _USAGE
    function, letters = SUBCOMMANDS[command]
    try:
        options, operands = getopt(rest, letters, permute=False)
    except UnknownOptionError as error:
        run.err(f"invalid option '{str(error).lstrip('-')}'\n" + _USAGE_TEXT)
        return _USAGE
    except MissingValueError as error:
        run.err(f"missing argument for '{str(error).lstrip('-')}' option\n" + _USAGE_TEXT)
        return _USAGE
    return function(host, run, dict(options), operands)


def _values(host: Host, exact: bool) -> dict[str, str]:
    size = str if exact else nice_size
    percent = "" if exact else "%"
    return {
        "name": host.profile.pool,
        "size": size(POOL_SIZE),
        "allocated": size(POOL_ALLOCATED),
        "free": size(POOL_SIZE - POOL_ALLOCATED),
        "checkpoint": "-",
        "expandsize": "-",
        "fragmentation": f"3{percent}",
        "capacity": f"{100 * POOL_ALLOCATED // POOL_SIZE}{percent}",
        "dedupratio": "1.00" if exact else "1.00x",
        "health": "ONLINE",
        "altroot": "-",
        "guid": "11467234562307894021",
        "version": "-",
        "bootfs": f"{host.profile.pool}/ROOT" if host.profile.boots_from_pool else "-",
        "delegation": "on",
        "autoreplace": "off",
        "failmode": "wait",
        "listsnapshots": "off",
        "autoexpand": "off",
        "readonly": "off",
        "comment": "-",
    }


def _pools(host: Host, run: Invocation, names: list[str]) -> bool:
    """Whether only the pool that exists is asked for; complains of the others."""
    unknown = [name for name in names if name != host.profile.pool]
    for name in unknown:
        run.err(f"cannot open '{name}': no such pool\n")
    return not unknown


def _list(host: Host, run: Invocation, given: dict[str, str], names: list[str]) -> int:
    default = (
        "name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedupratio,health,altroot"
    )
    columns = [_SHORT.get(name, name) for name in given.get("o", default).split(",")]
    values = _values(host, "p" in given)
    for name in columns:
        if name not in values:
            run.err(f"bad property list: invalid property '{name}'\n" + _USAGE_TEXT)
            return _USAGE
    complete = _pools(host, run, names)
    if complete or host.profile.pool in names:
        header = [_HEADERS.get(name, name.upper()) for name in columns]
        right = frozenset(n for n, name in enumerate(columns) if name not in ("name", "health", "altroot"))
        run.out(
            format_table(header, [[values[name] for name in columns]], scripted="H" in given, right=right)
        )
    return _OK if complete else _ERROR


def _status(host: Host, run: Invocation, given: dict[str, str], names: list[str]) -> int:
    complete = _pools(host, run, names)
    if "x" in given and complete:
        run.out(f"pool '{host.profile.pool}' is healthy\n" if names else "all pools are healthy\n")
    elif complete or host.profile.pool in names:
        run.out(_STATUS.format(pool=host.profile.pool))
    return _OK if complete else _ERROR


def _get(host: Host, run: Invocation, given: dict[str, str], operands: list[str]) -> int:
    if not operands:
        run.err("missing property argument\n" + _USAGE_TEXT)
        return _USAGE
    wanted, *names = operands
    values = _values(host, "p" in given)
    asked = [name for name in values if name != "name"] if wanted == "all" else wanted.split(",")
    asked = [_SHORT.get(name, name) for name in asked]
    for name in asked:
        if name not in values:
            run.err(f"bad property list: invalid property '{name}'\n" + _USAGE_TEXT)
            return _USAGE
    complete = _pools(host, run, names)
    fields = given.get("o", "name,property,value,source").split(",")
    rows = []
    for name in asked:
        row = {"name": host.profile.pool, "property": name, "value": values[name], "source": "-"}
        rows.append([row.get(field, "-") for field in fields])
    if complete or host.profile.pool in names:
        run.out(format_table([field.upper() for field in fields], rows, scripted="H" in given))
    return _OK if complete else _ERROR


SUBCOMMANDS: dict[str, tuple[Callable[[Host, Invocation, dict[str, str], list[str]], int], str]] = {
    "list": (_list, "HpvLPgo:T:"),
    "status": (_status, "DgLPvxT:"),
    "get": (_get, "Hpo:"),
}
"""What the lab emulates, with the options that each takes."""

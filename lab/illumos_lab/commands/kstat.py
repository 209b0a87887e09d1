"""kstat(8): the kernel's statistics, as far as the machine has any."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from illumos_lab.commands.psrinfo import PROCESSORS
from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip.model import LOOPBACK
from illumos_lab.links import AGGR, PHYS
from illumos_lab.memory import MEMORY_MEGABYTES, PAGE_BYTES

_USAGE = """\
Usage:
kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
      [ -m module ] [ -i instance ] [ -n name ] [ -s statistic ]
      [ interval [ count ] ]
kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
      [ module:instance:name:statistic ... ]
      [ interval [ count ] ]
"""
_FOUND, _NONE, _WRONG = 0, 1, 2
_MEGAHERTZ = 2400
_DISK = {
    "Device Not Ready": "0",
    "Hard Errors": "0",
    "Illegal Request": "0",
    "Media Error": "0",
    "No Device": "0",
    "Predictive Failure Analysis": "0",
    "Product": "QEMU HARDDISK   ",
    "Recoverable": "0",
    "Revision": "2.5+",
    "Serial No": "QM00001",
    "Size": str(64 * 1024**3),
    "Soft Errors": "0",
    "Transport Errors": "0",
    "Vendor": "ATA     ",
}


@dataclass(frozen=True)
class _Kstat:
    """One kstat: where it stands in the tree, and its named statistics."""

    kind: str
    module: str
    instance: int
    name: str
    values: Mapping[str, str]


def main(host: Host, run: Invocation) -> int:
    """Print statistics; 0 when some matched, 1 when none did, 2 for wrong usage."""
    try:
        options = Options(*getopt(run.argv, "hqjlpCT:m:i:n:s:c:", permute=False))
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"kstat: illegal option -- {str(error)[1:]}\n{_USAGE}")
        return _WRONG
    if "h" in options:
        run.out(_USAGE)
        return _FOUND
    selectors = [word for word in options.operands if ":" in word or not word.isdigit()]
    for what, asked in (
        *((f"-{letter}", letter in options) for letter in "jT"),
        ("an interval", len(selectors) < len(options.operands)),
    ):
        if asked:
            run.err(f"kstat: {what} is not emulated by illumos-lab\n")
            return _WRONG
    if selectors and any(letter in options for letter in "mins"):
        run.err(f"module:instance:name:statistic and -m -i -n -s are mutually exclusive\n{_USAGE}")
        return _WRONG
    wanted = [_parts(word) for word in selectors] or [[options.get(letter) or "" for letter in "mins"]]
    text = ""
    for kstat in _kstats(host, run):
        if not _matches(options.get("c") or "", kstat.kind):
            continue
        where = (kstat.module, str(kstat.instance), kstat.name)
        chosen = {
            name: value
            for name, value in sorted(kstat.values.items())
            if any(all(map(_matches, pattern, (*where, name))) for pattern in wanted)
        }
        if chosen:
            text += _print(kstat, chosen, options)
    if "q" not in options:
        run.out(text)
    return _FOUND if text else _NONE


def _parts(word: str) -> list[str]:
    parts = word.split(":", 3)
    return parts + [""] * (4 - len(parts))


def _matches(pattern: str, text: str) -> bool:
    """An empty pattern matches everything, one in slashes is a regular expression, others are globs."""
    if not pattern:
        return True
    if len(pattern) > 1 and pattern.startswith("/"):
        return re.search(pattern.strip("/"), text) is not None
    return fnmatchcase(text, pattern)


def _print(kstat: _Kstat, chosen: Mapping[str, str], options: Options) -> str:
    if not any(letter in options for letter in "plC"):
        head = f"module: {kstat.module:<30.30}  instance: {kstat.instance:<6d}\n"
        head += f"name:   {kstat.name:<30.30}  class:    {kstat.kind:.30}\n"
        return head + "".join(f"\t{name:<30}  {value}\n" for name, value in chosen.items()) + "\n"
    mark = ":" if "C" in options else "\t"
    return "".join(
        f"{kstat.module}:{kstat.instance}:{kstat.name}:{name}"
        + ("\n" if "l" in options else f"{mark}{value}\n")
        for name, value in chosen.items()
    )


def booted() -> float:
    """When the machine was switched on, in seconds since 1970: its daemon began then."""
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    ago = time.clock_gettime(time.CLOCK_BOOTTIME) - int(started) / os.sysconf("SC_CLK_TCK")
    return time.time() - ago


# What there is -----------------------------------------------------------------------------------


def _kstats(host: Host, run: Invocation) -> list[_Kstat]:
    """All kstats in the order of kstat(8): by class, module, instance and name."""
    uptime = time.time() - booted()
    pages = MEMORY_MEGABYTES * 1024 * 1024 // PAGE_BYTES
    found = [_processor(number) for number in range(PROCESSORS)]
    found.append(_Kstat("device_error", "sderr", 0, "sd0,err", _DISK))
    system = {
        "boot_time": str(int(booted())),
        "clk_intr": str(int(uptime * 100)),
        "deficit": "0",
        "lbolt": str(int(uptime * 100)),
        "ncpus": str(PROCESSORS),
        "nproc": str(sum(len(host.runtime.processes(zone)) + 1 for zone in _visible(host, run))),
    }
    found.append(_Kstat("misc", "unix", 0, "system_misc", system))
    memory = {"freemem": str(pages // 2), "pagestotal": str(pages), "physmem": str(pages)}
    found.append(_Kstat("pages", "unix", 0, "system_pages", memory))
    with host.lock:
        found += _links(host, run)
    moment = {"crtime": "0", "snaptime": f"{uptime:.9f}"}
    found = [_Kstat(k.kind, k.module, k.instance, k.name, {**k.values, **moment}) for k in found]
    return sorted(found, key=lambda each: (each.kind, each.module, each.instance, each.name))


_WIDE = ("ipackets", "rbytes", "opackets", "obytes")
_UNCOUNTED = (
    *("multircv", "brdcstrcv", "multixmt", "brdcstxmt"),
    *("norcvbuf", "noxmtbuf", "collisions", "unknowns"),
)
_FULL_DUPLEX = 2


def _links(host: Host, run: Invocation) -> Iterator[_Kstat]:
    """What links have carried (dls_stat.c), and the loopback interface of the caller's zone."""
    for link in host.links.all():
        if run.zone not in ("global", link.zone):
            continue
        lowest = host.links.get(link.over) or link
        carried = asdict(host.kernel.traffic(link.name))
        counts = dict.fromkeys(_UNCOUNTED, 0)
        counts |= {name: count % 2**32 for name, count in carried.items()}
        counts |= {f"{name}64": carried[name] for name in _WIDE}
        counts["ifspeed"] = 10**9 if lowest.link_class in (PHYS, AGGR) else 0
        counts["link_duplex"] = _FULL_DUPLEX if link.link_class in (PHYS, AGGR) else 0
        counts["link_state"] = int(link.state == "up")
        yield _Kstat("net", "link", 0, link.name, {name: str(count) for name, count in counts.items()})
    looped = host.kernel.traffic(LOOPBACK, run.zone if run.zone in host.stacks else "global")
    packets = {"ipackets": str(looped.ipackets), "opackets": str(looped.opackets)}
    yield _Kstat("net", "lo", 0, LOOPBACK, packets)


def _visible(host: Host, run: Invocation) -> list[str]:
    return [run.zone] if run.zone != "global" else ["global", *host.zones.names()]


def _processor(number: int) -> _Kstat:
    values = {
        "brand": "Intel(r) Xeon(r) CPU E5-2676 v3 @ 2.40GHz",
        "cache_id": "0",
        "chip_id": "0",
        "clock_MHz": str(_MEGAHERTZ),
        "core_id": str(number),
        "cpu_type": "i386",
        "current_clock_Hz": str(_MEGAHERTZ * 10**6),
        "current_cstate": "0",
        "family": "6",
        "fpu_type": "i387 compatible",
        "implementation": (
            f"x86 (chipid 0x0 GenuineIntel 306F2 family 6 model 63 step 2 clock {_MEGAHERTZ} MHz)"
        ),
        "model": "63",
        "ncore_per_chip": str(PROCESSORS),
        "ncpu_per_chip": str(PROCESSORS),
        "state": "on-line",
        "stepping": "2",
        "vendor_id": "GenuineIntel",
    }
    return _Kstat("misc", "cpu_info", number, f"cpu_info{number}", values)

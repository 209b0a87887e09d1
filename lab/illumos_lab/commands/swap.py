"""swap(8): the swap space, to look at."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.memory import MEMORY_MEGABYTES

_USAGE = (
    "Usage:\tswap -l [-h|-k]\n\tswap -s [-h]\n\tswap -d <file name> [low offset]\n"
    "\tswap -a <file name> [low offset] [nbr of blocks]\n"
)
_DEVICE_MEGABYTES = 1024
_ALLOCATED, _RESERVED = 262144, 65536
_BLOCK = 512


def main(host: Host, run: Invocation) -> int:
    """Print the summary (-s) or the devices (-l); 1 for failures, 2 for wrong usage."""
    try:
        pairs, operands = getopt(run.argv, "adhlks1", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"swap: illegal option -- {str(error)[1:]}\n{_USAGE}")
        return 2
    letters = {letter for letter, _ in pairs}
    if letters & set("adh1"):
        run.err(f"swap: -{min(letters & set('adh1'))}: not emulated by illumos-lab\n")
        return 1
    if letters == {"s"} and not operands:
        used = _ALLOCATED + _RESERVED
        available = (MEMORY_MEGABYTES + _DEVICE_MEGABYTES) * 1024 - used
        run.out(
            f"total: {_ALLOCATED}k bytes allocated + {_RESERVED}k reserved = "
            f"{used}k used, {available}k available\n"
        )
        return 0
    if letters in ({"l"}, {"l", "k"}) and not operands:
        blocks = _DEVICE_MEGABYTES * 1024 * 1024 // _BLOCK - 8
        device = f"/dev/zvol/dsk/{host.profile.pool}/swap"
        low, size = ("4K", f"{blocks // 2}K") if "k" in letters else ("8", str(blocks))
        run.out(
            "swapfile             dev    swaplo   blocks     free\n"
            f"{device:<19}    - {low:>9} {size:>8} {size:>8}\n"
        )
        return 0
    run.err(_USAGE)
    return 2

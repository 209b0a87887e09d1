"""isainfo(1): instruction sets that the machine can run."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_USAGE = "usage: isainfo [ -v ] [ -b | -n | -k | -x ]\n"
_SETS = (("64-bit", "amd64"), ("32-bit", "i386"))
_FEATURES = {
    "amd64": "avx sse4.2 sse4.1 ssse3 popcnt tscp cx16 sse3 sse2 sse fxsr mmx cmov amd_sysc cx8 tsc fpu",
    "i386": "avx sse4.2 sse4.1 ssse3 popcnt tscp ahf cx16 sse3 sse2 sse fxsr mmx cmov sep cx8 tsc fpu",
}
"""Extensions of a processor of ordinary age, in isainfo's order."""
_LINE = 70


def main(host: Host, run: Invocation) -> int:
    """Print the native instruction sets, or one aspect of them; returns 0, or 1 for wrong usage."""
    try:
        pairs, operands = getopt(run.argv, "vbnkx", permute=False)
    except (UnknownOptionError, MissingValueError) as error:
        run.err(f"isainfo: illegal option -- {str(error)[1:]}\n{_USAGE}")
        return 1
    letters = {letter for letter, _ in pairs}
    if operands or len(letters - {"v"}) > 1:
        run.err(_USAGE)
        return 1
    verbose = "v" in letters
    match "".join(letters - {"v"}):
        case "b":
            run.out("64-bit\n" if verbose else "64\n")
        case "n":
            run.out("64-bit amd64 applications\n" + _features("amd64") if verbose else "amd64\n")
        case "k":
            run.out("64-bit amd64 kernel modules\n" if verbose else "amd64\n")
        case "x":
            run.out("".join(f"{name}: {_FEATURES[name]}\n" for _, name in _SETS))
        case _ if verbose:
            run.out("".join(f"{bits} {name} applications\n{_features(name)}" for bits, name in _SETS))
        case _:
            run.out(" ".join(name for _, name in _SETS) + "\n")
    return 0


def _features(name: str) -> str:
    lines = ["\t"]
    for word in _FEATURES[name].split():
        if len(lines[-1]) + len(word) + 1 > _LINE:
            lines.append("\t")
        lines[-1] += word + " "
    return "".join(line.rstrip(" ") + "\n" for line in lines)

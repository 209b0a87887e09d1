"""digest(1): message digests of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation

_ALGORITHMS = ("sha1", "md5", "sha224", "sha256", "sha384", "sha512")
_USAGE = "usage: digest -l | [-v] [-a <algorithm>] [file...]\n"


def main(host: Host, run: Invocation) -> int:
    """Print the digest of each file, or of the standard input; returns 0, 1 for a file, 2 for usage."""
    try:
        options = Options(*getopt(run.argv, "lva:", permute=False))
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE)
        return 2
    if "l" in options:
        run.out("".join(f"{name}\n" for name in _ALGORITHMS))
        return 0
    algorithm, files = options.get("a"), options.operands
    if algorithm is None:
        run.err(f"digest: no algorithm specified\n{_USAGE}")
        return 2
    if algorithm not in _ALGORITHMS:
        run.err(f"digest: unknown algorithm -- {algorithm}\n")
        return 2
    status = 0
    for name in files or [""]:
        try:
            with _open(host, run, name) as stream:
                found = hashlib.new(algorithm, stream.read(), usedforsecurity=False).hexdigest()
        except OSError as error:
            run.err(f"digest: can not open input file {name}\n{error.strerror}\n")
            status = 1
            continue
        run.out(f"{_heading(algorithm, name, len(files), 'v' in options)}{found}\n")
    return status


def _open(host: Host, run: Invocation, name: str) -> BinaryIO:
    if not name:
        return os.fdopen(os.dup(run.stdin), "rb")
    return run.open(name, host.path(run.zone, str(Path(run.cwd, name))), "rb")


def _heading(algorithm: str, name: str, files: int, verbose: bool) -> str:
    if verbose:
        return f"{algorithm} ({name}) = " if name else f"{algorithm} "
    return f"({name}) = " if files > 1 else ""

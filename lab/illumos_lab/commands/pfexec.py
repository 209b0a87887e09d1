"""pfexec(1): run a program with the privileges that the caller's rights profiles give it.

A program that no profile covers runs as it would without pfexec. A profile that gives a program
some privileges or another user id gives it all of them here.
"""

from __future__ import annotations

import os.path
from pathlib import Path, PurePosixPath

from illumos_lab import rbac
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation, Spawn

_USAGE = "usage: pfexec [-P privset] cmd [arg ..]\n"


def main(host: Host, run: Invocation) -> int | Spawn:
    """Look the program up along PATH and run it in the caller's place."""
    words = list(run.argv)
    while words and words[0].startswith("-") and len(words[0]) > 1:
        option = words.pop(0)
        if option == "--":
            break
        if not option.startswith("-P"):
            run.err(f"pfexec: illegal option -- {option[1]}\n{_USAGE}")
            return 1
        if option == "-P" and not words:
            run.err(f"pfexec: option requires an argument -- P\n{_USAGE}")
            return 1
        if option == "-P":
            words.pop(0)
    if not words:
        run.err(_USAGE)
        return 1
    root = host.zone_root(run.zone)
    program = find_program(root, words[0], run.env.get("PATH", "/usr/bin"), run.cwd)
    if program is None:
        run.err(f"{words[0]}: No such file or directory\n")
        return 1
    privileged = run.uid == 0 or rbac.grants_privilege(root, run.uid, _resolve(root, program))
    return Spawn(
        argv=(program, *words[1:]),
        zone=run.zone,
        uid=0 if privileged else run.uid,
        env=run.env,
        cwd=run.cwd,
    )


def find_program(root: Path, name: str, path: str, cwd: str) -> str | None:
    """Absolute path of a program of a zone.

    Args:
        root: the zone's root directory.
        name: what was typed; looked for along ``path`` when there is no slash in it.
        path: directories between colons.
        cwd: the caller's working directory.
    """
    if "/" in name:
        place = os.path.normpath(name if name.startswith("/") else f"{cwd}/{name}")
        return place if _exists(root, place) else None
    for directory in path.split(":"):
        start = directory if directory.startswith("/") else f"{cwd}/{directory}"
        place = os.path.normpath(f"{start}/{name}")
        if _exists(root, place):
            return place
    return None


def _exists(root: Path, path: str) -> bool:
    return (root / _resolve(root, path).lstrip("/")).is_file()


def _resolve(root: Path, path: str) -> str:
    """A path of a zone without symbolic links, each read as the zone's own."""
    done = PurePosixPath("/")
    parts = [part for part in path.split("/") if part]
    for _ in range(64):
        if not parts:
            return str(done)
        part = parts.pop(0)
        if part == "..":
            done = done.parent
            continue
        here = done / part
        file = root / here.relative_to("/")
        if not file.is_symlink():
            done = here
            continue
        target = str(file.readlink())
        if target.startswith("/"):
            done = PurePosixPath("/")
        parts[:0] = [piece for piece in target.split("/") if piece not in ("", ".")]
    return path

"""svcprop(1): values of properties, by default those of the running snapshot."""

from __future__ import annotations

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.smf import NoRepositoryError
from illumos_lab.smf import fmri as names
from illumos_lab.smf.repository import Properties, Property
from illumos_lab.smf.restarter import Restarter

_OK, _ERROR, _USAGE = 0, 1, 2
_USAGE_TEXT = (
    "Usage: svcprop [-fqtv] [-C | -c | -s snapshot] [-z zone] [-p [name/]name]... \n"
    "         {FMRI | pattern}...\n"
    "       svcprop -w [-fqtv] [-z zone] [-p [name/]name] {FMRI | pattern}\n"
)


def main(host: Host, run: Invocation) -> int:
    """Run svcprop; exit status 0, 1 when something is not there, 2 for wrong usage."""
    try:
        options, patterns = getopt(run.argv, "fqtvCcs:z:p:w", permute=False)
        given = dict(options)
        if not patterns:
            raise UnknownOptionError
        if "w" in given and (len(patterns) != 1 or "p" not in given or given.keys() & set("Ccs")):
            raise UnknownOptionError
        if "s" in given and given["s"] != "running":
            run.err(f"svcprop: snapshot '{given['s']}': not emulated by illumos-lab\n")
            return _ERROR
        restarter = host.smf.restarter(given.get("z", run.zone))
    except (UnknownOptionError, MissingValueError):
        run.err(_USAGE_TEXT)
        return _USAGE
    except NoRepositoryError as error:
        run.err(f"svcprop: {error}\n")
        return _ERROR
    wanted = [value for letter, value in options if letter == "p"]
    if "w" in given:
        _await_change(restarter, patterns[0], given["p"].partition("/")[0])
    found: list[tuple[str, Properties]] = []
    status = _OK
    for pattern in patterns:
        fmris = names.match(pattern, restarter.instances)
        if not fmris:
            if "q" not in given:
                run.err(f"svcprop: Pattern '{pattern}' doesn't match any entities\n")
            status = _ERROR
        for fmri in fmris:
            instance = restarter.instances[fmri]
            with restarter.changed:
                current = restarter.composed(fmri)
                stored = current if given.keys() & {"c", "C"} else dict(instance.running)
                stored["general/enabled"] = current["general/enabled"]
                found.append((fmri, stored | restarter.live(instance)))
    several = len(found) > 1
    shown: list[tuple[str, str, Property]] = []
    for fmri, properties in found:
        chosen = _choose(properties, wanted)
        for name in wanted:
            if not _choose(properties, [name]):
                if "q" not in given:
                    run.err(f"svcprop: Couldn't find property '{name}' for instance '{fmri}'.\n")
                status = _ERROR
        shown += [(fmri, name, value) for name, value in sorted(chosen.items())]
    if "q" not in given:
        # A single value is printed alone.
        bare = len(shown) == 1 and len(wanted) == 1 and "/" in wanted[0]
        for fmri, name, value in shown:
            text = " ".join(map(_quote, value.values)) or '""'
            prefix = f"{fmri}/:properties/{name}" if several or "f" in given else name
            if bare and not given.keys() & {"f", "t"}:
                run.out(f"{text}\n")
            else:
                run.out(f"{prefix} {value.type} {text}\n")
    return status


def _await_change(restarter: Restarter, pattern: str, group: str) -> None:
    """Wait until a property group of the instance is changed."""
    fmris = names.match(pattern, restarter.instances)
    if len(fmris) != 1:
        return
    instance = restarter.instances[fmris[0]]

    def present() -> Properties:
        return _choose(instance.running | restarter.live(instance), [group])

    with restarter.changed:
        before = present()
    restarter.wait(lambda: present() != before)


def _choose(properties: Properties, wanted: list[str]) -> Properties:
    if not wanted:
        return properties
    return {
        name: value
        for name, value in properties.items()
        if any(name == each or name.startswith(f"{each}/") for each in wanted)
    }


def _quote(value: str) -> str:
    """Characters that a shell would take for its own get a backslash."""
    if not value:
        return '""'
    return "".join(f"\\{each}" if each in " \t\n\\\"'$;&|<>()*?[]`!#" else each for each in value)

"""svcadm(8): change what services do. Requests are asynchronous unless -s is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.smf import NoRepositoryError
from illumos_lab.smf import fmri as names
from illumos_lab.smf.restarter import RESTARTER, UP, Instance, Restarter

_OK, _ERROR, _USAGE, _WRONG_STATE, _UNSATISFIED = range(5)

_USAGE_TEXT = """\
Usage: svcadm [-S <state>] [-v] [-Z | -z zone] [cmd [args ... ]]

\tsvcadm enable [-rst] [<service> ...]\t- enable and online service(s)
\tsvcadm disable [-c comment] [-st] [<service> ...] - disable and offline service(s)
\tsvcadm restart [-d] [<service> ...]\t- restart specified service(s)
\tsvcadm refresh [<service> ...]\t\t- re-read service configuration
\tsvcadm mark [-It] <state> [<service> ...] - set maintenance state
\tsvcadm clear [<service> ...]\t\t- clear maintenance state
\tsvcadm milestone [-d] <milestone>\t- advance to a service milestone

\tServices can be specified using an FMRI, abbreviation, or fnmatch(5)
\tpattern, as shown in these examples for svc:/network/smtp:sendmail
"""


_MILESTONE_USAGE = """\
Usage: svcadm milestone [-d] <milestone>

\t-d\tmake the specified milestone the default for system boot

\tMilestones can be specified using an FMRI or abbreviation.
\tThe major milestones are as follows:

\tall
\tnone
\tsvc:/milestone/single-user:default
\tsvc:/milestone/multi-user:default
\tsvc:/milestone/multi-user-server:default
"""


class _WrongUsage(Exception):
    """The caller made a mistake; the usage says it all."""


class _Failed(Exception):
    """The text is the message after the program's name."""


@dataclass
class _Call:
    """One call: the services of a zone, and the words after the subcommand."""

    run: Invocation
    restarter: Restarter
    verbose: bool
    state: str
    words: list[str]

    def options(self, letters: str) -> tuple[dict[str, str], list[str]]:
        options, operands = getopt(self.words, letters, permute=False)
        return dict(options), operands

    def instances(self, patterns: list[str]) -> list[Instance]:
        """The instances named, or those in the state of -S."""
        known = self.restarter.instances
        if self.state:
            if patterns:
                raise _WrongUsage
            return [each for each in known.values() if each.state == self.state]
        if not patterns:
            raise _WrongUsage
        chosen: list[Instance] = []
        for pattern in patterns:
            found = names.match(pattern, known)
            if not found:
                raise _Failed(f"Pattern '{pattern}' doesn't match any instances")
            if len(found) > 1 and names.kind(pattern) is not names.PatternKind.GLOB:
                partial = names.kind(pattern) is names.PatternKind.PARTIAL
                noun = "Partial FMRI" if partial else "Pattern"
                listed = "".join(f"\n\t{fmri}" for fmri in found)
                raise _Failed(f"{noun} '{pattern}' matches multiple instances:{listed}")
            chosen += [known[fmri] for fmri in found if known[fmri] not in chosen]
        if not self.run.privileged:
            raise _Failed(f"{chosen[0].fmri}: Permission denied.")
        return chosen

    def say(self, text: str) -> None:
        if self.verbose:
            self.run.out(text + "\n")


def main(host: Host, run: Invocation) -> int:
    """Run svcadm; exit status 0, 1 failure, 2 usage, 3 wrong state, 4 unsatisfied dependencies."""
    try:
        options, words = getopt(run.argv, "S:vz:Z", permute=False)
        given = dict(options)
        if not words or words[0] not in SUBCOMMANDS:
            raise _WrongUsage
        for letter, _ in options:
            if letter in "zZ" and run.zone != "global":
                raise _Failed(f"svcadm -{letter} may only be used from the global zone")
        if given.keys() >= {"z", "Z"}:
            raise _WrongUsage
        status = _OK
        for zone in host.smf.zones() if "Z" in given else [given.get("z", run.zone)]:
            restarter = host.smf.restarter(zone)
            call = _Call(run, restarter, "v" in given, given.get("S", ""), words[1:])
            status = _in_zone(call, SUBCOMMANDS[words[0]]) or status
        return status
    except (_WrongUsage, UnknownOptionError, MissingValueError):
        run.err(_USAGE_TEXT)
        return _USAGE
    except (_Failed, NoRepositoryError) as error:
        run.err(f"{run.name}: {error}\n")
        return _ERROR


def _in_zone(call: _Call, command: Callable[[_Call], int]) -> int:
    """Run a subcommand in one zone; what goes wrong there does not keep it from the next."""
    try:
        return command(call)
    except _Failed as error:
        call.run.err(f"{call.run.name}: {error}\n")
        return _ERROR


def _enable(call: _Call) -> int:
    given, patterns = call.options("rst")
    chosen = call.instances(patterns)
    every = _with_dependencies(call.restarter, chosen) if "r" in given else chosen
    for instance in every:
        call.restarter.set_enabled(instance.fmri, True, temporary="t" in given)
        temporarily = "temporarily " if "t" in given else ""
        call.say(f"{instance.fmri} {temporarily}enabled.")
    return _wait(call, every, _enabled_end) if "s" in given else _OK


def _with_dependencies(restarter: Restarter, chosen: list[Instance]) -> list[Instance]:
    """Instances with all that they need, dependencies first."""
    ordered: list[Instance] = []
    visiting: set[str] = set()

    def visit(instance: Instance) -> None:
        if instance.fmri in visiting:
            return
        visiting.add(instance.fmri)
        for dependency in instance.service.dependencies:
            if dependency.grouping not in ("require_all", "require_any"):
                continue
            for wanted in dependency.fmris:
                found = [restarter.instances[fmri] for fmri in names.match(wanted, restarter.instances)]
                # One instance that runs is enough of a service that has several.
                for each in [] if any(one.state in UP for one in found) else found[:1]:
                    visit(each)
        ordered.append(instance)

    for instance in chosen:
        visit(instance)
    return ordered


def _disable(call: _Call) -> int:
    given, patterns = call.options("stc:")
    chosen = call.instances(patterns)
    for instance in chosen:
        call.restarter.set_enabled(instance.fmri, False, temporary="t" in given, comment=given.get("c", ""))
        temporarily = "temporarily " if "t" in given else ""
        call.say(f"{instance.fmri} {temporarily}disabled.")
    return _wait(call, chosen, _disabled_end) if "s" in given else _OK


_Ending = tuple[int, str]
_End = Callable[[Restarter, Instance], "_Ending | None"]


def _enabled_end(restarter: Restarter, instance: Instance) -> _Ending | None:
    """How waiting for an enabled instance ends; None while it goes on."""
    if not restarter.is_enabled(instance):
        return _WRONG_STATE, f'Instance "{instance.fmri}" has been disabled by another entity.'
    if instance.busy:
        return None
    if instance.state in UP:
        return _OK, ""
    if instance.state == "maintenance":
        return _WRONG_STATE, f'Instance "{instance.fmri}" is in maintenance state.'
    if instance.state == "offline" and restarter.satisfied(instance) is False:
        return _UNSATISFIED, f'Instance "{instance.fmri}" has unsatisfied dependencies.'
    return None


def _disabled_end(restarter: Restarter, instance: Instance) -> _Ending | None:
    if restarter.is_enabled(instance):
        return _WRONG_STATE, f'Instance "{instance.fmri}" has been enabled by another entity.'
    return (_OK, "") if instance.state == "disabled" and not instance.busy else None


def _wait(call: _Call, chosen: list[Instance], end: _End) -> int:
    """Wait for every instance; the worst ending counts."""
    restarter, status = call.restarter, _OK
    restarter.wait(lambda: all(end(restarter, each) is not None for each in chosen))
    for instance in chosen:
        ending = end(restarter, instance)
        if ending is None:
            raise _Failed("Repository connection broken.")
        code, text = ending
        if text:
            call.run.err(f"{call.run.name}: {text}\n")
        status = max(status, code)
    return status


def _restart(call: _Call) -> int:
    _, patterns = call.options("d")
    for instance in call.instances(patterns):
        call.restarter.request(instance.fmri, restart=True)
        call.say(f"Action restart set for {instance.fmri}.")
    return _OK


def _refresh(call: _Call) -> int:
    _, patterns = call.options("")
    for instance in call.instances(patterns):
        call.restarter.request(instance.fmri, refresh=True)
        call.say(f"Action refresh set for {instance.fmri}.")
    return _OK


def _clear(call: _Call) -> int:
    _, patterns = call.options("")
    status = _OK
    for instance in call.instances(patterns):
        if call.restarter.clear(instance.fmri):
            call.say(f"Action maint_off set for {instance.fmri}.")
        else:
            call.run.err(
                f'{call.run.name}: Instance "{instance.fmri}" is not in a maintenance or degraded state.\n'
            )
            status = _ERROR
    return status


def _mark(call: _Call) -> int:
    given, operands = call.options("It")
    if not operands or operands[0] not in ("maintenance", "degraded"):
        raise _WrongUsage
    state, *patterns = operands
    if state == "degraded" and "I" in given:
        raise _Failed("-I can only be used with maintenance.")
    for instance in call.instances(patterns):
        if state == "degraded" and instance.state not in UP:
            raise _Failed(f'Instance "{instance.fmri}" is not online; cannot be degraded.')
        call.restarter.mark(instance.fmri, state, temporary="t" in given)
        call.say(f"Action maint_on set for {instance.fmri}.")
    return _OK


def _milestone(call: _Call) -> int:
    """``milestone [-d] NAME``; the message on a wrong one comes without the program's name."""
    given, operands = call.options("d")
    milestone = names.milestone(operands[0]) if operands else None
    if milestone is None:
        if operands:
            call.run.err(f'"{operands[0]}" is not a valid major milestone.\n')
        call.run.err(_MILESTONE_USAGE)
        return _USAGE
    if not call.run.privileged:
        raise _Failed(f"{RESTARTER}: Permission denied.")
    call.restarter.set_milestone(milestone, persistent="d" in given)
    return _OK


SUBCOMMANDS: dict[str, Callable[[_Call], int]] = {
    "enable": _enable,
    "disable": _disable,
    "restart": _restart,
    "refresh": _refresh,
    "clear": _clear,
    "mark": _mark,
    "milestone": _milestone,
}
"""What the lab emulates."""

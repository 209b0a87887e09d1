"""Loading rules into a table and taking them out, as ipnat and ipf do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from illumos_lab.ipfilter.filter_parser import FilterParser, Loopback, ParsedRule
from illumos_lab.ipfilter.filter_rules import FilterRule
from illumos_lab.ipfilter.parser import parse
from illumos_lab.ipfilter.reader import ParseError, Resolver, localhost_only
from illumos_lab.ipfilter.rules import Rule
from illumos_lab.ipfilter.translate import filter_obstacle, nat_obstacle
from illumos_lab.kernel import Count


@dataclass
class LoadResult:
    """What reading a file came to.

    Attributes:
        stdout: the rules, when they were to be shown.
        stderr: complaints.
        status: exit status; rules that the real kernel refuses do not count, syntax errors do, and so do
            rules that only the lab refuses.
    """

    stdout: str = ""
    stderr: str = ""
    status: int = 0

    def refuse(self, program: str, rule: str, obstacle: str) -> None:
        """A rule that cannot be made true must not look as if it were."""
        self.stderr += f"{program}: {rule}: {obstacle}: not emulated by illumos-lab\n"
        self.status = 1


def add(table: list[Rule], rule: Rule) -> str | None:
    """Append a rule; the system error when the kernel refuses it."""
    if (refusal := rule.refusal()) is not None:
        return refusal
    if any(other.key() == rule.key() for other in table):
        return "File exists"
    table.append(rule)
    return None


def remove(table: list[Rule], rule: Rule) -> str | None:
    """Take out the rule that is the same; the system error when there is none."""
    for place, other in enumerate(table):
        if other.key() == rule.key():
            del table[place]
            return None
    return "No such process"


def load_text(
    table: list[Rule] | None,
    text: str,
    *,
    delete: bool = False,
    show: Callable[[Rule], str] | None = None,
    resolve: Resolver = localhost_only,
) -> LoadResult:
    """Read rules and add them to a table, or remove them from it.

    Args:
        table: the table; None only reads (option -n).
        text: the file.
        delete: remove instead of adding.
        show: how to print each rule (option -v).
        resolve: finds the addresses of host names.
    """
    result = LoadResult()
    apply, what = (remove, "delete") if delete else (add, "add/insert")
    try:
        for parsed in parse(text, resolve):
            result.stderr += parsed.warning
            if show is not None:
                result.stdout += show(parsed.rule) + "\n"
            if table is None:
                continue
            if not delete and (obstacle := nat_obstacle(parsed.rule)):
                result.refuse("ipnat", parsed.rule.text(), obstacle)
                continue
            refusal = apply(table, parsed.rule)
            if refusal is not None:
                result.stderr += f"{parsed.line}:ioctl({what} nat rule): {refusal}\n"
    except ParseError as error:
        result.stderr += str(error)
        result.status = 1
    return result


def add_filter(rules: list[FilterRule], rule: FilterRule) -> str | None:
    """Add a filter rule at its position or the end; the system error when the kernel refuses it."""
    if rule.group and not any(
        (other.head, other.direction) == (rule.group, rule.direction) for other in rules
    ):
        return "No such process"
    if rule.source.table or rule.destination.table:
        # There is no ippool, so there are no pools.
        return "No such process"
    if any(other.key() == rule.key() for other in rules):
        return "File exists"
    if rule.position is None:
        rules.append(rule)
        return None
    same = [
        place
        for place, other in enumerate(rules)
        if (other.direction, other.version, other.table, other.group)
        == (rule.direction, rule.version, rule.table, rule.group)
    ]
    rules.insert(same[rule.position] if rule.position < len(same) else len(rules), rule)
    return None


def remove_filter(rules: list[FilterRule], rule: FilterRule) -> None:
    """Take out the filter rule that is the same. That there is none is not told."""
    for place, other in enumerate(rules):
        if other.key() == rule.key():
            del rules[place]
            return


@dataclass
class FilterLoad:
    """How ipf treats the rules of a file.

    Attributes:
        rules: the set to change.
        error: why the set cannot be changed: the system error; empty when it can.
        pretend: only read (option -n).
        delete: remove rules (-r).
        reset: resets the counter of a rule, and tells what it was (-z).
        verbose: show each rule (-v).
        resolve_ports: show ports by name (not -R).
    """

    rules: list[FilterRule]
    error: str = ""
    pretend: bool = False
    delete: bool = False
    reset: Callable[[FilterRule], Count] | None = None
    verbose: bool = False
    resolve_ports: bool = True

    def read(self, text: str, version: int, resolve: Resolver = localhost_only) -> LoadResult:
        """Read rules and treat them.

        Args:
            text: the file.
            version: 4 or 6.
            resolve: finds the addresses of host names.
        """
        result = LoadResult()
        parser = FilterParser(text, version, resolve)
        try:
            for parsed in parser.rules():
                result.stderr += parser.warnings
                parser.warnings = ""
                if isinstance(parsed, ParsedRule):
                    self._treat(parsed, result)
                elif isinstance(parsed, Loopback):
                    if parsed.on and not self.pretend:
                        result.refuse("ipf", "set intercept_loopback true", "packets within a zone")
                else:
                    result.stdout += parsed.text
            result.stderr += parser.warnings
        except ParseError as error:
            result.stderr += str(error)
            result.status = 1
        return result

    def _treat(self, parsed: ParsedRule, result: LoadResult) -> None:
        rule = parsed.rule
        shown = rule.text(self.resolve_ports) + "\n"
        if self.verbose:
            result.stdout += shown
        if self.reset is not None:
            known = next((other for other in self.rules if other.key() == rule.key()), None)
            if self.pretend:
                return
            if known is None or self.error:
                error = self.error or "No such process"
                result.stderr += f"{parsed.line}:ioctl(SIOCZRLST): {error}\n"
                return
            count = self.reset(known)
            result.stdout += f"hits {count.packets} bytes {count.bytes} {shown}"
        elif self.delete:
            if self.pretend:
                # Only where nothing is done anyway, the program tells that nothing was done.
                result.stderr += f"{parsed.line}:ioctl(delete rule): Bad file number\n"
            elif not self.error:
                remove_filter(self.rules, rule)
        elif not self.pretend:
            self._add(parsed, result)

    def _add(self, parsed: ParsedRule, result: LoadResult) -> None:
        if not self.error and (obstacle := filter_obstacle(parsed.rule)):
            result.refuse("ipf", parsed.rule.text(), obstacle)
            return
        error = self.error or add_filter(self.rules, parsed.rule)
        if error:
            result.stderr += f"{parsed.line}:ioctl(add/insert rule): {error}\n"

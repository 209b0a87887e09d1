"""One call of dladm: its options, its messages, and the way into an alternate root."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from illumos_lab import getopt, linkname
from illumos_lab.getopt import MissingValueError, UnknownOptionError
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.links import DladmError, Link, LinkTable, status
from illumos_lab.ofmt import Field, OfmtError, Output


class Fatal(Exception):
    """The command ends with exit status 1; the text is its message after the program's name."""


class UsageError(Exception):
    """The command ends with the full usage and exit status 1."""


class Options(getopt.Options):
    """Options and operands of one call of dladm or flowadm."""

    def operand(self) -> str | None:
        """The only operand, or None.

        Raises:
            UsageError: there are more.
        """
        if len(self.operands) > 1:
            raise UsageError
        return self.operands[0] if self.operands else None

    def required_operand(self) -> str:
        """The only operand.

        Raises:
            UsageError: there is none, or more than one.
        """
        operand = self.operand()
        if operand is None:
            raise UsageError
        return operand


LONG = {
    "temporary": "t",
    "root-dir": "R",
    "link": "l",
    "mac-address": "m",
    "vlan-id": "v",
    "vid": "v",
    "prop": "p",
    "persistent": "P",
    "parseable": "p",
    "parsable": "p",
    "output": "o",
    "force": "f",
    "slot": "n",
    "mac-prefix": "r",
    "vrid": "V",
    "af": "A",
    "statistics": "s",
    "interval": "i",
    "dev": "d",
    "peer": "p",
    "media": "m",
    "zone": "z",
    "mac": "m",
    "encap": "e",
    "search": "s",
    "vnetid": "v",
}
"""Long names of dladm's options; each subcommand has those whose letter it knows."""


@dataclass
class Call:
    """A subcommand of dladm as it was called.

    Attributes:
        host: the machine.
        run: the caller.
        subcommand: the word after ``dladm``.
        argv: what follows that.
        usage: the subcommand's synopsis.
    """

    host: Host
    run: Invocation
    subcommand: str
    argv: list[str]
    usage: str

    @property
    def links(self) -> LinkTable:
        """The datalinks of the host."""
        return self.host.links

    @property
    def forked(self) -> bool:
        """The distribution has OmniOS' additions to dladm."""
        return self.host.profile.show_vnic_has_zone

    def options(self, letters: str, *, once: str = "", long: Mapping[str, str] | None = None) -> Options:
        """Read the options; ``once`` lists those that may not be repeated.

        Raises:
            Fatal: unknown, repeated or incomplete options.
        """
        names = {name: key for name, key in (long or LONG).items() if key in letters}
        try:
            pairs, operands = getopt.getopt(self.argv, letters, names)
        except MissingValueError as error:
            raise Fatal(f"option '{error}' requires a value\nusage: {self.usage}") from error
        except UnknownOptionError as error:
            raise Fatal(f"unrecognized option '{error}'\nusage: {self.usage}") from error
        for letter in once:
            if sum(name == letter for name, _ in pairs) > 1:
                raise Fatal(f"the option -{letter} cannot be specified more than once")
        return Options(pairs, operands)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.run.err(f"{self.run.name}: warning: {text}\n")

    def output(
        self,
        columns: Sequence[Field],
        options: Options,
        *,
        parseable: str = "p",
        default: Sequence[str] | None = None,
        wrap: bool = False,
    ) -> Output:
        """Open the listing that the options ask for.

        Raises:
            Fatal: the fields asked for are not known, or must be named.
        """
        try:
            return Output(
                self.run,
                columns,
                options.get("o"),
                parseable=parseable in options,
                warn=self.warn,
                default=default,
                wrap=wrap,
            )
        except OfmtError as error:
            raise Fatal(str(error)) from error

    def not_emulated(self, what: str) -> NoReturn:
        """Refuse something that illumos has and the lab has not.

        Raises:
            Fatal: always.
        """
        raise Fatal(f"{what}: not emulated by the lab")

    # Links as this caller sees them --------------------------------------------------------------

    def visible(self) -> list[Link]:
        """The active links that the caller's zone sees: all, or in a zone those lent to it."""
        if self.run.zone == "global":
            return self.links.all()
        return [link for link in self.links.all() if link.zone == self.run.zone]

    def find(self, name: str, zone: str | None = None) -> Link | None:
        """A visible active link, or with ``zone`` one of that zone's."""
        link = next((link for link in self.visible() if link.name == name), None)
        return link if link and zone in (None, link.zone or "global") else None

    def records(self) -> list[Link]:
        """The persistent records that the caller's zone sees."""
        return self.links.all_records() if self.run.zone == "global" else []

    def find_record(self, name: str) -> Link | None:
        """A visible persistent record."""
        return self.links.get_record(name) if self.run.zone == "global" else None

    def over(self, link: Link) -> str:
        """The lower link's name, as far as the caller can resolve it."""
        if not link.over:
            return ""
        return link.over if self.run.zone == "global" else "?"

    # Changes -------------------------------------------------------------------------------------

    def require_privilege(self) -> None:
        """Changes need the privilege sys_dl_config, which only the global zone has.

        Raises:
            DladmError: ``permission denied``.
        """
        if not self.run.privileged or self.run.zone != "global":
            raise DladmError(status.DENIED)

    def checked_name(self, name: str) -> str:
        """A name that a new link may have.

        Raises:
            Fatal: too long or malformed.
        """
        if linkname.too_long(name):
            raise Fatal(f"link name too long '{name}'")
        if not linkname.valid(name):
            raise Fatal(f"invalid link name '{name}'")
        return name

    def deferred(self, options: Options) -> bool:
        """With ``-R`` nothing changes now: leave the command for the next boot of that root.

        Returns:
            Whether the call is done with that.

        Raises:
            Fatal: the root cannot be written.
        """
        root = options.get("R")
        if root is None:
            return False
        directory = self.host.path(self.run.zone, root)
        profile = directory / "var/svc/profile"
        conf = directory / "etc/dladm/datalink.conf"
        name = "upgrade_datalink" if conf.exists() else "upgrade"
        words = _without_root([self.subcommand, *self.argv])
        try:
            if not self.run.privileged or self.run.zone != "global":
                raise PermissionError(root)
            with (profile / name).open("a") as file:
                file.write(f"/sbin/{self.run.name} {shlex.join(words)} # added by {self.run.name}(8)\n")
        except OSError as error:
            raise Fatal(f"operation not supported on {root}") from error
        return True


def _without_root(words: list[str]) -> list[str]:
    kept = []
    rest = iter(words)
    for word in rest:
        if word in ("-R", "--root-dir"):
            next(rest, None)
        elif not word.startswith(("-R", "--root-dir=")):
            kept.append(word)
    return kept


def parse_vid(text: str) -> int:
    """A VLAN identifier.

    Raises:
        Fatal: no number from 1 to 4094.
    """
    if not text.isdigit() or not 1 <= int(text) <= 4094:
        raise Fatal(f"invalid VLAN identifier '{text}'")
    return int(text)

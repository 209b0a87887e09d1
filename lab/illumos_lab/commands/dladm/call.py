"""One call of dladm: its options, its messages, and the way into an alternate root."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from illumos_lab import getopt, linkname
from illumos_lab.links import DladmError, Link, LinkTable, properties, status
from illumos_lab.links.properties import Values
from illumos_lab.subcommand import Fatal, SubcommandCall


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
class Call(SubcommandCall):
    """A subcommand of dladm or flowadm as it was called.

    Attributes:
        afterwards: what is to be done when the host's lock is free again.
    """

    afterwards: list[Callable[[], None]] = field(default_factory=list)

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
        read = self.read_options(letters, long or LONG)
        for letter in once:
            if len(read.all(letter)) > 1:
                raise Fatal(f"the option -{letter} cannot be specified more than once")
        return Options(read.pairs, read.operands)

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

    @contextmanager
    def failing_as(self, what: str) -> Iterator[None]:
        """Work that ends the command, when it fails, with ``what: STATUS``.

        Raises:
            Fatal: it fails.
        """
        try:
            yield
        except DladmError as error:
            raise Fatal(f"{what}: {error.status}") from error

    def set_property(self, name: str, key: str, values: Values, temporary: bool) -> None:
        """Set a property of a link that has just been made.

        Raises:
            DladmError: there is no such property, or it does not take the value.
        """
        prop = properties.BY_NAME.get(key)
        if prop is None:
            raise DladmError(status.NOT_FOUND)
        self.links.set_property(name, prop, values, temporary=temporary)

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

"""One call of ipadm: its options, its messages, and the stack that it speaks to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from illumos_lab.getopt import Options
from illumos_lab.ip import IpadmError, IpStack, status
from illumos_lab.ip.model import DHCP, LOOPBACK, Address
from illumos_lab.subcommand import Fatal, SubcommandCall

LONG = {
    "temporary": "t",
    "type": "T",
    "address": "a",
    "down": "d",
    "interface-id": "i",
    "interface": "i",
    "prop": "p",
    "wait": "w",
    "primary": "1",
    "reqhost": "h",
    "release": "r",
    "module": "m",
    "parsable": "p",
    "parseable": "p",
    "output": "o",
    "inform": "i",
}
"""Long names of ipadm's options; each subcommand has those whose letter it knows."""


@dataclass
class Call(SubcommandCall):
    """A subcommand of ipadm as it was called.

    Attributes:
        await_lease: a DHCP address that the caller waits for, and for how many seconds.
    """

    await_lease: tuple[Address, float] | None = None

    @property
    def shared(self) -> bool:
        """The caller's zone uses the stack of the global zone."""
        return self.run.zone not in self.host.stacks

    @property
    def stack(self) -> IpStack:
        """The stack that the caller's zone uses."""
        return self.host.stacks["global" if self.shared else self.run.zone]

    def die(self, text: str) -> None:
        """Print a fatal message: its newline goes to standard output, as ipadm has it."""
        self.run.err(f"{self.run.name}: {text}")
        self.run.out("\n")

    def usage(self) -> NoReturn:
        """The operands are wrong.

        Raises:
            Fatal: always.
        """
        raise Fatal(f"Usage: {self.usage_text}")

    @property
    def usage_text(self) -> str:
        """The synopsis as usage errors end with it: tabulators set the subcommand off."""
        lines = (line.strip().replace(" ", "\t", 1) for line in self.synopsis.splitlines())
        return "\n".join(f"\t{line}" for line in lines)

    def options(self, letters: str) -> Options:
        """Read the options.

        Raises:
            Fatal: unknown or incomplete options.
        """
        return self.read_options(letters, LONG)

    def operand(self, options: Options) -> str:
        """The only operand.

        Raises:
            Fatal: there is none, or more than one.
        """
        if len(options.operands) != 1:
            self.usage()
        return options.operands[0]

    def require_authorization(self) -> None:
        """Changes need solaris.network.interface.config, and a stack of one's own.

        Raises:
            IpadmError: the caller lacks one of these.
        """
        if not self.run.privileged:
            raise IpadmError(status.NO_AUTHORIZATION)
        if self.shared:
            raise IpadmError(status.DENIED)

    def visible(self) -> list[Address]:
        """The active address objects that the caller's zone sees, IPv4 before IPv6."""
        # A logical interface of ifconfig without an address is no address object.
        addresses = [each for each in self.stack.addresses if each.kind == DHCP or each.address is not None]
        if self.shared:
            addresses = [
                address
                for address in addresses
                if address.zone == self.run.zone or address.interface == LOOPBACK
            ]
        order = {name: number for number, name in enumerate(self.stack.interfaces)}
        return sorted(
            addresses,
            key=lambda address: (not address.is_v4, order[address.interface], address.lif),
        )

    def visible_interfaces(self) -> list[str]:
        """The active interfaces that the caller's zone sees."""
        if not self.shared:
            return list(self.stack.interfaces)
        seen = {address.interface for address in self.visible()}
        return [name for name in self.stack.interfaces if name in seen]

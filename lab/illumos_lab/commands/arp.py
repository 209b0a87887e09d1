"""arp(8): the hardware addresses of IPv4 neighbours."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from illumos_lab.commands import netstat
from illumos_lab.deferred import deferred_output
from illumos_lab.getopt import MissingValueError, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ip import IpStack, parse
from illumos_lab.kernel import Neighbour
from illumos_lab.linkname import parse_mac

_USAGE = """\
Usage: arp hostname
       arp -a [-n]
       arp -d hostname
       arp -s hostname ether_addr [temp] [pub] [trail] [permanent]
       arp -f filename
"""


class _Failed(Exception):
    """The command ends with exit status 1; the text is what it prints to standard error."""


def main(host: Host, run: Invocation) -> int:
    """Show, delete or set entries; exit status 0 or 1."""
    try:
        pairs, operands = getopt(run.argv, "andsf", permute=False)
    except (UnknownOptionError, MissingValueError):
        pairs, operands = [("?", "")], []
    letters = {letter for letter, _ in pairs}
    modes = letters - {"n"}
    if modes == {"a"} and not operands:
        return netstat.main(host, replace(run, argv=["-np" if "n" in letters else "-p", "-f", "inet"]))
    with deferred_output(run) as later, host.lock:
        table = _Table(host, later)
        try:
            if modes == {"s"} and len(operands) >= 2:
                table.put(operands)
            elif modes == {"f"} and len(operands) == 1:
                return table.put_all(operands[0])
            elif modes == {"d"} and len(operands) == 1:
                table.delete(operands[0])
            elif not letters and len(operands) == 1:
                table.show(operands[0])
            else:
                later.out(_USAGE)
                return 1
        except _Failed as error:
            later.err(f"{error}\n" if str(error) else "")
            return 1
    return 0


class _Table:
    """The ARP table of the caller's stack."""

    def __init__(self, host: Host, run: Invocation) -> None:
        self._host = host
        self._run = run
        self._shared = run.zone not in host.stacks
        self._stack: IpStack = host.stacks["global" if self._shared else run.zone]

    def _address(self, text: str) -> IPv4Address:
        found = parse.resolve(self._host.zone_root(self._run.zone), text)
        if not isinstance(found, IPv4Address):
            raise _Failed(f"arp: {text}: unknown host")
        return found

    def _find(self, address: IPv4Address) -> Neighbour | None:
        known = self._host.kernel.neighbours(self._stack.zone)
        return next((each for each in known if each.address == address), None)

    def _may_change(self, what: str) -> None:
        if not self._run.privileged or self._shared:
            raise _Failed(f"{what}: Not owner")

    def show(self, text: str) -> None:
        """Print one entry."""
        address = self._address(text)
        label = f"{text} ({address})"
        for connected in self._stack.connected():
            link = self._stack.link(connected.interface)
            if connected.address.ip == address and link is not None:
                self._run.out(f"{label} at {link.mac} pub permanent\n")
                return
        found = self._find(address)
        if found is None:
            self._run.out(f"{label} -- no entry\n")
            raise _Failed
        where = parse_mac(found.mac) or "(incomplete)"
        self._run.out(f"{label} at {where}{'' if found.static else ' temp'}\n")

    def delete(self, text: str) -> None:
        """Remove one entry."""
        address = self._address(text)
        self._may_change("SIOCDXARP")
        found = self._find(address)
        if found is None:
            self._run.out(f"{text} ({address}) -- no entry\n")
            raise _Failed
        self._host.kernel.forget_neighbour(self._stack.zone, found.link, address)
        self._run.out(f"{text} ({address}) deleted\n")

    def put(self, words: list[str]) -> None:
        """Set one entry: ``HOST MAC [KEYWORD...]``."""
        text, mac, *keywords = words
        address = self._address(text)
        padded = parse_mac(mac)
        if padded is None:
            raise _Failed(f"arp: invalid link layer address '{mac}'")
        for keyword in keywords:
            if not keyword.startswith(("temp", "pub", "trail")) and keyword != "permanent":
                raise _Failed(f"arp: unknown keyword '{keyword}'")
        temporary = any(keyword.startswith("temp") for keyword in keywords)
        if temporary and "permanent" in keywords:
            raise _Failed("arp: 'temp' and 'permanent' flags are not usable together.")
        if any(keyword.startswith("pub") for keyword in keywords):
            raise _Failed("arp: pub: not emulated by the lab")
        self._may_change(text)
        link = next((each.interface for each in self._stack.connected() if address in each.network), None)
        if link is None or self._stack.link(link) is None:
            raise _Failed(f"{text}: No such device or address")
        self._host.kernel.put_neighbour(self._stack.zone, link, address, padded, static=not temporary)

    def put_all(self, name: str) -> int:
        """Set the entries of a file, one a line; exit status 1 when one could not be set."""
        path = self._host.path(self._run.zone, f"{self._run.cwd}/{name}" if name[:1] != "/" else name)
        try:
            lines = path.read_text().splitlines()
        except OSError as error:
            raise _Failed(f"arp: cannot open {name}") from error
        status = 0
        for line in lines:
            words = line.split()
            try:
                if len(words) < 2:
                    raise _Failed(f"arp: bad line: {line}\n")
                self.put(words[:5])
            except _Failed as error:
                self._run.err(f"{error}\n")
                status = 1
        return status

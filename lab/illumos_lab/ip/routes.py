"""The routing table of an IP stack, and /etc/inet/static_routes."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from illumos_lab.ip.model import Route
from illumos_lab.kernel import Interface, Network

if TYPE_CHECKING:
    from illumos_lab.kernel import Kernel

# illumos' numbers where they differ from the machine's underneath.
EPERM, ESRCH, ENXIO, EEXIST, EINVAL = 1, 3, 6, 17, 22
ENETUNREACH, EHOSTUNREACH = 128, 148
_ILLUMOS_ERRNO = {errno.ENETUNREACH: ENETUNREACH, errno.EHOSTUNREACH: EHOSTUNREACH}


class RouteError(OSError):
    """The routing table refused a change; ``errno`` is illumos' error number."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "route")


@dataclass(frozen=True)
class Connected:
    """A network that an interface has an address on.

    Attributes:
        address: the interface's own.
        interface: its name.
        peer: all that is there beside it, on a point-to-point link; empty elsewhere.
    """

    address: Interface
    interface: str
    peer: str = ""

    @property
    def network(self) -> Network:
        """The network itself."""
        return ip_network(self.peer) if self.peer else self.address.network


class RouteTable:
    """Routes that were added to one stack; connected networks follow from its addresses.

    A route whose gateway goes out of reach is set aside and comes back with the address that reached
    it; removing the interface removes it.

    Args:
        kernel: the machine underneath.
        zone: whose stack it is.
        connected: tells the networks that the stack is on now.
        carrier: tells the link through which an interface sends now.
    """

    def __init__(
        self,
        kernel: Kernel,
        zone: str,
        connected: Callable[[], list[Connected]],
        carrier: Callable[[str], str] = str,
    ) -> None:
        self._kernel = kernel
        self._zone = zone
        self._connected = connected
        self._carrier = carrier
        self._routes: list[Route] = []

    def all(self) -> list[Route]:
        """The routes that work now, oldest first."""
        return [route for route in self._routes if route.interface]

    def find(self, destination: Network, gateway: str, ifp: str | None) -> Route | None:
        """The route with that destination and gateway (and ``-ifp``, when given)."""
        return next(
            (
                route
                for route in self.all()
                if route.destination == destination
                and route.gateway == gateway
                and ifp in (None, route.ifp, route.interface)
            ),
            None,
        )

    def add(self, destination: Network, gateway: str, ifp: str | None = None, discard: str = "") -> None:
        """Add a route.

        Raises:
            RouteError: EEXIST, ENETUNREACH when the gateway is on no connected network, or what
                the machine says.
        """
        if self.find(destination, gateway, ifp):
            raise RouteError(EEXIST)
        route = Route(destination, gateway, ifp, discard=discard)
        if not self._realise(route):
            raise RouteError(ENETUNREACH)
        self._routes = [other for other in self._routes if other != route]
        self._routes.append(route)

    def delete(self, destination: Network, gateway: str, ifp: str | None = None) -> None:
        """Remove a route.

        Raises:
            RouteError: ESRCH when there is none, or what the machine says.
        """
        route = self.find(destination, gateway, ifp)
        if route is None:
            raise RouteError(ESRCH)
        with _illumos_errno():
            self._withdraw(route)
        self._routes.remove(route)

    def follow_addresses(self) -> None:
        """After addresses came or went: set routes aside, or bring them back."""
        for route in self._routes:
            reachable = self._interface_towards(route) is not None
            if route.interface and not reachable:
                # Whether the machine has dropped it with the address by itself does not matter.
                with contextlib.suppress(OSError):
                    self._withdraw(route)
                route.interface = ""
            elif not route.interface and reachable:
                with contextlib.suppress(RouteError):
                    self._realise(route)

    def forget_interface(self, name: str) -> None:
        """An interface is about to be removed: its routes go with it."""
        for route in [route for route in self._routes if name in (route.interface, route.ifp)]:
            if route.interface:
                with contextlib.suppress(OSError):
                    self._withdraw(route)
            self._routes.remove(route)

    def forget(self) -> None:
        """The stack is gone."""
        self._routes.clear()

    def _realise(self, route: Route) -> bool:
        interface = self._interface_towards(route)
        if interface is None:
            return False
        with _illumos_errno():
            route.link = self._carrier(route.ifp) if route.ifp else None
            self._kernel.add_route(self._zone, route.destination, route.gateway, route.link, route.discard)
        route.interface = interface
        return True

    def _withdraw(self, route: Route) -> None:
        self._kernel.delete_route(self._zone, route.destination, route.gateway, route.link, route.discard)

    def _interface_towards(self, route: Route) -> str | None:
        gateway = ip_address(route.gateway)
        for network in self._connected():
            if route.ifp not in (None, network.interface):
                continue
            if gateway == network.address.ip or gateway in network.network:
                return network.interface
        return None


@contextlib.contextmanager
def _illumos_errno() -> Iterator[None]:
    """Turn a refusal of the machine underneath into illumos' error number."""
    try:
        yield
    except OSError as error:
        number = error.errno or EINVAL
        raise RouteError(_ILLUMOS_ERRNO.get(number, number)) from error

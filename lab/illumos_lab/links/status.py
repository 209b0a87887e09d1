"""Results of link and flow operations, in the words of libdladm."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

INVALID_ARGUMENT = "invalid argument"
FAILED = "operation failed"
NOT_SUPPORTED = "operation not supported"
NOT_FOUND = "object not found"
INVALID_VALUE = "invalid value"
EXISTS = "object already exists"
READ_ONLY = "read-only property"
VALUE_COUNT = "invalid number of values"
DENIED = "permission denied"
IO_ERROR = "I/O error"
NOT_PERSISTENT = "change cannot be persistent"
NOT_TEMPORARY = "change must be persistent"
INVALID_LINK = "invalid link"
INVALID_KEY = "invalid key"
INVALID_MAC = "invalid MAC address"
BUSY = "link busy"
INVALID_VID = "invalid VLAN identifier"
TRY_AGAIN = "try again later"
MAC_IN_USE = "MAC address is already in use"
NO_FACTORY_MAC = "factory MAC address slots not supported"
INVALID_MAC_PREFIX = "Invalid MAC address prefix value"
INVALID_MAC_PREFIX_LENGTH = "Invalid MAC address prefix length"
TOO_MANY = "too many elements specified"
SAME_FLOW = "a flow with identical attributes exists"
INCOMPATIBLE_FLOW = "flow(s) with incompatible attributes exists"
HAS_FLOWS = "link still has flows"
PERSISTENT_FLOW_EXISTS = "persistent flow with the same name exists"
INVALID_IP = "invalid IP address"
INVALID_PREFIX_LENGTH = "invalid IP prefix length"
INVALID_PROTOCOL = "invalid IP protocol"
INVALID_PORT = "invalid port number"
INVALID_DSFIELD = "invalid dsfield"
INVALID_DSFIELD_MASK = "invalid dsfield mask"
MTU_CHECK = "MTU check failed, use lower MTU or -f option"
INVALID_PROPERTY = "invalid property"
MAXBW_TOO_SMALL = "minimum value for maxbw is 1200K"
POOL_AND_CPUS = "pool and cpus property are mutually exclusive"
PORT_NEEDS_TRANSPORT = "local or remote port requires transport"
MTU_RANGE = "MTU check failed, MTU outside of device's supported range"
TUNNEL_TYPE_REQUIRED = "IP tunnel type required"
INVALID_TUNNEL_LOCAL = "invalid local IP tunnel address"
INVALID_TUNNEL_REMOTE = "invalid remote IP tunnel address"
ADDRESS_IN_USE = "address already in use"
OPTION_MISSING = "optional software not installed"
NOT_AVAILABLE = "can't assign requested address"
UNKNOWN = "<unknown error>"
OVER_TEMPORARY = "can't create persistent object on top of temporary object"

_BY_ERRNO = {
    errno.EINVAL: INVALID_ARGUMENT,
    errno.ENOENT: NOT_FOUND,
    errno.ENODEV: NOT_FOUND,
    errno.EEXIST: EXISTS,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EBUSY: BUSY,
    errno.ENOTSUP: NOT_SUPPORTED,
    errno.EAGAIN: TRY_AGAIN,
    errno.EIO: IO_ERROR,
    errno.ENOSPC: "buffer size too small",
}


class DladmError(Exception):
    """A link or flow operation failed.

    Attributes:
        status: one of this module's texts.
    """

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


def from_oserror(error: OSError) -> DladmError:
    """The status for a refusal of the machine underneath."""
    return DladmError(_BY_ERRNO.get(error.errno or 0, FAILED))


@contextmanager
def machine() -> Iterator[None]:
    """Turn a refusal of the machine underneath into a status."""
    try:
        yield
    except OSError as error:
        raise from_oserror(error) from error

"""Results of IP interface and address operations, in the words of libipadm."""

from __future__ import annotations

import errno

FAILED = "Operation failed"
NO_AUTHORIZATION = "Insufficient user authorizations"
DENIED = "Permission denied"
INVALID_ADDRESS = "Invalid address"
WRONG_FAMILY = "Incorrect protocol family for operation"
EXISTS = "Already exists"
IF_EXISTS = "Interface already exists"
ADDROBJ_EXISTS = "Address object already exists"
ADDRCONF_EXISTS = "Addrconf already in progress"
DUPLICATE = "Duplicate address detected"
GROUP_NOT_EMPTY = "IPMP group is not empty"
NO_IF = "Interface does not exist"
INVALID_ARGUMENT = "Invalid argument provided"
INVALID_NAME = "Invalid name"
NO_DLPI = "Could not open DLPI link"
UNKNOWN_PROPERTY = "Unknown property"
OUT_OF_RANGE = "Value is outside the allowed range"
NO_VALUE = "Value does not exist"
NO_OBJECT = "Object not found"
IF_IN_USE = "Interface already in use"
ADDR_IN_USE = "Address already in use"
AMBIGUOUS_HOST = "Hostname maps to multiple IP addresses"
NOT_AVAILABLE = "Can't assign requested address"
TEMPORARY_OBJECT = "Persistent operation on temporary object"
NOT_SUPPORTED = "Operation not supported"
DISABLED_OBJECT = "Operation not supported on disabled object"
FROM_GZ = "Operation not permitted on from-gz interface"

_BY_ERRNO = {
    errno.EEXIST: ADDR_IN_USE,
    errno.EADDRINUSE: ADDR_IN_USE,
    errno.EADDRNOTAVAIL: NOT_AVAILABLE,
    errno.ENOENT: NO_DLPI,
    errno.ENODEV: NO_DLPI,
    errno.EPERM: DENIED,
    errno.EACCES: DENIED,
    errno.EINVAL: INVALID_ARGUMENT,
    errno.ENOTSUP: NOT_SUPPORTED,
}


class IpadmError(Exception):
    """An operation on an IP interface or address failed.

    Attributes:
        status: one of this module's texts.
    """

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


def from_oserror(error: OSError) -> IpadmError:
    """The status for a refusal of the machine underneath."""
    return IpadmError(_BY_ERRNO.get(error.errno or 0, FAILED))

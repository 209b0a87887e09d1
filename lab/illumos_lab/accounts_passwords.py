"""Passwords as crypt(3C) keeps them in /etc/shadow."""

from __future__ import annotations

import ctypes
import secrets
import string
from pathlib import Path

_SALT = string.ascii_letters + string.digits + "./"
# illumos' default algorithm, CRYPT_DEFAULT in /etc/security/policy.conf.
_METHOD = "$5$"


def shadowed(root: Path, name: str) -> str | None:
    """The second field of a user's line in the /etc/shadow below a root; None when there is no line."""
    try:
        lines = (root / "etc/shadow").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    return next((line.split(":")[1] for line in lines if line.startswith(f"{name}:")), None)


def matches(password: str, encrypted: str) -> bool:
    """Whether a password is the one that was encrypted; locked accounts and ``NP`` have none."""
    return _crypt(password, encrypted) == encrypted


def encrypt(password: str) -> str:
    """Encrypt a new password, with a random salt."""
    salt = "".join(secrets.choice(_SALT) for _ in range(8))
    return _crypt(password, f"{_METHOD}{salt}")


def _crypt(password: str, setting: str) -> str:
    # Its result is overwritten by the next call, so the interpreter's lock must be held.
    library = ctypes.PyDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    data = library.crypt(password.encode("utf-8", "surrogateescape"), setting.encode())
    return data.decode() if data is not None else "*"

"""Images of small CDs: some files in one directory, as ECMA-119 (ISO 9660) with the Joliet names says."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping

_SECTOR = 2048
_PRIMARY, _JOLIET, _END = 16, 17, 18
_PATH_TABLES = 19
_DIRECTORIES = {_PRIMARY: 23, _JOLIET: 24}
_FIRST_FILE = 25
_ESCAPE = b"%/E"
_EPOCH = bytes((70, 1, 1, 0, 0, 0, 0))
_IS_DIRECTORY = 2


def build(label: str, files: Mapping[str, bytes]) -> bytes:
    """The image of a CD with some files in its root directory.

    Args:
        label: volume identifier, in upper case.
        files: contents by name; as many as fit into a directory of one sector.
    """
    extents = {}
    body = b""
    for name, content in files.items():
        extents[name] = (_FIRST_FILE + len(body) // _SECTOR, len(content))
        body += _padded(content)
    sectors = _FIRST_FILE + len(body) // _SECTOR
    encodings: dict[int, Callable[[str], bytes]] = {_PRIMARY: _plain_name, _JOLIET: _joliet_name}
    descriptors = b"".join(_descriptor(kind, label, sectors) for kind in encodings)
    tables = b"".join(
        _padded(struct.pack(f"{order}BBIHxx", 1, 0, _DIRECTORIES[kind], 1))
        for kind in encodings
        for order in "<>"
    )
    directories = b"".join(_directory(kind, encode, extents) for kind, encode in encodings.items())
    end = _padded(b"\xffCD001\x01")
    return bytes(_PRIMARY * _SECTOR) + descriptors + end + tables + directories + body


def read(image: bytes) -> tuple[str, dict[str, bytes]]:
    """The label and the files of an image with Joliet names; those in its root directory.

    Raises:
        ValueError: it is no such image.
    """
    descriptor = image[_JOLIET * _SECTOR : _END * _SECTOR]
    if descriptor[:6] != b"\x02CD001":
        raise ValueError("no image of a CD with Joliet names")
    extent, size = struct.unpack_from("<I4xI", descriptor, 156 + 2)
    directory = image[extent * _SECTOR : extent * _SECTOR + size]
    files = {}
    at = 0
    while at < len(directory) and directory[at]:
        start, length = struct.unpack_from("<I4xI", directory, at + 2)
        name = directory[at + 33 : at + 33 + directory[at + 32]]
        if not directory[at + 25] & _IS_DIRECTORY:
            files[name.decode("utf-16-be")] = image[start * _SECTOR : start * _SECTOR + length]
        at += directory[at]
    return image[_PRIMARY * _SECTOR + 40 :][:32].decode().strip(), files


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _SECTOR)


def _both(form: str, number: int) -> bytes:
    """A number in both byte orders."""
    return struct.pack(f"<{form}", number) + struct.pack(f">{form}", number)


def _plain_name(name: str) -> bytes:
    stem, _, suffix = name.upper().partition(".")
    clean = [re.sub(r"[^A-Z0-9_]", "_", part) for part in (stem[:8], suffix[:3])]
    return f"{clean[0]}.{clean[1]};1".encode()


def _joliet_name(name: str) -> bytes:
    return name.encode("utf-16-be")


def _record(extent: int, size: int, name: bytes, flags: int = 0) -> bytes:
    """A directory record, of an even length."""
    padding = bytes(len(name) % 2 == 0)
    length = 33 + len(name) + len(padding)
    head = bytes((length, 0)) + _both("I", extent) + _both("I", size) + _EPOCH
    return head + bytes((flags, 0, 0)) + _both("H", 1) + bytes((len(name),)) + name + padding


def _directory(kind: int, encode: Callable[[str], bytes], extents: Mapping[str, tuple[int, int]]) -> bytes:
    here = _DIRECTORIES[kind]
    own = b"".join(_record(here, _SECTOR, name, _IS_DIRECTORY) for name in (b"\0", b"\1"))
    files = sorted((encode(name), extent) for name, extent in extents.items())
    return _padded(own + b"".join(_record(*extent, name) for name, extent in files))


def _descriptor(kind: int, label: str, sectors: int) -> bytes:
    """A volume descriptor; its path tables and its directory are at places of their own."""
    joliet = kind == _JOLIET

    def text(value: str, width: int) -> bytes:
        if joliet:
            return value.ljust(width // 2).encode("utf-16-be").ljust(width, b"\0")
        return value.encode().ljust(width)

    table = _PATH_TABLES + (2 if joliet else 0)
    data = bytes((2 if joliet else 1,)) + b"CD001\x01\0"
    data += text("", 32) + text(label, 32) + bytes(8) + _both("I", sectors)
    data += (_ESCAPE if joliet else b"").ljust(32, b"\0")
    data += _both("H", 1) + _both("H", 1) + _both("H", _SECTOR) + _both("I", 10)
    data += struct.pack("<II", table, 0) + struct.pack(">II", table + 1, 0)
    data += _record(_DIRECTORIES[kind], _SECTOR, b"\0", _IS_DIRECTORY)
    data += b"".join(text("", width) for width in (128, 128, 128, 128, 37, 37, 37))
    data += (b"0" * 16 + b"\0") * 4 + b"\x01"
    return _padded(data)

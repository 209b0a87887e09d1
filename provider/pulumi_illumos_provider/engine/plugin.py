"""The plugin's entry point: serve the provider on loopback and print the port on standard output.

The engine takes the first line of standard output for the port, so nothing else may be written there:
the descriptor is put aside before anything else is imported, and standard output leads to standard error.
Nothing of this package or of others is imported at the top of this module.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the engine or a signal ends it.

    Args:
        arguments: the engine's address, if it has one, and flags of the engine's, which are ignored;
            ``--port-fd N`` prints the port on another descriptor. Started by hand without an address,
            the provider waits for an engine to attach (``PULUMI_DEBUG_PROVIDERS=illumos:PORT``).

    Returns:
        The exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    port_file = _reserve_standard_output(given)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # its notes on closed connections tell nobody anything
    try:
        from pulumi_illumos_provider.engine.serving import serve
    except ImportError as error:
        print(f"pulumi-resource-illumos: {_missing(error)}", file=sys.stderr)
        return 1
    import asyncio

    return asyncio.run(serve(_engine_address(given), port_file))


def _reserve_standard_output(arguments: list[str]) -> TextIO:
    """Keep standard output for the port; whatever else is printed goes to standard error.

    What start-up files have printed by now is still in the buffer, and goes there too.
    """
    given = "--port-fd" in arguments
    descriptor = int(arguments[arguments.index("--port-fd") + 1]) if given else os.dup(1)
    os.dup2(2, 1)
    sys.stdout.flush()
    return os.fdopen(descriptor, "w", encoding="ascii")


def _engine_address(arguments: Sequence[str]) -> str:
    """The one argument that is not a flag."""
    plain = [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if not argument.startswith("-") and before != "--port-fd"
    ]
    return plain[-1] if plain else ""


def _missing(error: ImportError) -> str:
    missing = isinstance(error, ModuleNotFoundError) and error.name
    what = f"the Python package {error.name!r} is missing" if missing else str(error)
    return f"{what} ({sys.prefix}): install it again with: pip install --upgrade pulumi-illumos"


if __name__ == "__main__":
    sys.exit(main())

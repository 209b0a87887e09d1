"""Whether something is gone: decided by listing what exists, never by the wording of a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from pulumi_illumos_provider.plan import Command, sh


def not_listed(listing: Sequence[str], name: str) -> Command:
    """Succeeds when no line of a listing is the name. A listing that fails is no answer.

    Args:
        listing: a command of plain words that prints one name a line.
    """
    return sh(
        f'all=$({" ".join(listing)}) || exit 1; ! printf "%s\\n" "$all" | grep -F -x -e "$1" >/dev/null',
        name,
    )

"""Volumes (zvols) that are filled with a disk image: once, and wholly or not at all."""

from __future__ import annotations

from pulumi_illumos_provider.illumos.machines import RAW_DISKS
from pulumi_illumos_provider.illumos.zfs import ZFS
from pulumi_illumos_provider.plan import Command, sh

FILLED = "pulumi-illumos:filled"
"""User property of a volume to which its image was written wholly."""


def fill(volume: str, image: str) -> Command:
    """Write a raw image to a volume, then mark the volume."""
    return sh(
        f'/usr/bin/dd if="$2" of="{RAW_DISKS}$1" bs=1048576 conv=sync && {ZFS} set {FILLED}=yes "$1"',
        volume,
        image,
    )


def is_filled(volume: str) -> Command:
    """Succeeds when the volume has its image."""
    return sh(f'[ "$({ZFS} get -H -o value {FILLED} "$1" 2>/dev/null)" = yes ]', volume)

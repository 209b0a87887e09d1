"""What a zone has of the host's file systems, datasets and devices."""

from __future__ import annotations

from pulumi_illumos_provider.model.base import Faults, Properties


class StorageInputs(Properties):
    """File systems, datasets and devices of a zone."""

    def examine_storage(self, faults: Faults, known: bool) -> None:
        """Rules across these properties."""


class StorageState(Properties):
    """File systems, datasets and devices as the host has them."""

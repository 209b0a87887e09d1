"""Pulumi provider for zone networks on illumos hosts."""

__version__ = "0.1.0"

"""Typed inputs and outputs of every resource: the one source of truth for schema, checks and diffs."""

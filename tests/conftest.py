"""What all tests have in common: examples that are the same in every run."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

import illumos_lab
import pulumi_illumos_provider

# How fast a machine is, and what else it does, says nothing about the code.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "repeatable", settings.get_profile("random"), derandomize=True, database=None, print_blob=True
)
# `make test-random` takes the other one.
settings.load_profile("repeatable")


PROGRAMS = ("illumos_lab.stub",)
"""Modules that run, and end the process, when they are imported."""


@cache
def load_all_modules() -> None:
    for package in (illumos_lab, pulumi_illumos_provider):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name not in PROGRAMS:
                importlib.import_module(module.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Hypothesis also tries constants of the modules that are loaded; those of tests before would differ.
    if item.get_closest_marker("hypothesis"):
        load_all_modules()

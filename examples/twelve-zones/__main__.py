"""Twelve zones on one virtual switch: clones of one zone, which takes seconds and hardly any space."""

import pulumi

import pulumi_illumos as illumos

lan = illumos.Etherstub("lan", name="lan0")

# Installed once and never booted: the others are cloned from it.
template = illumos.Zone("template", name="template", nics=[], state="halted", autoboot=False)

for number in range(1, 13):
    illumos.Zone(
        f"node{number}",
        name=f"node{number}",
        nics=[{"etherstub": lan.name, "address": f"10.10.0.{number}/24"}],
        install={"clone": "template"},
        opts=pulumi.ResourceOptions(depends_on=[template]),
    )

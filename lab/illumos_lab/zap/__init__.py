"""What Tribblix' zap does with zones: links, configuration, installation, and the records that it keeps.

The real commands are scripts over dladm, ipadm, zonecfg, zoneadm and svcadm. So are these: every such step
is a program run in the global zone, seen in the journal and open to faults.
"""

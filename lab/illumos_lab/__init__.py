"""An emulated illumos host, reached over real SSH, for trying and testing infrastructure code.

The lab emulates the commands of an illumos global zone (their syntax, output, messages, exit status and
state rules) and realises the result with Linux namespaces, so that packets really flow.
"""

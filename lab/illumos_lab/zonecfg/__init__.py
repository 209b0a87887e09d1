"""zonecfg(8): the configuration of zones, its language and its files.

`lexer` and `grammar` turn text into commands; `session`, `editing`, `scope` and `subcommands` carry them
out on the `model`; `verify` checks it, `output` prints it; `store`, `xmlfile` and `index` keep it below
/etc/zones.
"""

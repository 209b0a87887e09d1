"""Usage and help texts of zonecfg(8), and its fixed error texts."""

from __future__ import annotations

COMMANDS = (
    "add",
    "cancel",
    "clear",
    "commit",
    "create",
    "delete",
    "end",
    "exit",
    "export",
    "help",
    "info",
    "remove",
    "revert",
    "select",
    "set",
    "verify",
)
"""Every subcommand, in the order of the help text."""

SHORT = {
    "add": """\
add <resource-type>
\t(global scope)
add <property-name> <property-value>
\t(resource scope)
""",
    "cancel": """\
cancel
""",
    "clear": """\
clear <property-name>
""",
    "commit": """\
commit
""",
    "create": """\
create [-F] [ -a <path> | -b | -t <template> ]
""",
    "delete": """\
delete [-F]
""",
    "end": """\
end
""",
    "exit": """\
exit [-F]
""",
    "export": """\
export [-f output-file]
""",
    "help": """\
help [commands] [syntax] [usage] [<command-name>]
""",
    "info": """\
info [<resource-type> [property-name=property-value]*]
""",
    "remove": """\
remove [-F] <resource-type> [ <property-name>=<property-value> ]*
\t(global scope)
remove <property-name> <property-value>
\t(resource scope)
""",
    "revert": """\
revert [-F]
""",
    "select": """\
select <resource-type> { <property-name>=<property-value> }
""",
    "set": """\
set <property-name>=<property-value>
""",
    "verify": """\
verify
""",
}
"""Synopsis of each subcommand."""

DESCRIPTION = {
    "add": """\
\tAdd specified resource to configuration.
""",
    "cancel": """\
\tCancels resource/property specification.
""",
    "clear": """\
\tClears property values.
""",
    "commit": """\
\tCommits current configuration.  Configuration must be committed to
\tbe used by zoneadm.  Until the configuration is committed, changes\x20
\tcan be removed with the revert command.  This operation is
\tattempted automatically upon completion of a zonecfg session.
""",
    "create": """\
\tCreates a configuration for the specified zone.  create should be
\tused to begin configuring a new zone.  If overwriting an existing
\tconfiguration, the -F flag can be used to force the action.  If
\t-t template is given, creates a configuration identical to the
\tspecified template, except that the zone name is changed from
\ttemplate to zonename.  'create -a' creates a configuration from a
\tdetached zonepath.  'create -b' results in a blank configuration.
\t'create' with no arguments applies the Sun default settings.
""",
    "delete": """\
\tDeletes the specified zone.  The -F flag can be used to force the
\taction.
""",
    "end": """\
\tEnds resource/property specification.
""",
    "exit": """\
\tExits the program.  The -F flag can be used to force the action.
""",
    "export": """\
\tPrints configuration to standard output, or to output-file if
\tspecified, in a form suitable for use in a command-file.
""",
    "help": """\
\tPrints help message.
""",
    "info": """\
\tDisplays information about the current configuration.  If resource
\ttype is specified, displays only information about resources of
\tthe relevant type.  If resource id is specified, displays only
\tinformation about that resource.
""",
    "remove": """\
\tRemove specified resource from configuration.  The -F flag can be used
\tto force the action.
""",
    "revert": """\
\tReverts configuration back to the last committed state.  The -F flag
\tcan be used to force the action.
""",
    "select": """\
\tSelects a resource to modify.  Resource modification is completed
\twith the command "end".  The property name/value pairs must uniquely
\tidentify a resource.  Note that the curly braces ('{', '}') mean one
\tor more of whatever is between them.
""",
    "set": """\
\tSets property values.
""",
    "verify": """\
\tVerifies current configuration for correctness (some resource types
\thave required properties).
""",
}
"""What the long usage adds to the synopsis."""

INVOCATION = """\
usage:\tzonecfg help
\tzonecfg -z <zone>\t\t\t(interactive)
\tzonecfg -z <zone> <command>
\tzonecfg -z <zone> -f <command-file>
"""
"""The forms of the command line."""

ZONE_SYNTAX = """\
<zone> := [A-Za-z0-9][A-Za-z0-9_.-]*
\t(except the reserved words 'global' and anything starting with 'SUNW')
\tName must be less than 64 characters.
"""
"""What a zone name is."""

RESOURCE_TYPES = """\
<resource type> := fs | net | device | rctl | attr |
\tdataset | dedicated-cpu | capped-cpu | capped-memory | admin
"""
"""Names of the resource types."""

PROPERTY_TYPES = """\
For resource type ... there are property types ...:
\t(global)\tzonename
\t(global)\tzonepath
\t(global)\tbrand
\t(global)\tautoboot
\t(global)\tbootargs
\t(global)\tpool
\t(global)\tlimitpriv
\t(global)\tscheduling-class
\t(global)\tip-type
\t(global)\thostid
\t(global)\tfs-allowed
\t(global)\tmax-lwps
\t(global)\tmax-processes
\t(global)\tmax-shm-memory
\t(global)\tmax-shm-ids
\t(global)\tmax-msg-ids
\t(global)\tmax-sem-ids
\t(global)\tcpu-shares
\tfs\t\tdir, special, raw, type, options
\tnet\t\taddress, allowed-address, physical|defrouter
\tdevice\t\tmatch
\trctl\t\tname, value
\tattr\t\tname, type, value
\tdataset\t\tname
\tdedicated-cpu\tncpus, importance
\tcapped-cpu\tncpus
\tcapped-memory\tphysical, swap, locked
\tadmin\t\tuser, auths
\tsecurity-flags\t\tdefault, lower, upper
"""
"""Properties of each resource type."""

NET_ADDRESS_SYNTAX = """\
<net-addr> :=\t<IPv4-address>[/<IPv4-prefix-length>] |
\t\t<IPv6-address>/<IPv6-prefix-length> |
\t\t<hostname>[/<IPv4-prefix-length>]
See inet(3SOCKET) for IPv4 and IPv6 address syntax.
<IPv4-prefix-length> := [0-32]
<IPv6-prefix-length> := [0-128]
<hostname> := [A-Za-z0-9][A-Za-z0-9-.]*
"""
"""What a network address is."""

SCOPE_HELP = {
    "fs": """\
The 'fs' resource scope is used to configure a file-system.
Valid commands:
\tset dir=<path>
\tset special=<path>
\tset raw=<raw-device>
\tset type=<file-system type>
\tadd options <file-system options>
\tremove options <file-system options>
Consult the file-system specific manual page, such as mount_ufs(8), for
details about file-system options.  Note that any file-system options with an
embedded '=' character must be enclosed in double quotes, such as "retry=5".
""",
    "net": """\
The 'net' resource scope is used to configure a network interface.
Valid commands:
\tset address=<IP-address>
\tset allowed-address=<IP-address>
\tset physical=<interface>
See ifconfig(8) for details of the <interface> string.
set address is valid if the ip-type property is set to shared, otherwise it must not be set.
set allowed-address is valid if the ip-type property is set to exclusive, \
otherwise it must not be set.
\tset defrouter=<IP-address>
set defrouter is valid if the address or allowed-address property is set, \
otherwise it must not be set
""",
    "device": """\
The 'device' resource scope is used to configure a device node.
Valid commands:
\tset match=<device-path>
""",
    "rctl": """\
The 'rctl' resource scope is used to configure a resource control.
Valid commands:
\tset name=<string>
\tadd value (priv=<priv-value>,limit=<number>,action=<action-value>)
\tremove value (priv=<priv-value>,limit=<number>,action=<action-value>)
Where
\t<priv-value> := privileged
\t<action-value> := none | deny
""",
    "attr": """\
The 'attr' resource scope is used to configure a generic attribute.
Valid commands:
\tset name=<name>
\tset type=boolean
\tset value=true | false
or
\tset type=int
\tset value=<integer>
or
\tset type=string
\tset value=<string>
or
\tset type=uint
\tset value=<unsigned integer>
""",
    "dataset": """\
The 'dataset' resource scope is used to export ZFS datasets.
Valid commands:
\tset name=<name>
""",
    "dedicated-cpu": """\
The 'dedicated-cpu' resource scope configures the 'pools' facility to dedicate
a subset of the system's processors to this zone while it is running.
Valid commands:
\tset ncpus=<unsigned integer | range>
\tset importance=<unsigned integer>
""",
    "capped-cpu": """\
The 'capped-cpu' resource scope is used to set an upper limit (a cap) on the
percentage of CPU that can be used by this zone.  A 'ncpus' value of 1
corresponds to one cpu.  The value can be set higher than 1, up to the total
number of CPUs on the system.  The value can also be less than 1,
representing a fraction of a cpu.
Valid commands:
\tset ncpus=<unsigned decimal>
""",
    "capped-memory": """\
The 'capped-memory' resource scope is used to set an upper limit (a cap) on the
amount of physical memory, swap space and locked memory that can be used by
this zone.
Valid commands:
\tset physical=<qualified unsigned decimal>
\tset swap=<qualified unsigned decimal>
\tset locked=<qualified unsigned decimal>
""",
    "admin": """\
The 'admin' resource scope is used to delegate specific zone management
rights to users and roles. These rights are only applicable to this zone.
Valid commands:
\tset user=<single user or role name>
\tset auths=<comma separated list>
""",
    "security-flags": """\
The 'security-flags' resource scope is used to specify the default security-flags
of this zone, and their upper and lower bound.
\tset default=<security flags>
\tset lower=<security flags>
\tset upper=<security flags>
""",
}
"""What ``help`` says inside the scope of a resource."""

SCOPE_HELP_END = """\
And from any resource scope, you can:
\tend\t(to conclude this operation)
\tcancel\t(to cancel this operation)
\texit\t(to exit the zonecfg utility)
"""
"""What ends the help of every scope."""

"""Usage texts of zoneadm(8)."""

from __future__ import annotations

HEAD = """\
usage:\tzoneadm help
\tzoneadm [-z <zone>] [-u <uuid-match>] list
\tzoneadm {-z <zone>|-u <uuid-match>} <subcommand>

"""
"""The forms of the command line."""

SUBCOMMANDS = {
    "help": (
        "help",
        """\
\tPrint usage message.
""",
    ),
    "boot": (
        "boot [-- boot_arguments]",
        """\
\tActivates (boots) specified zone.  See zoneadm(8) for valid boot
\targuments.
""",
    ),
    "halt": (
        "halt",
        """\
\tHalts specified zone, bypassing shutdown scripts and removing runtime
\tresources of the zone.
""",
    ),
    "ready": (
        "ready",
        """\
\tPrepares a zone for running applications but does not start any user
\tprocesses in the zone.
""",
    ),
    "shutdown": (
        "shutdown [-r [-- boot_arguments]]",
        """\
\tGracefully shutdown the zone or reboot if the '-r' option is specified.
\tSee zoneadm(8) for valid boot arguments.
""",
    ),
    "reboot": (
        "reboot [-- boot_arguments]",
        """\
\tRestarts the zone (equivalent to a halt / boot sequence).
\tFails if the zone is not active.  See zoneadm(8) for valid boot
\targuments.
""",
    ),
    "list": (
        "list [-cinpv]",
        """\
\tLists the current zones, or a specific zone if indicated.  By default,
\tall running zones are listed, though this can be expanded to all
\tinstalled zones with the -i option or all configured zones with the
\t-c option.  When used with the general -z <zone> and/or -u <uuid-match>
\toptions, lists only the specified matching zone, but lists it
\tregardless of its state, and the -i, -c, and -n options are disallowed.  The
\t-v option can be used to display verbose information: zone name, id,
\tcurrent state, root directory and options.  The -p option can be used
\tto request machine-parsable output.  The -v and -p options are mutually
\texclusive.  If neither -v nor -p is used, just the zone name is listed.
""",
    ),
    "verify": (
        "verify",
        """\
\tCheck to make sure the configuration can safely be instantiated
\ton the machine: physical network interfaces exist, etc.
""",
    ),
    "install": (
        "install [brand-specific args]",
        """\
\tInstall the configuration on to the system.  All arguments are passed to the \
brand installation function;
\tsee brands(7) for more information.
""",
    ),
    "uninstall": (
        "uninstall [-F] [brand-specific args]",
        """\
\tUninstall the configuration from the system.  The -F flag can be used
\tto force the action.  All other arguments are passed to the brand
\tuninstall function; see brands(7) for more information.
""",
    ),
    "clone": (
        "clone [-m method] [-s <ZFS snapshot>] [brand-specific args] zonename",
        """\
\tClone the installation of another zone.  The -m option can be used to
\tspecify 'copy' which forces a copy of the source zone.  The -s option
\tcan be used to specify the name of a ZFS snapshot that was taken from
\ta previous clone command.  The snapshot will be used as the source
\tinstead of creating a new ZFS snapshot.  All other arguments are passed
\tto the brand clone function; see brands(7) for more information.
""",
    ),
    "move": (
        "move zonepath",
        """\
\tMove the zone to a new zonepath.
""",
    ),
    "detach": (
        "detach [-n] [brand-specific args]",
        """\
\tDetach the zone from the system. The zone state is changed to
\t'configured' (but the files under the zonepath are untouched).
\tThe zone can subsequently be attached, or can be moved to another
\tsystem and attached there.  The -n option can be used to specify
\t'no-execute' mode.  When -n is used, the information needed to attach
\tthe zone is sent to standard output but the zone is not actually
\tdetached.  All other arguments are passed to the brand detach function;
\tsee brands(7) for more information.
""",
    ),
    "attach": (
        "attach [-F] [-n <path>] [brand-specific args]",
        """\
\tAttach the zone to the system.  The zone state must be 'configured'
\tprior to attach; upon successful completion, the zone state will be
\t'installed'.  The system software on the current system must be
\tcompatible with the software on the zone's original system.
\tSpecify -F to force the attach and skip software compatibility tests.
\tThe -n option can be used to specify 'no-execute' mode.  When -n is
\tused, the information needed to attach the zone is read from the
\tspecified path and the configuration is only validated.  The path can
\tbe '-' to specify standard input.  The -F and -n options are mutually
\texclusive.  All other arguments are passed to the brand attach
\tfunction; see brands(7) for more information.
""",
    ),
    "mark": (
        "mark incomplete",
        """\
\tSet the state of the zone.  This can be used to force the zone
\tstate to 'incomplete' administratively if some activity has rendered
\tthe zone permanently unusable.  The only valid state that may be
\tspecified is 'incomplete'.
""",
    ),
}
"""Synopsis and description of each subcommand."""

"""Services of a zone's first boot: OmniOS' initial-boot, and Solaris 10's questions on the console."""

from __future__ import annotations

from illumos_lab import sysidcfg
from illumos_lab.service import Context, Dependency, Service

_SCRIPT = "/.initialboot"
_SINGLE_USER = (Dependency(("svc:/milestone/single-user",)),)


def _run_script(context: Context) -> None:
    """Run what the administrator has left for the first boot; it goes with it, so that it runs once."""
    script = context.host.path(context.zone, _SCRIPT)
    if script.is_file():
        context.note(f"Running {_SCRIPT}.")
        status = context.run(["/sbin/sh", _SCRIPT])
        context.note(f"{_SCRIPT} exited with return code {status}.")
        script.unlink(missing_ok=True)


def _ask(context: Context) -> None:
    """Ask on the console, where no answer is taken, while the system does not know what it is to be."""
    if context.host.path(context.zone, sysidcfg.UNCONFIGURED).exists():
        context.note("Waiting for answers on the console.")
        context.host.consoles.ask(context.zone, sysidcfg.question(context.host, context.zone))
        context.run(["/sbin/sh", "-c", f"while [ -f {sysidcfg.UNCONFIGURED} ]; do sleep 1; done"])


INITIAL_BOOT = Service(
    "svc:/system/initial-boot:default",
    "Initial boot configuration",
    dependencies=_SINGLE_USER,
    start=_run_script,
    exec="/lib/svc/method/initial-boot",
)
"""Of OmniOS."""

SYSIDTOOL = Service(
    "svc:/system/sysidtool:system",
    "sysidtool",
    package="SUNWadmap",
    dependencies=_SINGLE_USER,
    start=_ask,
    exec="/lib/svc/method/sysidtool-system",
)
"""Of Solaris 10; only zones of that brand have it."""

BEFORE_SYSCONFIG = Dependency((INITIAL_BOOT.fmri, SYSIDTOOL.fmri), "optional_all")
"""What the sysconfig milestone waits for, where it is there."""

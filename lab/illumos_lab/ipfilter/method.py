"""The method of svc:/network/ipfilter:default: render the policy, load filter and NAT rules."""

from __future__ import annotations

from pathlib import Path

from illumos_lab.ipfilter.call import resolver
from illumos_lab.ipfilter.load import FilterLoad, load_text
from illumos_lab.ipfilter.state import Plane, filters
from illumos_lab.service import EXIT_ERR_CONFIG, Context, MethodError

IPNAT_CONF = "/etc/ipf/ipnat.conf"
IPF_CONF = "/etc/ipf/ipf.conf"
IPF6_CONF = "/etc/ipf/ipf6.conf"
IPPOOL_CONF = "/etc/ipf/ippool.conf"
_RENDERED = {4: "/var/run/ipf/ipf.conf", 6: "/var/run/ipf/ipf6.conf"}
_METHOD = "/lib/svc/method/ipfilter"

PROPERTIES = {
    "config/version": ("count", "0"),
    "config/ipf6_config_file": ("astring", IPF6_CONF),
    "config/ipnat_config_file": ("astring", IPNAT_CONF),
    "config/ippool_config_file": ("astring", IPPOOL_CONF),
    "firewall_config_default/policy": ("astring", "none"),
    "firewall_config_default/custom_policy_file": ("astring", IPF_CONF),
    "firewall_config_default/custom_policy_file_6": ("astring", IPF6_CONF),
    "firewall_config_default/apply_to": ("astring", ""),
    "firewall_config_default/exceptions": ("astring", ""),
    "firewall_config_default/target": ("astring", ""),
    "firewall_config_default/open_ports": ("astring", ""),
    "firewall_config_default/block_policy": ("astring", "none"),
    "firewall_config_override/policy": ("astring", "none"),
}
"""Properties that the manifest delivers."""


def start(context: Context) -> None:
    """Start and refresh: the tables are emptied and filled again."""
    nat_file = _file(context, context.get("config/ipnat_config_file") or IPNAT_CONF)
    _adopt(context)
    sources = _render(context)
    if not any(path.is_file() for path in sources.values()) and not nat_file.is_file():
        # Nothing to load: the filter stays off, and the service is online.
        return
    if _has_lines(_file(context, context.get("config/ippool_config_file") or IPPOOL_CONF)):
        raise MethodError(EXIT_ERR_CONFIG, "ippool: not emulated by illumos-lab")
    state = filters(context.host)
    if not state.has_device(context.zone):
        raise MethodError(1, "open device: No such file or directory\nUser/kernel version check failed")
    plane = state.plane(context.zone)
    plane.enable()
    try:
        with context.host.lock:
            _load_filter(context, plane, sources)
            _load_nat(context, plane, nat_file)
    finally:
        state.apply(context.zone)


def stop(context: Context) -> None:
    """Switch the filter off; it forgets its rules."""
    filters(context.host).set_enabled(context.zone, False)


def _file(context: Context, path: str) -> Path:
    return context.host.path(context.zone, path)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""


def _has_lines(path: Path) -> bool:
    """Whether a file has a line that is no comment."""
    lines = (line.strip() for line in _text(path).splitlines())
    return any(line and not line.startswith("#") for line in lines)


def _adopt(context: Context) -> None:
    """The very first start makes a file of rules that is already there the policy."""
    if context.get("config/version") not in (None, "0"):
        return
    if _has_lines(_file(context, IPF_CONF)):
        context.put("firewall_config_default/policy", "astring", "custom")
    context.put("config/version", "count", "1")


def _render(context: Context) -> dict[int, Path]:
    """The files of rules, by IP version: the administrator's own, or the ones that the policy gives."""
    overriding = context.get("firewall_config_override/policy") or "none"
    policy = context.get("firewall_config_default/policy") or "none"
    for name in (overriding, policy):
        if name not in ("none", "custom"):
            text = f"firewall policy '{name}': not emulated by illumos-lab"
            raise MethodError(EXIT_ERR_CONFIG, text)
    custom = {4: "firewall_config_default/custom_policy_file"}
    custom[6] = custom[4] + "_6"
    sources = {}
    for version, rendered in _RENDERED.items():
        place = _file(context, rendered)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        if policy == "custom":
            own = context.get(custom[version]) or (IPF_CONF if version == 4 else IPF6_CONF)
            place.symlink_to(own)
            sources[version] = _file(context, own)
        else:
            place.touch()
            sources[version] = place
    return sources


def _load_filter(context: Context, plane: Plane, sources: dict[int, Path]) -> None:
    """Load into the inactive set, and make it the active one when all of it could be loaded."""
    find = resolver(context.host, context.zone)
    failed = False
    for version, path in sources.items():
        if not path.is_file():
            continue
        plane.flush(("in", "out"), inactive=True, version=version)
        result = FilterLoad(plane.filter_set(inactive=True)).read(_text(path), version, find)
        context.note(result.stderr)
        if result.status:
            context.note(f"{_METHOD}: load of {_RENDERED[version]} into alternate set failed")
            failed = True
    if failed:
        raise MethodError(EXIT_ERR_CONFIG, "Not switching config due to load error.")
    plane.active ^= 1


def _load_nat(context: Context, plane: Plane, path: Path) -> None:
    if not path.is_file():
        return
    plane.rules.clear()
    context.host.kernel.flush_nat_sessions(context.zone)
    result = load_text(plane.rules, _text(path), resolve=resolver(context.host, context.zone))
    context.note(result.stderr)
    if result.status:
        raise MethodError(EXIT_ERR_CONFIG, f"{_METHOD}: load of {IPNAT_CONF} failed")

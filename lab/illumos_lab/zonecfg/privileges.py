"""Privileges that a zone's limitpriv may name; see privileges(7)."""

from __future__ import annotations

_ALL = frozenset(
    (
        "contract_event", "contract_identity", "contract_observer", "cpc_cpu", "dtrace_kernel",
        "dtrace_proc", "dtrace_user", "file_chown", "file_chown_self", "file_dac_execute",
        "file_dac_read", "file_dac_search", "file_dac_write", "file_downgrade_sl", "file_flag_set",
        "file_link_any", "file_owner", "file_read", "file_setid", "file_upgrade_sl", "file_write",
        "graphics_access", "graphics_map", "ipc_dac_read", "ipc_dac_write", "ipc_owner",
        "net_access", "net_bindmlp", "net_icmpaccess", "net_mac_aware", "net_mac_implicit",
        "net_observability", "net_privaddr", "net_rawaccess", "proc_audit", "proc_chroot",
        "proc_clock_highres", "proc_exec", "proc_fork", "proc_info", "proc_lock_memory",
        "proc_owner", "proc_priocntl", "proc_prioup", "proc_secflags", "proc_session", "proc_setid",
        "proc_taskid", "proc_zone", "sys_acct", "sys_admin", "sys_audit", "sys_config",
        "sys_devices", "sys_dl_config", "sys_flow_config", "sys_ip_config", "sys_ipc_config",
        "sys_iptun_config", "sys_linkdir", "sys_mount", "sys_net_config", "sys_nfs",
        "sys_ppp_config", "sys_res_bind", "sys_res_config", "sys_resource", "sys_smb",
        "sys_suser_compat", "sys_time", "sys_trans_label", "virt_manage", "win_colormap",
        "win_config", "win_dac_read", "win_dac_write", "win_devices", "win_dga", "win_downgrade_sl",
        "win_fontpath", "win_mac_read", "win_mac_write", "win_selection", "win_upgrade_sl",
    )
)  # fmt: skip
_BASIC = frozenset(
    (
        "file_link_any", "file_read", "file_write", "net_access", "proc_exec", "proc_fork",
        "proc_info", "proc_secflags", "proc_session",
    )
)  # fmt: skip
_DEFAULT = frozenset(
    (
        "contract_event", "contract_identity", "contract_observer", "file_chown", "file_chown_self",
        "file_dac_execute", "file_dac_read", "file_dac_search", "file_dac_write", "file_owner",
        "file_setid", "ipc_dac_read", "ipc_dac_write", "ipc_owner", "net_bindmlp", "net_icmpaccess",
        "net_mac_aware", "net_observability", "net_privaddr", "proc_audit", "proc_chroot",
        "proc_lock_memory", "proc_owner", "proc_secflags", "proc_setid", "proc_taskid", "sys_acct",
        "sys_admin", "sys_audit", "sys_mount", "sys_nfs", "sys_resource", "sys_smb",
    )
)  # fmt: skip
_DEFAULT_OF_EXCLUSIVE = _DEFAULT | {"net_rawaccess", "sys_ip_config", "sys_iptun_config", "sys_ppp_config"}
# Both in the order in which they are looked for, which is the reverse of a brand's list.
_PROHIBITED = (
    "sys_ppp_config", "virt_manage", "sys_suser_compat", "sys_res_config", "sys_net_config",
    "sys_linkdir", "sys_ip_config", "sys_devices", "sys_config", "proc_zone", "dtrace_kernel",
)  # fmt: skip
_REQUIRED = ("sys_mount", "sys_ip_config", "proc_fork", "proc_exec")
_OF_EXCLUSIVE = ("sys_ip_config", "sys_ppp_config")


def privilege_problem(limitpriv: str, exclusive: bool = False) -> str | None:
    """The privilege of a limitpriv value that is unknown, prohibited, or missing; None when all is well.

    The rules are those of the ipkg brand.

    Args:
        limitpriv: the value.
        exclusive: the zone has an IP stack of its own.
    """
    if limitpriv in ("", "default"):
        return None
    first, comma, rest = limitpriv.partition(",")
    result: set[str] = set()
    # A part of the word will do.
    if comma and "default".startswith(first):
        result.update(_BASIC, _DEFAULT_OF_EXCLUSIVE if exclusive else _DEFAULT)
        limitpriv = rest
    words = [word for word in limitpriv.split(",") if word]
    if "zone" in words:
        return "zone"
    for word in words:
        match word.lower():
            case "basic":
                result.update(_BASIC)
            case "none":
                result.clear()
            case "all":
                result.update(_ALL)
            case name if name in _ALL:
                result.add(name)
            case name if name[0] in "-!" and name[1:] in _ALL:
                result.discard(name[1:])
            case _:
                return word
    for name in _PROHIBITED:
        if name in result and not (exclusive and name in _OF_EXCLUSIVE):
            return name
    for name in _REQUIRED:
        if name not in result and (exclusive or name not in _OF_EXCLUSIVE):
            return name
    return None

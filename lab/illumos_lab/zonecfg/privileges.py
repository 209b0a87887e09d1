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
_PROHIBITED = frozenset(
    (
        "dtrace_kernel", "proc_zone", "sys_config", "sys_devices", "sys_dl_config", "sys_linkdir",
        "sys_net_config", "sys_res_config", "sys_smb", "sys_suser_compat", "virt_manage",
    )
)  # fmt: skip
_REQUIRED = ("proc_exec", "proc_fork", "sys_mount")
_DEFAULT_EXCLUDED = _PROHIBITED | frozenset(
    (
        "cpc_cpu", "dtrace_proc", "dtrace_user", "file_downgrade_sl", "file_flag_set",
        "file_upgrade_sl", "graphics_access", "graphics_map", "net_mac_aware", "net_mac_implicit",
        "net_rawaccess", "proc_clock_highres", "proc_lock_memory", "proc_prioup", "sys_flow_config",
        "sys_ip_config", "sys_ipc_config", "sys_iptun_config", "sys_ppp_config", "sys_res_bind",
        "sys_time", "sys_trans_label", "win_colormap", "win_config", "win_dac_read",
        "win_dac_write", "win_devices", "win_dga", "win_downgrade_sl", "win_fontpath",
        "win_mac_read", "win_mac_write", "win_selection", "win_upgrade_sl",
    )
)  # fmt: skip
_DEFAULT = _ALL - _DEFAULT_EXCLUDED


def privilege_problem(limitpriv: str) -> str | None:
    """The word of a limitpriv value that is unknown, prohibited, or missing; None when all is well."""
    if not limitpriv:
        return None
    result: frozenset[str] = frozenset()
    for word in limitpriv.split(","):
        name = word.lstrip("!-")
        negated = name != word
        sets = {"default": _DEFAULT, "basic": _BASIC, "all": _ALL, "none": frozenset[str]()}
        if name in sets:
            named = sets[name]
        elif name.lower() in _ALL:
            named = frozenset({name.lower()})
        else:
            return word
        result = result - named if negated else result | named
        if not negated and named & _PROHIBITED:
            return name if name == "all" else word
    return next((name for name in _REQUIRED if name not in result), None)

"""Rules of many owners in one router zone: a fragment each, and the configuration built from them.

``etc/ipf/ipnat.d/NAME`` (or ``ipf.d``) holds the rules of one owner, one a line, after lines of comment
that start with ``#``. The fragments are the truth. The marked part of ``etc/ipf/ipnat.conf``
(``ipf.conf``) is built from all of them in the order of their names; lines outside of the marks are an
administrator's and stay as they are. Names: ``00-router`` for the router's own rules,
``50-forward-NAME``, ``60-ingress-NAME``.

Everything that writes happens under a lock on the host, so that any number of programs may change one
router at the same time. While a fragment is changed, the rules that it had are kept beside it
(``.NAME.old``): a change that was cut off is finished by the next one, whoever makes it.

The programs are not to be trusted with an exit status (ipnat(8), ipf(8)): they accept rules that mean
something else, and report success for rules that the kernel refused. So what they read is listed and
compared before a file is replaced, and what the kernel has is listed after each change. Listed are rules
in the system's own form, which both ``-n -v`` and ``-l`` print.

Filter rules count only together with the router's own: without a fragment ``00-router`` the router has no
firewall, the others wait in their fragments, and the filter is left alone. Rules for IPv4 and IPv6 are
apart (``ipf.conf``, ``ipf6.conf``), and one switch of the kernel puts new ones of both in force.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi_illumos_provider.illumos import ipfilter_rules, sharing
from pulumi_illumos_provider.illumos.lines import split_lines
from pulumi_illumos_provider.plan import Command, sh

BEGIN = "# BEGIN pulumi-illumos"
END = "# END pulumi-illumos"

ROUTER = "00-router"
"""Name of the fragment that holds the router's own rules."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LINE_LIMIT = 8192


@dataclass(frozen=True)
class Rules:
    """A kind of rules that IPFilter reads.

    Attributes:
        program: what its files are called after: ``ipnat``, ``ipf`` or ``ipf6``.
    """

    program: str

    @property
    def config(self) -> str:
        """Path of the configuration below a zone's root, without leading slash."""
        return f"etc/ipf/{self.program}.conf"

    @property
    def directory(self) -> str:
        """Path of the fragments' directory below a zone's root, without leading slash."""
        return f"etc/ipf/{self.program}.d"


NAT = Rules("ipnat")
"""Address translation (ipnat(5)); the first rule that matches counts."""

FILTER = Rules("ipf")
"""Packet filter (ipf(5)); the last rule that matches counts, unless it says ``quick``."""

FILTER6 = Rules("ipf6")
"""Packet filter for IPv6, which ipf(8) treats apart, with its option ``-6``."""


def fragment_name(prefix: str, name: str) -> str:
    """The file name of a fragment: ``50-forward`` and ``web`` give ``50-forward-web``."""
    return f"{prefix}-{name}"


def text(rules: Sequence[str], notes: Sequence[str] = ()) -> str:
    """A fragment: notes as comments, then the rules.

    Raises:
        ValueError: a rule or a note is no single line, or too long for IPFilter to read.
    """
    lines = [f"# {note}" for note in notes] + list(rules)
    for line in lines:
        if "\n" in line or "\r" in line or len(line) >= _LINE_LIMIT:
            raise ValueError(f"{line[:60]!r} is no single line of less than {_LINE_LIMIT} characters")
    if any(not rule.strip() or "#" in rule for rule in rules):
        raise ValueError("a rule is neither empty nor holds a comment")
    return "".join(f"{line}\n" for line in lines)


def put(
    kind: Rules,
    zone: str,
    root: str,
    name: str,
    rules: Sequence[str],
    notes: Sequence[str] = (),
    *,
    fresh: bool = False,
) -> Command:
    """Make a fragment, or replace it, and let the running filter follow.

    Only the difference is given to the kernel, so that the sessions of others live on. A filter that does
    not run (zone halted, service off) reads the rules when it starts. What the system does not read as
    meant changes nothing; what the kernel refuses is taken back.

    Args:
        zone, root: the router zone, and its root seen from the global zone.
        rules: one rule each, which the system lists as one rule each.
        notes: comments for the head of the fragment, such as the owner.
        fresh: it is being made: one of another owner is not replaced.
    """
    expected = ipfilter_rules.listed(rules) if kind == NAT else None
    arguments = (*_arguments(kind, zone, root, name), expected or "", "fresh" if fresh else "")
    return sh(_SCRIPT + "put", *arguments, stdin=text(rules, notes))


def remove(kind: Rules, zone: str, root: str, name: str) -> Command:
    """Remove a fragment and its rules; what is gone counts as done."""
    return sh(_SCRIPT + "remove", *_arguments(kind, zone, root, name))


def in_force(
    kind: Rules, zone: str, root: str, name: str, rules: Sequence[str], notes: Sequence[str] = ()
) -> Command:
    """Succeeds when `put` with the same arguments would change nothing."""
    return sh(_SCRIPT + "in_force", *_arguments(kind, zone, root, name), stdin=text(rules, notes))


def absent(kind: Rules, zone: str, root: str, name: str) -> Command:
    """Succeeds when `remove` would change nothing."""
    return sh(_SCRIPT + "absent", *_arguments(kind, zone, root, name))


def read(files: Mapping[str, str], kind: Rules) -> dict[str, tuple[str, ...]]:
    """The rules of each fragment, by its name.

    Args:
        files: of a router zone's root, by path (`snapshot.ZoneSeen.files`).
    """
    return {name: _rules(text) for name, text in _texts(files, kind).items()}


def notes(files: Mapping[str, str], kind: Rules) -> dict[str, tuple[str, ...]]:
    """The notes of each fragment, by its name."""
    return {name: sharing.notes(text) for name, text in _texts(files, kind).items()}


def missing(kind: Rules, name: str, files: Mapping[str, str], live: Mapping[str, str]) -> list[str]:
    """Rules of a fragment that will not be in force after a reboot, or are not in force now.

    Args:
        files: of the router zone (`snapshot.ZoneSeen.files`).
        live: what its kernel has, and how the system lists the configuration (`snapshot.ZoneSeen.live`);
            without a kernel's list only the files are compared.
    """
    marked = _marked(files, kind)
    fragments = read(files, kind)
    if kind != NAT and ROUTER not in fragments:
        return []
    own = fragments.get(name, ())
    lacking = [rule for rule in own if rule not in marked]
    listed = split_lines(live.get(f"{kind.program}-meant", ""))
    if kind.program in live and len(listed) == len(marked):
        present = {_unnumbered(line) for line in split_lines(live[kind.program])}
        meant = dict(zip(marked, listed, strict=True))
        lacking += [rule for rule in own if rule in meant and meant[rule] not in present]
    return lacking


def attached_fragments(files: Mapping[str, str]) -> list[str]:
    """What others keep in a router zone, in words: ``forward ssh (URN)``; the router's own left out.

    Args:
        files: of the router zone (`snapshot.ZoneSeen.files`).
    """
    found = set()
    for path, text in files.items():
        directory, _, name = path.rpartition("/")
        if directory in (NAT.directory, FILTER.directory, FILTER6.directory) and name != ROUTER:
            what, _, own = name.partition("-")[2].partition("-")
            whose = sharing.owner(sharing.notes(text))
            found.add(f"{what} {own}" + (f" ({whose})" if whose else ""))
    return sorted(found)


def _arguments(kind: Rules, zone: str, root: str, name: str) -> tuple[str, ...]:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a fragment")
    return zone, root, name, kind.program


def _texts(files: Mapping[str, str], kind: Rules) -> dict[str, str]:
    prefix = kind.directory + "/"
    return {
        path.removeprefix(prefix): text for path, text in sorted(files.items()) if path.startswith(prefix)
    }


def _rules(text: str) -> tuple[str, ...]:
    return tuple(line for line in split_lines(text) if line and not line.startswith("#"))


def _marked(files: Mapping[str, str], kind: Rules) -> tuple[str, ...]:
    _, begun, rest = files.get(kind.config, "").partition(f"{BEGIN}\n")
    return _rules(rest.partition(f"{END}\n")[0]) if begun else ()


def _unnumbered(line: str) -> str:
    """A listed rule without the number that ``ipfstat -n`` puts before it."""
    return re.sub(r"^@[0-9]+ ", "", line)


_SCRIPT = (
    r"""
zone=$1 root=$2 name=$3 base=$4 expected=$5 fresh=$6
etc=$root/etc/ipf
directory=$etc/$base.d config=$etc/$base.conf
own=$directory/$name old=$directory/.$name.old new=$directory/.$name.new
if [ "$zone" = global ]; then on= at=; else on="-z $zone" at=$zone; fi

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
follow_no_link() {
    for part in "$root/etc" "$etc" "$directory" "$config" "$config.new" "$own" "$old" "$new"; do
        [ ! -h "$part" ] || fail "$part is a symbolic link: it is not followed"
    done
}
begin() {
    follow_no_link
    lock "$zone"
    rm -f "$directory"/.*.new "$directory"/.*.list "$config.new"  # of a change that was cut off
}

# The rules of a file as the system lists them, or what it says against the file.
listed() {
    case $base in
    ipnat) said=$(/usr/sbin/ipnat -n -v -R -f "$1" 2>&1 </dev/null) ;;
    ipf) said=$(/usr/sbin/ipf -n -v -f "$1" 2>&1 </dev/null) ;;
    ipf6) said=$(/usr/sbin/ipf -6 -n -v -f "$1" 2>&1 </dev/null) ;;
    esac
    status=$?
    printf '%s\n' "$said"
    return $status
}
# The rules that the kernel has, in the same form; fails when no filter runs.
live() {
    said=$(/usr/sbin/ipnat $on -l -R 2>/dev/null </dev/null) || return
    case $base in
    ipnat) printf '%s\n' "$said" | sed -e 1d -e '/^$/,$d' ;;
    ipf) /usr/sbin/ipfstat $on -io 2>/dev/null </dev/null; : ;;
    ipf6) /usr/sbin/ipfstat $on -6 -io 2>/dev/null </dev/null; : ;;
    esac
}
rules_of() {
    sed -e '/^#/d' -e '/^$/d' "$@"
}
count() {
    printf '%s\n' "$1" | sed '/^$/d' | wc -l | tr -d ' '
}
# Whether the rules count, with another file in the place of our own fragment.
counts() {
    [ "$base" = ipnat ] && return
    if [ "$name" = @ROUTER@ ]; then [ -f "$1" ]; else [ -f "$directory/@ROUTER@" ]; fi
}
# All fragments in the order of their names, with another file in the place of our own. A rule that several
# need stands once: where it counts, which is first for ipnat and last for ipf.
wanted() {
    counts "$1" || return 0
    {
        ls "$directory"
        printf '%s\n' "$name"
    } | sort -u | while read -r each; do
        if [ "$each" = "$name" ]; then
            [ ! -f "$1" ] || rules_of "$1"
        elif [ -f "$directory/$each" ]; then
            rules_of "$directory/$each"
        fi
    done | nawk -v "base=$base" '
        { line[NR] = $0; if (!($0 in at) || base != "ipnat") at[$0] = NR }
        END { for (i = 1; i <= NR; i++) if (at[line[i]] == i) print line[i] }'
}
# The configuration with our rules in its marked part, and everything else where it was.
composed() {
    if [ -f "$config" ]; then
        nawk -v 'begin=@BEGIN@' '$0 == begin { exit } { print }' "$config"
    fi
    if [ -n "$1" ]; then
        printf '%s\n%s\n%s\n' '@BEGIN@' "$1" '@END@'
    fi
    if [ -f "$config" ]; then
        nawk -v 'begin=@BEGIN@' -v 'end=@END@' '
            past { print }
            $0 == begin { inside = 1 }
            inside && $0 == end { past = 1 }' "$config"
    fi
}
compose() {
    if [ -f "$config" ]; then
        cp -p "$config" "$config.new" || exit
        if grep '^@BEGIN@$' "$config" >/dev/null && ! grep '^@END@$' "$config" >/dev/null; then
            fail "$config has lost its line @END@: put it back after the rules that follow @BEGIN@"
        fi
    fi
    composed "$1" >"$config.new" || fail "$config.new could not be written"
}
install_config() {
    if [ -s "$config.new" ]; then
        mv -f "$config.new" "$config"
    else
        rm -f "$config.new" "$config"
    fi || fail "$config could not be replaced"
}

# Those of the rules $1, listed as $2, whose listed form is (1) or is not (0) in the list $3.
pick() {
    printf '%s\n#\n%s\n#\n%s\n' "$3" "$2" "$1" | nawk -v "want=$4" '
        $0 == "#" { part++; next }
        part == 0 { has[$0] = 1 }
        part == 1 { form[++forms] = $0 }
        part == 2 && $0 != "" { rule++; if ((form[rule] in has) + 0 == want + 0) print }'
}
read_as_listed() {
    printf '%s\n' "$1" >"$new.list" && listed "$new.list"
    rm -f "$new.list"
}
retired() {
    for each in "$directory"/.*.old; do
        [ ! -f "$each" ] || rules_of "$each"
    done
}

# What the kernel still has of rules that were ours, and what it lacks of ours.
superfluous() {
    gone=$(retired)
    [ -n "$gone" ] || return 0
    still=$(pick "$gone" "$(read_as_listed "$gone")" "$have" 1)
    [ -n "$still" ] || return 0
    meant=
    [ ! -f "$config" ] || meant=$(listed "$config")
    pick "$still" "$(read_as_listed "$still")" "$meant" 0
}
lacking() {
    [ -n "$ours" ] || return 0
    pick "$ours" "$(read_as_listed "$ours")" "$have" 0
}
follow_ipnat() {
    ours=$(wanted "$own")
    drop=$(superfluous)
    [ -z "$drop" ] || told=$(printf '%s\n' "$drop" | /usr/sbin/ipnat $on -r -f - 2>&1)
    add=$(lacking)
    [ -z "$add" ] || told="$told $(printf '%s\n' "$add" | /usr/sbin/ipnat $on -f - 2>&1)"
    have=$(live) && [ -z "$(superfluous)$(lacking)" ]
}
# Filter rules as ipfstat lists them: those for what goes out before those for what comes in. Members of
# groups are listed apart, so that with groups the order does not tell anything.
in_order() {
    case $1 in
    *" group "*) printf '%s\n' "$1" | sort ;;
    *)
        printf '%s\n' "$1" | nawk '
            { for (i = 1; i < NF && $i != "in" && $i != "out"; i++); }
            $i == "out" { print; next }
            { others[++n] = $0 }
            END { for (i = 1; i <= n; i++) print others[i] }' ;;
    esac
}
same_filter() {
    meant=
    [ ! -f "$config" ] || meant=$(listed "$config")
    [ "$(in_order "$meant")" = "$(in_order "$have")" ]
}
# The order of filter rules matters: a whole set is made ready and takes the place of the other at once.
# A set has rules of both versions of IP.
follow_ipf() {
    [ "$name" = @ROUTER@ ] || counts "$own" || return 0
    same_filter && return
    four=$etc/ipf.conf six=$etc/ipf6.conf
    [ -f "$four" ] || four=/dev/null
    [ -f "$six" ] || six=/dev/null
    told=$(
        exec 2>&1
        /usr/sbin/ipf -I -Fa -f "$four" $at && /usr/sbin/ipf -6 -I -Fa -f "$six" $at && /usr/sbin/ipf -s $at
    )
    have=$(live) && same_filter
}
follow_ipf6() {
    follow_ipf
}
follow() {
    told=
    if have=$(live); then
        follow_$base || return
    fi
    rm -f "$directory"/.*.old
}

put() {
    begin
    mkdir -p "$directory" || exit
    trap 'rm -f "$lock" "$new" "$config.new"' 0
    cat >"$new" || exit
    [ -z "$fresh" ] || refuse_foreign "$new" "$own"
    refuse_taken "$new" "$own" "$etc"/ipnat.d/* "$root"/etc/haproxy.d/*
    meant=$(rules_of "$new")
    if [ -n "$meant" ]; then
        form=$(listed "$new") || refuse "$form"
        [ "$(count "$form")" = "$(count "$meant")" ] || refuse "it reads them as: $form"
        [ -z "$expected" ] || [ "$form" = "$expected" ] || refuse "it reads them as: $form"
    fi
    compose "$(wanted "$new")"
    form=$(listed "$config.new") || refuse "$form (in $config, with what an administrator wrote there)"
    former=
    if [ -f "$own" ]; then
        former=$(cat "$own")
        printf '%s\n' "$former" >>"$old" || exit
    fi
    mv -f "$new" "$own" && install_config && follow && return
    # The rules that did not work are retired, and those that worked take their place again.
    refused=$told
    cat "$own" >>"$old"
    if [ -n "$former" ]; then
        printf '%s\n' "$former" >"$new" && mv -f "$new" "$own"
    else
        rm -f "$own"
    fi
    compose "$(wanted "$own")"
    install_config
    follow || fail "the kernel did not take the rules ($refused), nor the former ones ($told)"
    fail "the kernel did not take the rules; the former ones are in force again: $refused"
}
refuse() {
    fail "the system does not read the rules as they are meant: $1"
}
remove() {
    [ -d "$directory" ] || return 0
    begin
    if [ -f "$own" ]; then
        cat "$own" >>"$old" && rm -f "$own" || exit
    fi
    compose "$(wanted /dev/null)"
    install_config
    own=/dev/null
    follow || fail "the kernel did not let go of the rules: $told"
    rmdir "$directory" 2>/dev/null || :
}
built() {
    [ ! -f "$old" ] || return
    [ "$(composed "$(wanted "$1")")" = "$(cat "$config" 2>/dev/null)" ] || return
    have=$(live) || return 0
    case $base in
    ipnat) ours=$(wanted "$1") && [ -z "$(lacking)" ] ;;
    *) ! counts "$1" || same_filter ;;
    esac
}
in_force() {
    [ -d "$directory" ] || return
    begin
    cmp -s - "$own" && built "$own"
}
absent() {
    [ -d "$directory" ] || return 0
    begin
    [ ! -f "$own" ] && built /dev/null
}
""".replace("@BEGIN@", BEGIN)
    .replace("@END@", END)
    .replace("@ROUTER@", ROUTER)
    + sharing.LOCK
    + sharing.TAKEN
    + sharing.FOREIGN
)

#!/bin/ksh93
#
# Two router zones in a row and networks on one switch with VLANs, on OpenIndiana.
#
# usage: openindiana-two-routers.ksh build | check | restart-core | destroy | all
#
#     world -- edge: NAT, filter -- VLAN 10 -- core: IPv6 advertisements -+- VLAN 20 -- a1, a2
#                                                                         +- VLAN 30 -- b1: not to the world
#
set -o nounset -o pipefail
export LC_ALL=C

readonly SWITCH=trunk0 PARENT=rpool/zones ROOT=/zones
readonly PUBLIC=192.0.2.120 NETS=10.30.0.0/16
typeset -A vlan=([a1]=20 [a2]=20 [b1]=30)
typeset -A number=([a1]=11 [a2]=12 [b1]=11)
readonly ROUTERS="edge core" CLIENTS="a1 a2 b1"

die() { print -u2 -- "${.sh.file##*/}: $*"; exit 1; }
run() { "$@" || die "failed: $*"; }

online() { # ZONE SERVICE
  integer i
  for ((i = 0; i < 300; i++)); do
    [[ $(/usr/bin/svcs -z "$1" -H -o state "$2" 2>/dev/null) == online ]] && return
    /usr/bin/sleep 0.1
  done
  /usr/bin/svcs -z "$1" -xv "$2" >&2
  die "$2 in $1 is $(/usr/bin/svcs -z "$1" -H -o state "$2")"
}

inside() { typeset z=$1; shift; run /usr/sbin/zlogin -n "$z" "$@"; }

vnic() { # NAME VLAN
  run /usr/sbin/dladm create-vnic -l $SWITCH -v "$2" "$1"
}

links() {
  typeset uplink
  uplink=$(/usr/sbin/route -n get default | /usr/bin/sed -n 's/^ *interface: //p') || die "no default route"
  run /usr/sbin/dladm create-etherstub $SWITCH
  run /usr/sbin/dladm create-vnic -l "$uplink" edge_out0
  vnic edge_in0 10
  vnic core_up0 10
  vnic core_a0 20
  vnic core_b0 30
  for z in $CLIENTS; do vnic ${z}_0 ${vlan[$z]}; done
}

configure() { # ZONE LINK...
  typeset z=$1 link
  shift
  {
    print "create -b"
    print "set brand=ipkg; set zonepath=$ROOT/$z; set ip-type=exclusive"
    for link; do print "add net; set physical=$link; end"; done
    print verify
    print commit
  } | run /usr/sbin/zonecfg -z "$z" -f -
}

routers() {
  configure edge edge_out0 edge_in0
  configure core core_up0 core_a0 core_b0
  run /usr/sbin/zoneadm -z edge install -e network/ipfilter
  run /usr/sbin/zoneadm -z core clone edge
  run /usr/sbin/zoneadm -z edge boot
  run /usr/sbin/zoneadm -z core boot
  for z in $ROUTERS; do online $z svc:/milestone/multi-user-server:default; done

  run /usr/sbin/zlogin edge /bin/sh -es <<-EOF
	/usr/sbin/ipadm create-addr -T static -a $PUBLIC/24 edge_out0/v4
	/usr/sbin/ipadm create-addr -T static -a 10.30.10.1/30 edge_in0/v4
	/usr/sbin/route -p add default $(/usr/sbin/route -n get default | /usr/bin/sed -n 's/^ *gateway: //p')
	/usr/sbin/route -p add -net $NETS 10.30.10.2
	/usr/sbin/routeadm -e ipv4-forwarding -u
	/usr/bin/cat >/etc/ipf/ipnat.conf <<-END
		map edge_out0 $NETS -> $PUBLIC/32 portmap tcp/udp 10000:20000
		map edge_out0 $NETS -> $PUBLIC/32
	END
	/usr/bin/cat >/etc/ipf/ipf.conf <<-END
		# VLAN 30 stays at home
		block in quick on edge_in0 from 10.30.30.0/24 to any
		pass in all
		pass out all
	END
	EOF
  # The filter's rules are only read with this policy.
  run /usr/sbin/svccfg -z edge -s network/ipfilter:default \
    setprop firewall_config_default/policy = astring: custom
  run /usr/sbin/svcadm -z edge refresh network/ipfilter:default
  run /usr/sbin/svcadm -z edge enable -s network/ipfilter:default

  run /usr/sbin/zlogin core /bin/sh -es <<-EOF
	/usr/sbin/ipadm create-addr -T static -a 10.30.10.2/30 core_up0/v4
	/usr/sbin/route -p add default 10.30.10.1
	# What no network of ours has must not travel back and forth.
	/usr/sbin/route -p add -net $NETS 127.0.0.1 -blackhole
	for net in a:20 b:30; do
		link=core_\${net%:*}0 vid=\${net#*:}
		/usr/sbin/ipadm create-addr -T static -a 10.30.\$vid.1/24 \$link/v4
		/usr/sbin/ipadm create-addr -T addrconf \$link/v6
		/usr/sbin/ipadm create-addr -T static -a 2001:db8:\$vid::1/64 \$link/global
	done
	/usr/bin/cat >/etc/inet/ndpd.conf <<-END
		ifdefault AdvSendAdvertisements off
		if core_a0 AdvSendAdvertisements 1 MaxRtrAdvInterval 4
		prefix 2001:db8:20::/64 core_a0
		if core_b0 AdvSendAdvertisements 1 MaxRtrAdvInterval 4
		prefix 2001:db8:30::/64 core_b0
	END
	/usr/sbin/routeadm -e ipv4-forwarding -e ipv6-forwarding -u
	EOF
  run /usr/sbin/svcadm -z core restart network/routing/ndp:default
}

clients() {
  configure pattern
  run /usr/sbin/zoneadm -z pattern install
  for z in $CLIENTS; do
    run /usr/sbin/zonecfg -z $z "create -t pattern; set zonepath=$ROOT/$z; add net; set physical=${z}_0; end"
    run /usr/sbin/zoneadm -z $z clone pattern
    # A reserve for the web, and what the neighbours get comes last.
    run /usr/sbin/flowadm add-flow -l ${z}_0 -a transport=tcp,local_port=80 -p maxbw=20M,priority=high ${z}web
    run /usr/sbin/zoneadm -z $z boot
  done
  for z in $CLIENTS; do
    online $z svc:/milestone/multi-user-server:default
    inside $z /usr/sbin/ipadm create-addr -T static -a 10.30.${vlan[$z]}.${number[$z]}/24 ${z}_0/v4
    inside $z /usr/sbin/ipadm create-addr -T addrconf ${z}_0/v6
    inside $z /usr/sbin/route -p add default 10.30.${vlan[$z]}.1
    print "nameserver 198.51.100.80" >$ROOT/$z/root/etc/resolv.conf
    run /usr/bin/cp $ROOT/$z/root/etc/nsswitch.dns $ROOT/$z/root/etc/nsswitch.conf
  done
}

build() {
  /usr/sbin/zfs list -H -o name $PARENT >/dev/null 2>&1 ||
    run /usr/sbin/zfs create -o mountpoint=$ROOT $PARENT
  # The zones' devices are copies of the global zone's.
  /usr/bin/pkg install -q network/ipfilter
  (( $? == 0 || $? == 4 )) || die "no IP Filter"
  links
  routers
  clients
}

wanted() { # WHAT WANTED COMMAND...: the command comes to print that
  typeset what=$1 wanted=$2 got
  integer i
  shift 2
  for ((i = 0; i < 40; i++)); do
    got=$("$@" 2>&1)
    [[ $got == $wanted ]] && return
    /usr/bin/sleep 0.25
  done
  die "$what: '$got' instead of '$wanted'"
}

alive() { typeset z=$1; shift; /usr/sbin/zlogin -n $z /usr/sbin/ping "$@"; }
world() { /usr/sbin/zlogin -n $1 /usr/bin/curl -s -m ${2:-5} http://outside.example/; }
path() { /usr/sbin/zlogin -n $1 /usr/sbin/traceroute -n -q 1 -w 2 $2 2>/dev/null | /usr/bin/awk '{print $2}' | /usr/bin/paste -s -d ' ' -; }
global6() { /usr/sbin/zlogin -n $1 /usr/sbin/ipadm show-addr -p -o addr | /usr/bin/sed 's/\\//g' | /usr/bin/grep -c "^2001:db8:${vlan[$1]}:.*/64\$"; }
flows() { /usr/sbin/flowadm show-flow -p -o flow,link,proto,lport; }
limit() { /usr/sbin/flowadm show-flowprop -c -o value -p maxbw,priority a1web | /usr/bin/tr -d ' ' | /usr/bin/paste -s -d ' ' -; }
tags() { /usr/sbin/dladm show-vnic -p -o link,vid | /usr/bin/sort; }
policy() { /usr/bin/svcprop -z edge -p firewall_config_default/policy network/ipfilter:default; }
rejects() { /usr/sbin/zlogin -n core /usr/bin/netstat -rn -f inet | /usr/bin/awk '$3 ~ /B/ {print $1, $2}'; }

check() {
  wanted "the VLANs" $'a1_0:20\na2_0:20\nb1_0:30\ncore_a0:20\ncore_b0:30\ncore_up0:10\nedge_in0:10\nedge_out0:0' tags
  wanted "the flows" $'a1web:a1_0:tcp:80\na2web:a2_0:tcp:80\nb1web:b1_0:tcp:80' flows
  wanted "a1's limit" "20 high" limit
  wanted "the policy" custom policy
  wanted "what core discards" "10.30.0.0 127.0.0.1" rejects
  wanted "a2 from a1" "10.30.20.12 is alive" alive a1 10.30.20.12 2
  wanted "b1 from a1" "10.30.30.11 is alive" alive a1 10.30.30.11 2
  wanted "the world from a1" $PUBLIC world a1
  wanted "the world from a2" $PUBLIC world a2
  wanted "the world from b1" "" world b1 1
  wanted "the way out" "10.30.20.1 10.30.10.1 192.0.2.1 198.51.100.80" path a1 198.51.100.80
  wanted "the way across" "10.30.20.1 10.30.30.11" path a1 10.30.30.11
  for z in $CLIENTS; do
    wanted "$z's address of IPv6" 1 global6 $z
    wanted "$z's router of IPv6" "2001:db8:${vlan[$z]}::1 is alive" alive $z -A inet6 2001:db8:${vlan[$z]}::1 2
  done
  wanted "b1's router of IPv6 from a1" "2001:db8:30::1 is alive" alive a1 -A inet6 2001:db8:30::1 2
  /usr/sbin/zlogin -n a1 /usr/sbin/ping 10.30.99.1 1 >/dev/null && die "there is a network 99"
  return 0
}

restart_core() {
  run /usr/sbin/zoneadm -z core halt
  wanted "b1 without core" "no answer from 10.30.30.11" alive a1 10.30.30.11 1
  wanted "a2 without core" "10.30.20.12 is alive" alive a1 10.30.20.12 2
  run /usr/sbin/zoneadm -z core boot
  run /usr/sbin/zoneadm -z edge reboot
  for z in $ROUTERS; do online $z svc:/milestone/multi-user-server:default; done
  online edge svc:/network/ipfilter:default
}

destroy() {
  typeset -a links
  for z in $CLIENTS $ROUTERS; do
    run /usr/sbin/zoneadm -z $z halt
    run /usr/sbin/zoneadm -z $z uninstall -F
    run /usr/sbin/zonecfg -z $z delete -F
  done
  run /usr/sbin/zoneadm -z pattern uninstall -F
  run /usr/sbin/zonecfg -z pattern delete -F
  for z in $CLIENTS; do run /usr/sbin/flowadm remove-flow -l ${z}_0; done
  /usr/sbin/dladm delete-etherstub $SWITCH 2>/dev/null && die "the switch is gone before its ports"
  links=($(/usr/sbin/dladm show-link -p -o link,class | /usr/bin/awk -F: '$2 == "vnic" {print $1}'))
  for link in "${links[@]}"; do run /usr/sbin/dladm delete-vnic $link; done
  run /usr/sbin/dladm delete-etherstub $SWITCH
}

case ${1-} in
build | check | destroy) $1 ;;
restart-core) restart_core ;;
all) build && check && restart_core && check && destroy ;;
*) print -u2 "usage: ${.sh.file##*/} build | check | restart-core | destroy | all"; exit 2 ;;
esac

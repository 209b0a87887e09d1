#!/bin/sh
#
# A network across two OmniOS hosts: VXLAN between them, a router zone on one of them, a zone on each.
# The global zone routes for a network of its own, with one shared-ip zone and one with a stack of its own.
#
# usage: omnios-overlay.sh build|check|destroy NUMBER OWN-ADDRESS PEER-ADDRESS
#
#   NUMBER 1   has the router, 10.77.0.1, and the public address 192.0.2.130
#   both       zone appNUMBER, 10.77.0.(10 + NUMBER), through that router
#              zone new, 10.88.NUMBER.6, through the global zone
#              zone old, 10.88.NUMBER.5, which shares the global zone's stack and stays in that network:
#              it takes no route whose router is in none of its own networks
#
PATH=/usr/sbin:/usr/bin:/sbin
LC_ALL=C
export PATH LC_ALL

step() {
	"$@" || {
		echo "omnios-overlay: failed: $*" >&2
		exit 1
	}
}

# expect WANTED COMMAND...: wait until the command prints what is wanted.
expect() {
	wanted=$1
	shift
	tries=60
	until got=`"$@" 2>&1`; [ "x$got" = "x$wanted" ]; do
		tries=`expr $tries - 1`
		[ $tries -gt 0 ] || {
			echo "omnios-overlay: $*: got '$got', wanted '$wanted'" >&2
			exit 1
		}
		sleep 0.25
	done
}

state() {
	svcs -z $1 -H -o state $2
}

# zone NAME IP-TYPE NET-LINES: configure, clone, boot
zone() {
	step zonecfg -z $1 "create -b; set brand=sparse; set zonepath=/zones/$1; set ip-type=$2; add net; $3; end"
	step zoneadm -z $1 clone base
	step zoneadm -z $1 boot
}

build() {
	zfs list rpool/zones >/dev/null 2>&1 || step zfs create -o mountpoint=/zones rpool/zones
	step zonecfg -z base "create -b; set brand=sparse; set zonepath=/zones/base; set ip-type=exclusive"
	step zoneadm -z base install

	# Between the hosts.
	step svcadm enable -s varpd
	step dladm create-overlay -e vxlan -s direct -v 77 \
	    -p vxlan/listen_ip=$own,direct/dest_ip=$peer,direct/dest_port=4789 net77
	step dladm create-vnic -l net77 app_$number
	if [ $number = 1 ]; then
		uplink=`route -n get default | awk '$1 == "interface:" { print $2 }'`
		gateway=`route -n get default | awk '$1 == "gateway:" { print $2 }'`
		step dladm create-vnic -l $uplink rt_out0
		step dladm create-vnic -l net77 rt_in0
		zone router exclusive 'set physical=rt_out0; end; add net; set physical=rt_in0'
		expect online state router svc:/milestone/multi-user-server:default
		step zlogin router "
			ipadm create-addr -T static -a 192.0.2.130/24 rt_out0/v4 &&
			ipadm create-addr -T static -a 10.77.0.1/24 rt_in0/v4 &&
			route -p add default $gateway &&
			routeadm -u -e ipv4-forwarding &&
			echo 'map rt_out0 10.77.0.0/24 -> 0/32 portmap tcp/udp auto' >/etc/ipf/ipnat.conf &&
			echo 'map rt_out0 10.77.0.0/24 -> 0/32' >>/etc/ipf/ipnat.conf"
		step svcadm -z router enable -s ipfilter
	fi
	zone app$number exclusive "set physical=app_$number; set allowed-address=10.77.0.1$number/24; set defrouter=10.77.0.1"

	# The global zone as a router.
	step dladm create-etherstub own0
	step dladm create-vnic -l own0 gz0
	step dladm create-vnic -l own0 new0
	step ipadm create-addr -T static -a 10.88.$number.1/24 gz0/v4
	step routeadm -u -e ipv4-forwarding
	zone old shared "set physical=gz0; set address=10.88.$number.5/24"
	zone new exclusive "set physical=new0; set allowed-address=10.88.$number.6/24; set defrouter=10.88.$number.1"
	for z in app$number old new; do
		expect online state $z svc:/milestone/multi-user-server:default
	done
	# The other host's own network is behind the other host.
	step route -p add -net 10.88.`expr 3 - $number`.0/24 $peer
	# Who is to be asked about the zone is written down at its login service.
	svccfg -z app$number -s svc:/network/ssh:default <<-EOF || exit 1
		addpg site application
		setprop site/owner = astring: "operators of $number"
		refresh
	EOF
}

reach() {
	zlogin -n $1 ping $2 2
}

fetch() {
	zlogin -n $1 curl -s -m 5 --resolve outside.example:80:198.51.100.80 http://outside.example/
}

overlays() {
	dladm show-overlay -p -o property,value net77 | egrep 'vnetid|dest_ip|^mtu|encap' | sort
}

persistent() {
	route -p show | sed 's/^persistent: route add //'
}

mtu() {
	dladm show-linkprop -c -o value -p mtu app_$number
}

check() {
	app=app$number other=`expr 3 - $number`
	expect "direct/dest_ip:$peer
encap:vxlan
mtu:1400
vnetid:77" overlays
	expect ONLINE dladm show-overlay -f -p -o status net77
	expect 1400 mtu
	expect "10.77.0.1 is alive" reach $app 10.77.0.1
	expect "10.77.0.1$other is alive" reach $app 10.77.0.1$other
	expect 192.0.2.130 fetch $app
	expect "-net 10.88.$other.0/24 $peer" persistent
	for z in old new; do
		expect "10.88.$number.1 is alive" reach $z 10.88.$number.1
	done
	expect "10.88.$number.5 is alive" reach new 10.88.$number.5
	expect "10.88.$number.6 is alive" reach old 10.88.$number.6
	expect "10.88.$other.6 is alive" reach new 10.88.$other.6
	expect "no answer from 10.88.$other.6" reach old 10.88.$other.6
	expect "operators\\ of\\ $number" svcprop -z $app -p site/owner svc:/network/ssh:default
	# A packet that does not fit is not sent on.
	zlogin -n $app ping -s 10.77.0.1$other 1300 1 >/dev/null || exit 1
	arp 10.88.$number.6 | grep "10.88.$number.6 (10.88.$number.6) at " >/dev/null || exit 1
}

destroy() {
	for z in `zoneadm list -n`; do
		step zoneadm -z $z halt
	done
	for z in `zoneadm list -cn | egrep -v '^(global|base)$'` base; do
		step zoneadm -z $z uninstall -F
		step zonecfg -z $z delete -F
	done
	step route -p delete -net 10.88.`expr 3 - $number`.0/24 $peer
	step routeadm -u -d ipv4-forwarding
	step ipadm delete-if gz0
	for link in `dladm show-vnic -p -o link`; do
		step dladm delete-vnic $link
	done
	step dladm delete-etherstub own0
	step dladm delete-overlay net77
	step svcadm disable -s varpd
}

[ $# = 4 ] || {
	echo "usage: $0 build|check|destroy NUMBER OWN-ADDRESS PEER-ADDRESS" >&2
	exit 2
}
number=$2 own=$3 peer=$4
case $1 in
build | check | destroy) $1 ;;
*) exit 2 ;;
esac

#!/bin/sh
#
# A router zone with zones behind it, made by hand on OmniOS with what the base system has.
#
# usage: omnios-router.sh build | check | reboot-zones | destroy | all
#
#   router   lipkg, both addresses by ipadm in the zone, forwarding by routeadm, ipnat, dnsmasq
#   www      lipkg, address by allowed-address, resolver by attributes
#   dyn      a clone of www's pattern, address by DHCP; its vnic is made by the brand (global-nic)
#   old      shared-ip zone over a vnic of the global zone
#
set -eu
LC_ALL=C
PATH=/usr/sbin:/usr/bin:/sbin
export LC_ALL PATH

me=`basename $0`
outside=http://outside.example/
dnsmasq=svc:/network/dns/dnsmasq:default
conf=/etc/opt/ooce/dnsmasq

fail() {
	echo "$me: $*" 1>&2
	exit 1
}

wait_for() {
	n=0
	while [ "`svcs -z $1 -H -o state $2 2>/dev/null`" != online ]; do
		n=`expr $n + 1`
		if [ $n -gt 300 ]; then
			svcs -z $1 -x 1>&2
			fail "$2 in zone $1 does not come online"
		fi
		sleep 0.1
	done
}

# same WHAT WANTED COMMAND...: the command must come to print what is wanted.
same() {
	what=$1 wanted=$2
	shift 2
	n=0
	while :; do
		got=`"$@" 2>&1` || :
		[ "$got" = "$wanted" ] && return 0
		n=`expr $n + 1`
		[ $n -lt 50 ] || fail "$what: got '$got', wanted '$wanted'"
		sleep 0.2
	done
}

# dladm leaves out leading zeros, zonecfg writes them.
pad() {
	awk -F: '{ for (i = 1; i <= 6; i++) printf "%s%2s", (i > 1 ? ":" : ""), $i; print "" }' | tr ' ' 0
}

build_links() {
	uplink=`route -n get -inet default | awk '$1 == "interface:" { print $2 }'`
	gateway=`route -n get -inet default | awk '$1 == "gateway:" { print $2 }'`
	[ -n "$uplink" ] || fail "no default route"
	zfs list -H -o name | grep -x rpool/zones >/dev/null || zfs create -o mountpoint=/zones rpool/zones
	dladm create-etherstub lan0
	dladm create-vnic -l "$uplink" router_ext0
	dladm create-vnic -l lan0 -m 2:8:20:0:a:1 router_int0
	dladm create-vnic -l lan0 www0
	dladm create-vnic -l lan0 gz_lan0
	ipadm create-if gz_lan0
}

build_router() {
	zonecfg -z router -f - <<-EOF
		create -t lipkg
		set zonepath=/zones/router
		set autoboot=true
		add net
		set physical=router_ext0
		end
		add net; set physical=router_int0; end
		add attr
		set name=comment
		set type=string
		set value="the way out"
		end
	EOF
	zoneadm -z router install -e ooce/network/dnsmasq
	zoneadm -z router boot
	# Configure networking as soon as it can be.
	wait_for router svc:/milestone/single-user:default
	wait_for router svc:/milestone/multi-user-server:default
	zlogin router /bin/sh -s <<-EOF
		set -e
		ipadm create-if router_ext0
		ipadm create-addr -T static -a 192.0.2.101/24 router_ext0/v4
		ipadm create-addr -T static -a 10.20.0.1/16 router_int0/v4
		route -p add default $gateway
		routeadm -u -e ipv4-forwarding
		echo nameserver 198.51.100.80 >/etc/resolv.conf
		cp /etc/nsswitch.dns /etc/nsswitch.conf
		mkdir -p $conf/conf.d
	EOF
	root=/zones/router/root
	mkdir -p $root/etc/ipf
	cat >$root/etc/ipf/ipnat.conf <<-EOF
		# everything behind the router
		map router_ext0 10.20.0.0/16 -> 0/32 portmap tcp/udp 10000:32767
		map router_ext0 10.20.0.0/16 -> 0/32
		rdr router_ext0 0/0 port 8080 -> 10.20.0.10 port 80 tcp
	EOF
	cat >$root$conf/dnsmasq.conf <<-EOF
		interface=router_int0
		dhcp-authoritative
		dhcp-broadcast
		no-ping
		dhcp-leasefile=/var/opt/ooce/dnsmasq/dnsmasq.leases
		dhcp-range=10.20.0.0,static,255.255.0.0
		conf-dir=$conf/conf.d,*.conf
	EOF
	ipnat -n -f $root/etc/ipf/ipnat.conf
	svcadm -z router enable -s network/ipfilter
	svcadm -z router enable -s $dnsmasq
}

build_zones() {
	zonecfg -z www -f - <<-EOF
		create -b
		set brand=lipkg
		set ip-type=exclusive
		set zonepath=/zones/www
		set autoboot=true
		add net
		set physical=www0
		set allowed-address=10.20.0.10/16
		set defrouter=10.20.0.1
		end
		add attr; set name=resolvers; set type=string; set value=10.20.0.1; end
		add attr; set name=dns-domain; set type=string; set value=example; end
		set max-lwps=1000
		add capped-memory; set physical=1G; end
	EOF
	zonecfg -z dyn "create -t lipkg; set zonepath=/zones/dyn; set autoboot=true; \
	    add net; set physical=dyn0; set global-nic=lan0; end; \
	    add attr; set name=resolvers; set type=string; set value=10.20.0.1; end; \
	    add attr; set name=dns-domain; set type=string; set value=example; end"
	zonecfg -z old "create -b; set brand=lipkg; set ip-type=shared; set zonepath=/zones/old; set autoboot=true"
	zonecfg -z old "add net; set physical=gz_lan0; set address=10.20.0.30/16; end"
	zoneadm -z www install
	zoneadm -z dyn clone www
	zoneadm -z old clone www
	touch /zones/dyn/root/etc/dhcp.dyn0
	for z in www dyn old; do
		zoneadm -z $z boot
	done
	# The brand made dyn's vnic, and wrote its address down.
	mac=`zonecfg -z dyn info net | awk '$1 == "mac-addr:" { print $2 }'`
	made=`dladm show-vnic -p -o macaddress dyn0 | pad`
	[ "$mac" = "$made" ] || fail "dyn's net has mac-addr '$mac', its vnic $made"
	echo "dhcp-host=$mac,dyn,10.20.0.20,infinite" >/zones/router/root$conf/conf.d/dyn.conf
	svcadm -z router restart $dnsmasq
	for z in www dyn old; do
		wait_for $z svc:/milestone/multi-user-server:default
	done
}

build() {
	build_links
	build_router
	build_zones
	# A program to ask for through the router's port 8080.
	zlogin www 'mkdir -p /export/www && echo hello >/export/www/index.html'
}

in_zone() {
	z=$1
	shift
	zlogin -n $z "$@"
}

vnics() {
	dladm show-vnic -p -o link,over,macaddress | sed 's/\\//g' |
	    awk -F: '{ printf "%s %s %s\n", $1, $2, (NF == 8 ? "mac" : "?") }' | sort
}

datasets() {
	zfs list -H -o name -r -d 1 rpool/zones
}

zones() {
	for z in `zoneadm list -n | sort`; do
		echo $z `zoneadm -z $z list -p | cut -d: -f3,4,6,7`
	done
}

address() {
	in_zone $1 ipadm show-addr -p -o addrobj,type,state,addr | grep -v '^lo0/'
}

limits() {
	zonecfg -z www info capped-memory | sed -n 's/^[^a-z]*\(physical: [^]]*\).*/\1/p'
	zonecfg -z www info max-lwps
}

check() {
	same "the zones" "dyn running:/zones/dyn:lipkg:excl
old running:/zones/old:lipkg:shared
router running:/zones/router:lipkg:excl
www running:/zones/www:lipkg:excl" zones
	same "the datasets" "rpool/zones
rpool/zones/dyn
rpool/zones/old
rpool/zones/router
rpool/zones/www" datasets
	same "the vnics" "dyn0 lan0 mac
gz_lan0 lan0 mac
router_ext0 e1000g0 mac
router_int0 lan0 mac
www0 lan0 mac" vnics
	same "the router's addresses" "router_ext0/v4:static:ok:192.0.2.101/24
router_int0/v4:static:ok:10.20.0.1/16" address router
	same "www's address" "www0/_a:from-gz:ok:10.20.0.10/16" address www
	same "dyn's address" "dyn0/?:dhcp:ok:10.20.0.20/16" address dyn
	same "forwarding" on in_zone router ipadm show-prop -c -o current -p forwarding ipv4
	same "link protection" "ip-nospoof" dladm show-linkprop -c -o value -p protection www0
	same "the protected address" 10.20.0.10 dladm show-linkprop -c -o value -p allowed-ips www0
	same "who has www0" www dladm show-linkprop -c -o value -p zone www0
	same "the resolver" "domain example
nameserver 10.20.0.1" in_zone www cat /etc/resolv.conf
	same "www's limits" "physical: 1G
[max-lwps: 1000]" limits
	for z in www dyn; do
		same "what the world sees of $z" 192.0.2.101 in_zone $z curl -s -m 5 $outside
	done
	same "old from www" "10.20.0.30 is alive" in_zone www ping 10.20.0.30 2
	same "the router from old" "10.20.0.1 is alive" in_zone old ping 10.20.0.1 2
	same "dyn's name at the router" 10.20.0.20 in_zone www "getent hosts dyn | awk '{ print \$1 }'"
}

reboot_zones() {
	zlogin -n router init 6
	zoneadm -z www shutdown -r
	zoneadm -z dyn reboot
	zoneadm -z old halt
	zoneadm -z old boot
	for z in router www dyn old; do
		wait_for $z svc:/milestone/multi-user-server:default
	done
}

destroy() {
	for z in old dyn www router; do
		zoneadm -z $z shutdown || zoneadm -z $z halt
		zoneadm -z $z uninstall -F
		zonecfg -z $z delete -F
	done
	ipadm delete-if gz_lan0
	for link in `dladm show-vnic -p -o link,over | awk -F: '$2 == "lan0" || $1 ~ /^router_/ { print $1 }'`; do
		dladm delete-vnic $link
	done
	dladm delete-etherstub lan0
	[ -z "`zoneadm list -cn`" ] || fail "zones are left"
	[ -z "`dladm show-vnic -p -o link`" ] || fail "vnics are left"
}

case ${1-} in
build) build ;;
check) check ;;
reboot-zones) reboot_zones ;;
destroy) destroy ;;
all)
	build
	check
	reboot_zones
	check
	destroy
	;;
*)
	echo "usage: $me build | check | reboot-zones | destroy | all" 1>&2
	exit 2
	;;
esac

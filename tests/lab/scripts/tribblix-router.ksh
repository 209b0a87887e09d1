#!/bin/ksh
#
# A router zone with three zones behind it, made by hand on Tribblix, with the records that zap keeps.
#
# usage: tribblix-router.ksh build | check | reboot-zones | destroy | all
#
#   gw    router, exclusive-ip: public address, NAT, DHCP, DNS
#   web   exclusive-ip, its address by allowed-address
#   dhc   exclusive-ip, its address by DHCP
#   shr   shared-ip, on a vnic that the global zone plumbs
#
set -o errexit -o nounset -o pipefail

RECORDS=/var/zap/zones
ZONES=/export/zones
PUBLIC=192.0.2.100/24
NET=10.1.2
OUTSIDE=http://outside.example/

ME=${0##*/}

function die { print -u2 -r -- "$ME: $*"; exit 1; }

# The first free link of a kind: free_link show-vnic znic
function free_link {
  typeset -i n=0
  while /usr/sbin/dladm $1 $2$n >/dev/null 2>&1; do (( n = n + 1 )); done
  print $2$n
}

# The value of a key in a record of zap's: record zconfig.web address
function record { /usr/bin/grep "^$2:" $RECORDS/$1 | /usr/bin/awk '{print $NF}'; }

function wait_online {
  typeset -i tries=0
  until [[ $(/usr/bin/svcs -z $1 -H -o state $2 2>/dev/null) == online ]]; do
    (( ( tries = tries + 1 ) < 300 )) || { /usr/bin/svcs -z $1 -xv; die "$2 of $1 is not online"; }
    /usr/bin/sleep 0.1
  done
}

# new_zone ZONE ADDRESS PARENT IP-TYPE LINK NET-LINES...: configure and install, and keep records.
function new_zone {
  typeset zone=$1 address=$2 parent=$3 iptype=$4 link=$5
  shift 5
  typeset cfg=$RECORDS/zonecfg.$zone
  /usr/bin/cat >$cfg <<EOF
create -t TRIBwhole
set autoboot=true
set zonepath=$ZONES/$zone
set ip-type=$iptype
add net
set physical=$link
EOF
  typeset line
  for line in "$@"; do print -r -- "$line" >>$cfg; done
  print end >>$cfg
  /usr/sbin/zonecfg -z $zone -f $cfg
  print "#!/bin/sh" >$RECORDS/destroy.$zone
  [[ $iptype == shared ]] || print "/usr/sbin/dladm delete-vnic $link" >>$RECORDS/destroy.$zone
  /usr/bin/chmod a+x $RECORDS/destroy.$zone
  cat >$RECORDS/zconfig.$zone <<EOF
brand: TRIBwhole
zone: $zone
ip-type: $iptype
address: $address
parent_zone: $parent
EOF
}

function build_router {
  typeset public_link zstub znic snic pnic root
  public_link=$(/usr/sbin/route -n get -inet default | /usr/bin/awk '/interface:/ {print $2}')
  zstub=$(free_link show-etherstub zrstub)
  /usr/sbin/dladm create-etherstub $zstub
  pnic=$(free_link show-vnic znic)
  /usr/sbin/dladm create-vnic -l $public_link $pnic
  znic=$(free_link show-vnic znic)
  /usr/sbin/dladm create-vnic -l $zstub $znic
  snic=$(free_link show-vnic snic)
  /usr/sbin/dladm create-vnic -l $zstub $snic
  /usr/sbin/ipadm create-if $snic

  new_zone gw ${PUBLIC%/*} global exclusive $pnic end "add net" "set physical=$znic"
  cat >>$RECORDS/destroy.gw <<EOF
/usr/sbin/dladm delete-vnic $znic
/usr/sbin/ipadm delete-if $snic
/usr/sbin/dladm delete-vnic $snic
/usr/sbin/dladm delete-etherstub $zstub
/usr/bin/rm $RECORDS/rconfig.$NET
EOF
  print "interface: $zstub" >>$RECORDS/rconfig.$NET
  print "shared-interface: $snic" >>$RECORDS/rconfig.$NET
  print "gateway: $NET.1" >>$RECORDS/rconfig.$NET
  print "zone: gw" >>$RECORDS/rconfig.$NET
  print "public-ip:  ${PUBLIC%/*}" >>$RECORDS/rconfig.$NET

  /usr/sbin/zoneadm -z gw install -o base -P TRIBnet-ipfilter -P TRIBdnsmasq
  root=$ZONES/gw/root
  print $PUBLIC >$root/etc/hostname.$pnic
  print $NET.1/24 >$root/etc/hostname.$znic
  /usr/sbin/route -n get -inet default | /usr/bin/awk '/gateway:/ {print $2}' >$root/etc/defaultrouter
  [[ -s $root/etc/defaultrouter ]] || die "there is no default route"
  print gw >$root/etc/nodename
  print "nameserver 198.51.100.80" >$root/etc/resolv.conf
  /usr/bin/cp $root/etc/nsswitch.dns $root/etc/nsswitch.conf
  cat >$root/etc/rc2.d/S83router <<EOF
#!/bin/sh
/usr/sbin/ipadm set-ifprop -t -p forwarding=on -m ipv4 $pnic
/usr/sbin/ipadm set-ifprop -t -p forwarding=on -m ipv4 $znic
/usr/sbin/svcadm enable network/ipfilter
/usr/sbin/svcadm enable network/dnsmasq
EOF
  /usr/bin/chmod 0744 $root/etc/rc2.d/S83router
  /usr/bin/mkdir -p $root/etc/ipf $root/etc/dnsmasq.d
  cat >$root/etc/ipf/ipnat.conf <<EOF
map $pnic $NET.0/24 -> 0/32 portmap tcp/udp auto
map $pnic $NET.0/24 -> 0/32
EOF
  cat >$root/etc/dnsmasq.conf <<EOF
conf-dir=/etc/dnsmasq.d
user=dnsmasq
dhcp-range=$NET.0,static
EOF
  /usr/sbin/zoneadm -z gw boot
  wait_online gw svc:/milestone/multi-user-server:default
  wait_online gw svc:/network/ipfilter:default
  wait_online gw svc:/network/dnsmasq:default
}

# attach ZONE HOST-NUMBER NET-LINES...: an exclusive-ip zone on the router's network.
function attach {
  typeset zone=$1 address=$NET.$2 nic router stub mac
  shift 2
  router=$(record rconfig.$NET zone)
  stub=$(record rconfig.$NET interface)
  nic=$(free_link show-vnic znic)
  /usr/sbin/dladm create-vnic -l $stub $nic
  new_zone $zone $address $router exclusive $nic "$@"
  mac=$(/usr/sbin/dladm show-vnic -p -o MACADDRESS $nic)
  print "dhcp-host=$mac,$zone,$address,infinite" >$ZONES/$router/root/etc/dnsmasq.d/$zone.conf
  print "/usr/bin/rm -f $ZONES/$router/root/etc/dnsmasq.d/$zone.conf" >>$RECORDS/destroy.$zone
  /usr/sbin/svcadm -z $router restart network/dnsmasq
  /usr/sbin/zoneadm -z $zone install
  print "nameserver $(record rconfig.$NET gateway)" >$ZONES/$zone/root/etc/resolv.conf
  /usr/bin/cp $ZONES/$zone/root/etc/nsswitch.dns $ZONES/$zone/root/etc/nsswitch.conf
}

function build {
  /usr/bin/mkdir -p $RECORDS
  [[ -f /var/sadm/pkg/TRIBnet-ipfilter/pkginfo ]] || /usr/bin/zap install TRIBnet-ipfilter
  build_router
  attach web 10 "set allowed-address=$NET.10/24" "set defrouter=$NET.1"
  attach dhc 20
  /usr/bin/touch $ZONES/dhc/root/etc/dhcp.$(/usr/sbin/zonecfg -z dhc info net | /usr/bin/awk '/physical:/ {print $2}')
  new_zone shr $NET.30 gw shared $(record rconfig.$NET shared-interface) "set address=$NET.30/24"
  /usr/sbin/zoneadm -z shr install
  for zone in web dhc shr; do /usr/sbin/zoneadm -z $zone boot; done
  for zone in web dhc shr; do wait_online $zone svc:/milestone/multi-user-server:default; done
}

function fetch { /usr/sbin/zlogin -n $1 /usr/bin/curl -s -m 5 $OUTSIDE || true; }

function expect {
  typeset what=$1 wanted=$2 got
  typeset -i tries=0
  shift 2
  until got=$("$@" 2>&1) || true; [[ $got == "$wanted" ]]; do
    (( ( tries = tries + 1 ) < 50 )) || die "$what: '$got' and not '$wanted'"
    /usr/bin/sleep 0.2
  done
}

function addresses { /usr/sbin/zlogin -n $1 /usr/sbin/ipadm show-addr -p -o addrobj,type,addr | /usr/bin/sed -n '/^lo0/!s/^[^:]*://p'; }
function vnics { /usr/sbin/dladm show-vnic -p -o link,over | /usr/bin/sort; }
function forwarding { /usr/sbin/zlogin -n gw /usr/sbin/ipadm show-ifprop -c -o current -p forwarding -m ipv4 znic1; }
function running { for z in $(/usr/sbin/zoneadm list -n | /usr/bin/sort); do printf '%s ' $z; done; }
function shared_address { /usr/sbin/ifconfig snic0:1 | /usr/bin/awk '$1 == "inet" {print $2}'; }
function rules { /usr/sbin/zlogin -n gw /usr/sbin/ipnat -l | /usr/bin/sed -n '2,/^$/p'; }
function reach { /usr/sbin/zlogin -n $1 /usr/sbin/ping $2 2 2>&1; }

function check {
  expect "zones that run" "dhc gw shr web " running
  expect "vnics" $'snic0:zrstub0\nznic0:e1000g0\nznic1:zrstub0\nznic2:zrstub0\nznic3:zrstub0' vnics
  expect "web's address" from-gz:$NET.10/24 addresses web
  expect "dhc's address" dhcp:$NET.20/24 addresses dhc
  expect "forwarding" on forwarding
  expect "NAT" $'map znic0 10.1.2.0/24 -> 0.0.0.0/32 portmap tcp/udp auto\nmap znic0 10.1.2.0/24 -> 0.0.0.0/32' rules
  expect "shared address" $NET.30 shared_address
  for zone in web dhc; do
    expect "what the world sees of $zone" ${PUBLIC%/*} fetch $zone
    expect "the router from $zone" "$NET.1 is alive" reach $zone $NET.1
    expect "the shared-ip zone from $zone" "$NET.30 is alive" reach $zone $NET.30
  done
  expect "the router from shr" "$NET.1 is alive" reach shr $NET.1
  expect "the world from shr" "" fetch shr
}

function reboot_zones {
  for zone in gw web dhc shr; do /usr/sbin/zoneadm -z $zone reboot; done
  for zone in gw web dhc shr; do wait_online $zone svc:/milestone/multi-user-server:default; done
}

function destroy_zone {
  typeset zone=$1
  if /usr/bin/grep -l "^parent_zone: $zone\$" $RECORDS/zconfig.* >/dev/null; then
    die "$zone is the parent of other zones"
  fi
  [[ -x $RECORDS/predestroy.$zone ]] && $RECORDS/predestroy.$zone
  /usr/sbin/zoneadm -z $zone halt
  /usr/sbin/zoneadm -z $zone uninstall -F
  /usr/sbin/zonecfg -z $zone delete -F
  $RECORDS/destroy.$zone
  /usr/bin/rm $RECORDS/destroy.$zone $RECORDS/zconfig.$zone $RECORDS/zonecfg.$zone
}

function destroy {
  # The router has children, and an etherstub with vnics stays.
  ( destroy_zone gw ) 2>/dev/null && die "the router was destroyed before its zones"
  for zone in shr dhc web; do destroy_zone $zone; done
  /usr/sbin/dladm delete-etherstub $(record rconfig.$NET interface) 2>/dev/null && die "an etherstub in use is gone"
  destroy_zone gw
  # The directories go when zap has no records of its own there.
  /usr/bin/rmdir -p $RECORDS 2>/dev/null || true
}

case ${1:-} in
build) build ;;
check) check ;;
reboot-zones) reboot_zones ;;
destroy) destroy ;;
all) build; check; reboot_zones; check; destroy ;;
*) print -u2 "usage: $ME build | check | reboot-zones | destroy | all"; exit 2 ;;
esac

#!/bin/ksh93
# Build a router zone by hand, as an administrator would, with a static zone and a DHCP zone behind it.
# usage: router-zone.ksh omnios|tribblix|openindiana
set -o errexit -o nounset -o pipefail
PATH=/usr/sbin:/usr/bin:/sbin
PROFILE=$1
case $PROFILE in
omnios) P=/zones; B=lipkg; DNS=network/dns/dnsmasq; CONF=/etc/opt/ooce/dnsmasq/dnsmasq.conf; PKG="-e ooce/network/dnsmasq" ;;
tribblix) P=/export/zones; B=whole-root; DNS=network/dnsmasq; CONF=/etc/dnsmasq.conf; PKG="-o base -P TRIBnet-ipfilter -P TRIBdnsmasq" ;;
openindiana) P=/zones; B=ipkg; DNS=network/dnsmasq; CONF=/etc/dnsmasq.conf; PKG="-e service/network/dnsmasq -e network/ipfilter" ;;
esac
dladm create-etherstub stub0
dladm create-vnic -l e1000g0 gw_public_link_name0
dladm create-vnic -l stub0 gwr0
dladm create-vnic -l stub0 web0
dladm create-vnic -l stub0 dhc0
zonecfg -z gw <<EOF
create -b
set brand=$B
set zonepath=$P/gw
set autoboot=true
set ip-type=exclusive
add net
set physical=gw_public_link_name0
end
add net
set physical=gwr0
end
EOF
zoneadm -z gw install $PKG
R=$P/gw/root
echo 192.0.2.100/24 > $R/etc/hostname.gw_public_link_name0
echo 10.1.2.1/24 > $R/etc/hostname.gwr0
echo 192.0.2.1 > $R/etc/defaultrouter
echo nameserver 198.51.100.80 > $R/etc/resolv.conf
cp $R/etc/nsswitch.dns $R/etc/nsswitch.conf
mkdir -p $R/etc/ipf
cat > $R/etc/ipf/ipnat.conf <<EOF
map gw_public_link_name0 10.1.2.0/24 -> 0/32 portmap tcp/udp 10000:32767
map gw_public_link_name0 10.1.2.0/24 -> 0/32
EOF
mkdir -p $(dirname $R$CONF) $R/etc/dnsmasq.d
MAC=$(dladm show-vnic -p -o macaddress dhc0)
cat > $R$CONF <<EOF
conf-dir=/etc/dnsmasq.d,*.conf
interface=gwr0
dhcp-broadcast
dhcp-authoritative
no-ping
dhcp-range=10.1.2.0,static
EOF
[[ $PROFILE == omnios ]] && echo dhcp-leasefile=/var/opt/ooce/dnsmasq/dnsmasq.leases >> $R$CONF
[[ $PROFILE == openindiana ]] && { mkdir -p $R/var/lib/misc; chown daemon $R/var/lib/misc; }
[[ $PROFILE == tribblix ]] && echo user=dnsmasq >> $R$CONF
echo "dhcp-host=$MAC,dhc,10.1.2.20,infinite" > $R/etc/dnsmasq.d/dhc.conf
zoneadm -z gw boot
for z in web dhc; do
zonecfg -z $z <<EOF
create -b
set brand=$B
set zonepath=$P/$z
set autoboot=true
set ip-type=exclusive
add net
set physical=${z}0
$([[ $z == web ]] && printf 'set allowed-address=10.1.2.10/24\nset defrouter=10.1.2.1\n')
end
EOF
zoneadm -z $z install
echo nameserver 10.1.2.1 > $P/$z/root/etc/resolv.conf
cp $P/$z/root/etc/nsswitch.dns $P/$z/root/etc/nsswitch.conf
done
touch $P/dhc/root/etc/dhcp.dhc0
wait_for() {
  typeset zone=$1 service=$2
  integer tries=0
  until [[ $(svcs -z $zone -H -o state $service 2>/dev/null) == online* ]]; do
    if (( ++tries > 150 )); then
      svcs -z $zone -xv
      exit 1
    fi
    sleep 0.1
  done
}
wait_for gw svc:/milestone/multi-user-server:default
zlogin gw routeadm -u -e ipv4-forwarding
svcadm -z gw enable -s svc:/network/ipfilter:default
svcadm -z gw enable -s svc:/$DNS:default
zoneadm -z web boot
zoneadm -z dhc boot
wait_for web svc:/milestone/multi-user-server:default
wait_for dhc svc:/milestone/multi-user-server:default

#!/bin/ksh93
# Remove what router-zone.ksh has made.
set -o errexit -o nounset
PATH=/usr/sbin:/usr/bin:/sbin
for zone in dhc web gw; do
  zoneadm -z $zone halt
  zoneadm -z $zone uninstall -F
  zonecfg -z $zone delete -F
done
for vnic in gw_public_link_name0 gwr0 web0 dhc0; do
  dladm delete-vnic $vnic
done
dladm delete-etherstub stub0

#!/bin/ksh93
#
# What zones a host has, and on which links, with which addresses and services: read, and change nothing.
#
set -o nounset
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin

typeset -A over address
dladm show-link -p -o link,over | while IFS=: read -r link lower; do
  over[$link]=$lower
done
gateway=$(netstat -rn -f inet | awk '$1 == "default" {print $2; exit}')
print "$(uname -n) ($(head -1 /etc/release | sed 's/^ *//')), default route $gateway"

zoneadm list -cp | sort -t: -k2 | while IFS=: read -r id name state path uuid brand iptype rest; do
  [[ $name == global ]] && continue
  print "$name: $brand, $iptype, $state, $(zonecfg -z $name info autoboot)"
  print "  dataset $(zfs list -H -o name $path)"
  for link in $(zonecfg -z $name info net | awk '$1 == "physical:" {print $2}'); do
    print "  $link over ${over[$link]}, of zone '$(dladm show-linkprop -c -o value -p zone $link)'"
  done
  [[ $state == running && $iptype == excl ]] || continue
  zlogin -n $name /usr/sbin/ipadm show-addr -p -o addrobj,type,addr </dev/null |
  while IFS=: read -r object kind prefix; do
    [[ $object == lo0/* ]] || print "  ${object%%/*} $kind ${prefix}"
  done
  zlogin -n $name 'netstat -rn -f inet' | awk '$1 == "default" {print "  default route " $2}'
  for service in $(svcs -z $name -H -o fmri | egrep 'ipfilter|dnsmasq|forwarding'); do
    print "  $service $(svcs -z $name -H -o state $service)"
  done
done
exit 0

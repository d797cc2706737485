# SPDX-License-Identifier: BSD-2-Clause
# lib.sh - for scripts that run in the virtual machine: one rxe device for each address, and a wire between them.

# 5000 bytes: room for RoCE's largest packet, 4096 bytes and headers.
MTU=5000

# add_address INTERFACE N: 10.9.9.N and fd09::N.
add_address() {
	ip address replace "10.9.9.$2/24" dev "$1" noprefixroute &&
		ip address replace "fd09::$2/64" dev "$1" noprefixroute nodad
}

# add_neighbour INTERFACE N ETHERNET-ADDRESS: how packets for that address leave.
add_neighbour() {
	local from=$((3 - $2))

	ip route replace "10.9.9.$2/32" dev "$1" src "10.9.9.$from" &&
		ip route replace "fd09::$2/128" dev "$1" src "fd09::$from" &&
		ip neighbour replace "10.9.9.$2" lladdr "$3" dev "$1" &&
		ip neighbour replace "fd09::$2" lladdr "$3" dev "$1"
}

# local_rules FAMILY WHAT...: the table of local addresses counts for what comes in over the cable, for these
# networks, and for what these addresses send to themselves.
local_rules() {
	local family=$1 to

	shift
	for to in "$@"; do
		case $to in
		*/*) ip "-$family" rule add pref 12 to "$to" lookup local ;;
		*) ip "-$family" rule add pref 13 from "$to" to "$to" lookup local ;;
		esac || return
	done
	ip "-$family" rule add pref 10 iif v0 lookup local &&
		ip "-$family" rule add pref 11 iif v1 lookup local &&
		ip "-$family" rule add pref 32800 lookup local &&
		ip "-$family" rule del pref 0
}

# One machine, rxe0 on v0 and rxe1 on v1, the two ends of one cable. What is sent to an address of this machine would
# not leave it, if the table of local addresses were not the last one. (With network namespaces it would be
# simpler, but the rxe of 6.1 knows only the first one.)
network_one() {
	local i

	ip link add v0 mtu $MTU type veth peer name v1 mtu $MTU || return
	for i in v0 v1 all; do
		sysctl -qw "net.ipv4.conf.$i.accept_local=1" "net.ipv4.conf.$i.rp_filter=0" \
			"net.ipv4.conf.$i.arp_ignore=1" "net.ipv4.conf.$i.arp_announce=2" || return
	done
	local_rules 4 127.0.0.0/8 10.9.9.1 10.9.9.2 || return
	local_rules 6 ::1/128 fe80::/10 fd09::1 fd09::2 || return
	wire_repair
}

# What wire_netem, a link set down or a deleted device have left is as it was.
wire_repair() {
	local n

	for n in 0 1; do
		tc qdisc delete dev v$n root 2>/dev/null
		tc qdisc delete dev v$n clsact 2>/dev/null
		ip link set v$n up && add_address v$n $((n + 1)) || return
	done
	add_neighbour v0 2 "$(cat /sys/class/net/v1/address)" || return
	add_neighbour v1 1 "$(cat /sys/class/net/v0/address)" || return
	for n in 0 1; do
		rdma link show rxe$n/1 >/dev/null 2>&1 || rdma link add rxe$n type rxe netdev v$n || return
	done
}

# wire_netem OPTION...: what happens to packets in either direction, as in tc-netem(8).
wire_netem() {
	tc qdisc replace dev v0 root netem limit 100000 "$@" && tc qdisc replace dev v1 root netem limit 100000 "$@"
}

# wire_without_rdma: packets of RoCE are lost where they arrive; everything else passes. (Where they leave, the rxe of
# 6.1 would hear of it, and try again without end.)
wire_without_rdma() {
	local i

	for i in v0 v1; do
		tc qdisc replace dev $i clsact &&
			tc filter add dev $i ingress protocol ip u32 match ip protocol 17 0xff match ip dport 4791 0xffff \
				action drop || return
	done
}

# The second of two machines has the second address.
network_two() {
	ip link set eth0 mtu $MTU up && add_address eth0 "$1" || return
	add_neighbour eth0 $((3 - $1)) "52:54:00:09:09:0$((3 - $1))" &&
		rdma link add rxe0 type rxe netdev eth0
}

# network [MACHINE]: without a number, both ends in this machine.
network() {
	if [ $# -eq 0 ]; then network_one; else network_two "$1"; fi
}

# QEMU's device that ends it at once.
power_off() {
	printf '\0' | dd of=/dev/port bs=1 seek=244 count=1 2>/dev/null
}

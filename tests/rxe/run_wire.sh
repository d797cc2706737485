#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run_wire.sh PROGRAM FAULT - in the virtual machine: traffic while something happens to the wire or a device.
set -u
program=$1
[ -e /dev/infiniband ] && [ -d /sys/class/net/v0 ] || { echo "only in tests/rxe/vm"; exit 77; }
here=$(dirname "$0")
. "$here/lib.sh"

# fault HOW SECONDS COMMAND: COMMAND may use lib.sh.
fault() {
	"$program" "$1" "$2" ". '$here/lib.sh'; $3"
}

# A device is off the list at once, and gone when the last process that has used it has ended.
delete() {
	fault break 60 "rdma link delete $1 &" || return
	for _ in $(seq 200); do
		rdma link show "$1/1" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "$1 is still there"
	return 1
}

# New devices: those of 6.1 carry no connection requests any more after their link was down under traffic.
repair() {
	rdma link delete rxe0 2>/dev/null
	rdma link delete rxe1 2>/dev/null
	wire_repair
}
# Also after one that was ended from outside.
wire_repair
trap repair EXIT
case $2 in
loss) fault complete 60 'wire_netem loss 1%' ;;
reorder) fault complete 60 'wire_netem delay 2ms reorder 75% 50%' ;;
delay) fault complete 60 'wire_netem delay 20ms' ;;
short_cut) fault complete 60 'wire_netem loss 100%; sleep 5; wire_netem loss 0%' ;;
# The adapter tries six times more, for up to four seconds each.
cut) fault break 60 'wire_netem loss 100%' ;;
down) fault break 60 'ip link set v0 down' ;;
flap) fault either 60 'ip link set v0 down; sleep 1; wire_repair' ;;
stall) "$program" 60 ". '$here/lib.sh'; wire_netem loss 100%" ;;
delete_near) delete rxe0 ;;
delete_far) delete rxe1 ;;
*) echo "run_wire.sh: no fault $2"; exit 2 ;;
esac

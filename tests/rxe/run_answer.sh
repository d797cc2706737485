#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run_answer.sh TEST_ANSWER WHAT - in the virtual machine: a peer that does not answer over RDMA, or not yet, and an
# adapter that is removed between two connects, or whose driver is.
set -u
[ -e /dev/infiniband ] && [ -d /sys/class/net/v0 ] || { echo "only in tests/rxe/vm"; exit 77; }
here=$(dirname "$0")
. "$here/lib.sh"
# The device of a process that has used it is gone when that process has ended.
remove() {
	"$program" gone plain "rdma link delete $1 & while rdma link show $1/1; do sleep 0.1; done" \
		"verbs/$1: device failed or was removed (-80)" || exit
	wire_repair || exit
	"$program" over verbs || exit
}

repair() {
	modprobe -d "$here/../../build/rxe/package" rdma_rxe
	wire_repair
}

program=$1
trap repair EXIT
repair
case $2 in
gone)
	remove rxe0
	rmmod rdma_rxe || exit
	"$program" over plain "verbs: no such device (-81)" || exit
	repair || exit
	"$program" over verbs
	;;
silent) "$program" silent ". '$here/lib.sh'; wire_without_rdma" ". '$here/lib.sh'; wire_repair" ;;
*) "$program" "$2" ;;
esac

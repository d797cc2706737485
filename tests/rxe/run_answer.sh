#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run_answer.sh TEST_ANSWER WHAT - in the virtual machine: a peer that does not answer over RDMA, or not yet.
set -u
[ -e /dev/infiniband ] && [ -d /sys/class/net/v0 ] || { echo "only in tests/rxe/vm"; exit 77; }
here=$(dirname "$0")
. "$here/lib.sh"
trap wire_repair EXIT
wire_repair
case $2 in
silent) "$1" silent ". '$here/lib.sh'; wire_without_rdma" ". '$here/lib.sh'; wire_repair" ;;
*) "$1" "$2" ;;
esac

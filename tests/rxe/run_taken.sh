#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run_taken.sh TEST_TAKEN - in the virtual machine: the test of sockets that nobody bound, with few ports for them.
set -u
[ -e /dev/infiniband ] && [ -d /sys/class/net/v0 ] || { echo "only in tests/rxe/vm"; exit 77; }
range=/proc/sys/net/ipv4/ip_local_port_range
before=$(cat $range)
trap 'echo "$before" >$range' EXIT
echo "40000 40015" >$range || exit
"$1" unbound

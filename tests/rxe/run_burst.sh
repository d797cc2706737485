#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run_burst.sh LOAD_MANY CONNECTIONS BYTES - all of so many open connections send at once, into the smallest receive
# buffers; no device may have met a message without a receive, and load_many sees to it that none waits for long.
set -u
program=$1 connections=$2 bytes=$3
devices="${WSD_TEST_DEVICE:-} ${WSD_TEST_PEER:-}"
[ -e /dev/infiniband ] && [ "$devices" != " " ] || { echo "no device"; exit 77; }
SMALLEST=4096

# Each adapter has names of its own; all of them contain this.
unready() {
	local device

	for device in $devices; do
		grep -H . "/sys/class/infiniband/$device/ports/1/hw_counters/"*rnr* || return
	done
}

before=$(unready) || { echo "no counters of missing receives"; exit 77; }
"$program" "$connections" "$connections" "$bytes" $SMALLEST || exit
after=$(unready)
echo "$after"
[ "$before" = "$after" ] || { echo "before: $before"; echo "messages have come that found no receive"; exit 1; }

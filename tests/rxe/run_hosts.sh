#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run_hosts.sh TEST_HOSTS - on a machine that can boot two virtual ones: one of two hosts dies.
set -u
here=$(cd "$(dirname "$0")" && pwd)
LIMIT=250 # seconds

[ -z "${WSD_TEST_DEVICE:-}" ] || [ -n "${WSD_MACHINE:-}" ] || { echo "needs two virtual machines"; exit 77; }
[ -n "${WSD_MACHINE:-}" ] || exec "$here/vm" --two -t $LIMIT "$0" "$1"
exec "$1" "$WSD_RESULTS" "10.9.9.$WSD_MACHINE" "10.9.9.$((3 - WSD_MACHINE))" "$here/die"

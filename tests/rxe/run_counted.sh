#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run_counted.sh PROGRAM [ARGUMENT...] - a test of rates in time: in a virtual machine of its own whose time is counted in
# instructions, so that it does not matter what else runs here; on WSD_TEST_DEVICE in the time of this machine.
set -u
LIMIT=1000 # seconds

[ -z "${WSD_TEST_DEVICE:-}" ] || exec "$@"
export WSD_TEST_IPV4=10.9.9.2
exec "$(dirname "$0")/vm" -i -t $LIMIT "$@"

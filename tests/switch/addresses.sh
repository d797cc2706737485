#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# addresses.sh WSDSWITCH PROVIDER [OPTION]...: it connects from where --from says, to where --at says, and the
# provider tells it so.
set -u
tool=$1
provider=$2
shift 2
out=$("$tool" --at 127.0.0.2 --from 127.0.0.3 --bytes 1000000 "$@" "$provider" 2>&1)
status=$?
echo "$out"
[ $status -eq 0 ] && echo "$out" | grep -qx "connections from 127.0.0.3 to 127.0.0.2"

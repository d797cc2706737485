#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# wrong_use.sh WSDSWITCH PROVIDER - what no provider is to blame for: exit status 2 and the reason, and no broken rule.
# One of them is ours: where no device starts it does not start.
set -u
tool=$1
provider=$2
failed=0

# says TEXT ARGUMENT...
says() {
	text=$1
	shift
	out=$("$tool" "$@" 2>&1)
	got=$?
	if [ $got -ne 2 ] || ! echo "$out" | grep -q -e "$text" || echo "$out" | grep -q BROKEN; then
		echo "FAIL $*: status $got, not 2 with '$text' in: $out"
		failed=1
	fi
}

says "--at 9.9.9.9: no IPv4 address of this host" --at 9.9.9.9 "$provider"
says "--at foo: no IPv4 address of this host" --at foo "$provider"
says "--at ::1: no IPv4 address of this host; --ipv6" --at ::1 "$provider"
says "--from 127.0.0.1: no IPv6 address of this host" --ipv6 --from 127.0.0.1 "$provider"
for backends in shn plain shn,plain; do
	export WSD_BACKENDS=$backends
	says "WSPStartupEx answers 10091: no device" "$provider"
done
# Who named a backend that is not there hears of it.
export WSD_BACKENDS=shn WSD_LOG=warning
says "warning engine: backend shn is not available: backend shn is not built in" "$provider"
exit $failed

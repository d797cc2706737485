#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# test_wine.sh - a program that Wine's server dropped before it began is started once more by tests/windows/wine, and no
# other. The wine of this test says what WSD_TEST_SAYS has in one line for each start, and ends with its first word.
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0
DROPPED='1 wine client error:0: recvmsg: Connection reset by peer'

cat >"$work/wine" <<'EOF2'
#!/bin/bash
echo >>"$WSD_TEST_STARTS"
read -r code text <<<"$(sed -n "$(wc -l <"$WSD_TEST_STARTS")p" <<<"$WSD_TEST_SAYS")"
[ -z "$text" ] || printf '%b\n' "$text"
exit "$code"
EOF2
chmod +x "$work/wine"
head -c 128 /dev/zero >"$work/program" # it has a header of a Windows program, of no processor

# check WHAT STARTS CODE LINE...: what the starts say, how many there are, and how it ends.
check() {
	local what=$1 starts=$2 code=$3 says output

	shift 3
	says=$(printf '%s\n' "$@")
	: >"$work/starts"
	output=$(PATH=$work:$PATH WSD_TEST_SAYS=$says WSD_TEST_STARTS=$work/starts "$here/wine" "$work/program")
	[ "$?/$(wc -l <"$work/starts")" = "$code/$starts" ] && {
		[ "$starts" = 1 ] || [[ $output == *'started once more'* ]]
	} && return
	echo "FAIL $what: $(wc -l <"$work/starts") starts, and it says: $output"
	failed=1
}

check 'a program that runs' 1 0 '0 all is well'
check 'dropped before it began' 2 0 "$DROPPED" '0 all is well'
check 'dropped, and then it fails' 2 3 "$DROPPED" '3 bad'
check 'dropped twice' 2 1 "$DROPPED" "$DROPPED" '0 all is well'
check 'dropped behind its first words' 1 1 "1 begun\\n${DROPPED#* }" '0 all is well'
check 'dropped before its last words' 1 1 "$DROPPED\\nFAIL" '0 all is well'
check 'dropped when it had a number' 1 1 "${DROPPED/error:0/error:24}" '0 all is well'
check 'another code' 1 5 "5 ${DROPPED#* }" '0 all is well'
check 'fails without a word' 1 1 '1' '0 all is well'
exit $failed

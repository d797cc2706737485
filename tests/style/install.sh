#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# install.sh TOP BUILD - install into an empty folder, then use only that: every header alone as C11
# and as C++17, before and after the system's headers, and a program built through pkg-config.
set -u
top=$1
build=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
status=0

bad() {
	echo "$1"
	status=1
}

meson install -C "$build" --no-rebuild --destdir "$dir" >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}
pc=$(find "$dir" -name openwsd.pc)
[ -n "$pc" ] || { echo "openwsd.pc is not installed"; exit 1; }
# With a destination folder the file names the final place: point it at this one.
prefix=$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
flags=$(pkg-config --define-variable=prefix="$dir$prefix" --cflags openwsd) || exit 1
libs=$(pkg-config --define-variable=prefix="$dir$prefix" --libs openwsd) || exit 1

others=("#include <stdlib.h>" "#include <unistd.h>" "#include <sys/socket.h>" "#include <sys/select.h>")
checked=0
for header in "$dir$prefix"/include/openwsd/*.h; do
	name=${header##*/}
	checked=$((checked + 1))
	[ -f "$top/provider/include/openwsd/$name" ] ||
		[ -f "$top/rdma_backend/include/openwsd/$name" ] || bad "$name comes from nowhere"
	for order in alone before after; do
		{
			[ $order = after ] && printf '%s\n' "${others[@]}"
			echo "#include <openwsd/$name>"
			[ $order = before ] && printf '%s\n' "${others[@]}"
			echo "int wsd_used_$order;"
		} >"$dir/t.c"
		cp "$dir/t.c" "$dir/t.cc"
		# shellcheck disable=SC2086
		gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE $flags -fsyntax-only \
			"$dir/t.c" || bad "$name ($order) is no C11"
		# shellcheck disable=SC2086
		g++ -std=c++17 -Wall -Wextra -Werror $flags -fsyntax-only "$dir/t.cc" ||
			bad "$name ($order) is no C++17"
	done
done
[ $checked -gt 5 ] || bad "only $checked headers are installed"

cat >"$dir/use.c" <<'C'
#include <openwsd/openwsd.h>
#include <stdio.h>

int main(void)
{
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	puts(wsd_version());
	return WSACleanup() != 0;
}
C
# shellcheck disable=SC2086
gcc -std=c11 -Wall -Werror $flags "$dir/use.c" -o "$dir/use" $libs || bad "cannot link with openwsd"
if [ -x "$dir/use" ]; then
	libdir=$(dirname "$(find "$dir$prefix" -name libopenwsd.so)")
	want=$(pkg-config --modversion openwsd)
	got=$(LD_LIBRARY_PATH=$libdir "$dir/use") || bad "a program using the installed library failed"
	[ "$got" = "$want" ] || bad "wsd_version says $got, openwsd.pc $want"
fi

# A vendor's module, which finds headers and folder by pkg-config, and the installed program that tests it. It logs the
# text of a status, and has to find all that it uses in itself.
moduledir=$(pkg-config --variable=moduledir openwsd)
cp -r "$top/examples/backend-sample" "$dir/sample"
if PKG_CONFIG_SYSROOT_DIR=$dir meson setup "$dir/sample/build" "$dir/sample" -Dwerror=true >"$dir/log" 2>&1 &&
	meson compile -C "$dir/sample/build" >>"$dir/log" 2>&1; then
	meson introspect --installed "$dir/sample/build" | grep -q "$moduledir/openwsd-backend-sample.so\"" ||
		bad "the sample module is not installed in $moduledir"
	(cd "$dir/sample/build" && WSD_CONFIG=/dev/null WSD_LOG=debug \
		"$dir$prefix/bin/backend-conformance" --module openwsd-backend-sample.so --one-process --test reject) \
		>"$dir/log" 2>&1 || bad "the sample module: $(cat "$dir/log")"
	grep -q "sample: a connection ends: refused by the application" "$dir/log" || bad "no text in: $(cat "$dir/log")"
else
	bad "the sample module is not built: $(cat "$dir/log")"
fi
exit $status

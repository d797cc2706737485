#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# format.sh [--fix] - list the sources that .clang-format would change (exit status 1), or change
# them.
cd "$(dirname "$0")/../.." || exit 2
files=$(find rdma_backend provider spi_shim tests examples -name '*.[ch]' | sort)
# No file name of this tree has a space.
if [ "${1:-}" = --fix ]; then
	# shellcheck disable=SC2086
	exec clang-format -i $files
fi
wrong=0
for file in $files; do
	if ! clang-format "$file" | cmp -s - "$file"; then
		echo "$file: not formatted; tests/style/format.sh --fix"
		wrong=1
	fi
done
exit $wrong

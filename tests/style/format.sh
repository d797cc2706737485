#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# format.sh [--fix] - list the sources that .clang-format would change, or change them.
cd "$(dirname "$0")/../.." || exit 2
find rdma_backend provider spi_shim tests examples -name '*.[ch]' | sort | while read -r file; do
	if [ "${1:-}" = --fix ]; then
		clang-format -i "$file"
	elif ! clang-format "$file" | cmp -s - "$file"; then
		echo "$file"
	fi
done

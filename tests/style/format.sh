#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# format.sh [--fix] - list what .clang-format would change in the sources (exit status 1), or
# change it.
cd "$(dirname "$0")/../.." || exit 2
files=$(find rdma_backend provider spi_shim tests examples -name '*.[ch]' | sort)
# No file name of this tree has a space.
# shellcheck disable=SC2086
if [ "${1:-}" = --fix ]; then
	exec clang-format -i $files
fi
# shellcheck disable=SC2086
clang-format --dry-run -Werror $files && exit 0
echo "not formatted; tests/style/format.sh --fix"
exit 1

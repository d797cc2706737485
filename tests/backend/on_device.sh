#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# on_device.sh PROGRAM MODULE - the conformance program on the adapter WSD_TEST_DEVICE; the side that connects uses
# WSD_TEST_PEER, where the machine has two that reach each other.
exec "$1" --module "$2" --device "${WSD_TEST_DEVICE:?names no adapter}" --peer "${WSD_TEST_PEER:-$WSD_TEST_DEVICE}"

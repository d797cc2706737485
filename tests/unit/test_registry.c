// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_registry.c - finding, checking and completing backends. Built with a list of built-in
 * backends of its own (registry/backends.inc); WSD_MODULE_DIR names the folder of the test modules.
 */

#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/platform.h"
#include "rdma_backend/ops_default.h"
#include "rdma_backend/registry.h"
#include "tests/unit/registry/null_ops.h"

extern const struct wsd_backend_ops wsd_backend_one, wsd_backend_broken;

const struct wsd_backend_ops wsd_backend_one = {
	.size = sizeof(struct wsd_backend_ops),
	.abi = WSD_BACKEND_ABI,
	.name = "one",
	.open = null_open,
	.poll = null_poll,
	NULL_OPS_REST,
};

const struct wsd_backend_ops wsd_backend_broken = {
	.size = sizeof(struct wsd_backend_ops),
	.abi = WSD_BACKEND_ABI,
	.name = "broken",
	.poll = null_poll,
	NULL_OPS_REST,
};

static char reason[300];

static enum wsd_status find(const char *name, const struct wsd_backend_ops **ops)
{
	*ops = NULL;
	reason[0] = '\0';
	return wsd_registry_find(name, ops, reason, sizeof(reason));
}

static void assert_reason(const char *part)
{
	if (!strstr(reason, part))
		fail_msg("\"%s\" is not in the reason \"%s\"", part, reason);
	assert_null(strchr(reason, '\n'));
}

static void test_builtin_is_completed_and_stays_put(void **state)
{
	const struct wsd_backend_ops *ops, *again;
	uint64_t now;

	(void)state;
	assert_int_equal(find("one", &ops), WSD_OK);
	assert_ptr_not_equal(ops, &wsd_backend_one);
	assert_ptr_equal(ops->open, null_open);
	now = wsd_clock_ns();
	assert_true(ops->clock(NULL) >= now);
	assert_string_equal(ops->description, "");
	assert_int_equal(find("one", &again), WSD_OK);
	assert_ptr_equal(again, ops);
}

static void test_missing_starred_entry_is_named(void **state)
{
	const struct wsd_backend_ops *ops;

	(void)state;
	assert_int_equal(find("broken", &ops), WSD_EINVAL);
	assert_reason("broken lacks the operation open");
	assert_null(ops);
	assert_int_equal(find("nopoll", &ops), WSD_EINVAL);
	assert_reason("nopoll lacks the operation poll");
}

/* Leaving out any one operation is noticed, except for those with a filler. */
static void test_every_operation_is_checked(void **state)
{
	size_t first = offsetof(struct wsd_backend_ops, open);
	size_t count = (sizeof(struct wsd_backend_ops) - first) / sizeof(void (*)(void));
	unsigned required = 0;
	size_t i;

	(void)state;
	for (i = 0; i < count; i++) {
		struct wsd_backend_ops ops = wsd_backend_one, full;
		size_t offset = first + i * sizeof(void (*)(void));
		enum wsd_status status;

		memset((char *)&ops + offset, 0, sizeof(void (*)(void)));
		status = wsd_ops_complete(&ops, &full, reason, sizeof(reason));
		if (offset == offsetof(struct wsd_backend_ops, clock)) {
			assert_int_equal(status, WSD_OK);
			assert_non_null(full.clock);
		} else if (offset == offsetof(struct wsd_backend_ops, busy)) {
			assert_int_equal(status, WSD_OK);
			assert_false(full.busy(NULL));
		} else if (offset == offsetof(struct wsd_backend_ops, bind)) {
			assert_int_equal(status, WSD_OK);
			full.bind(NULL, NULL);
		} else if (offset == offsetof(struct wsd_backend_ops, set_traffic_class)) {
			assert_int_equal(status, WSD_OK);
			full.set_traffic_class(NULL, 0);
		} else if (offset == offsetof(struct wsd_backend_ops, set_hops)) {
			assert_int_equal(status, WSD_OK);
			full.set_hops(NULL, 0);
		} else {
			assert_int_equal(status, WSD_EINVAL);
			required++;
		}
	}
	assert_int_equal(required, count - 5);
}

static void set_nothing(struct wsd_endpoint *endpoint, uint32_t traffic_class)
{
	(void)endpoint;
	(void)traffic_class;
}

static void test_own_traffic_class_is_told_from_the_filler(void **state)
{
	struct wsd_backend_ops ops = wsd_backend_one, full;

	(void)state;
	ops.set_traffic_class = NULL;
	assert_int_equal(wsd_ops_complete(&ops, &full, reason, sizeof(reason)), WSD_OK);
	assert_true(wsd_ops_keeps_traffic_class(&full));
	ops.set_traffic_class = set_nothing;
	assert_int_equal(wsd_ops_complete(&ops, &full, reason, sizeof(reason)), WSD_OK);
	assert_false(wsd_ops_keeps_traffic_class(&full));
}

static void test_abi_and_size_must_match(void **state)
{
	struct wsd_backend_ops ops = wsd_backend_one, full;
	const struct wsd_backend_ops *found;
	char expected[64];

	(void)state;
	ops.abi--; /* a module of an earlier library, whose table may well be as large */
	assert_int_equal(wsd_ops_complete(&ops, &full, reason, sizeof(reason)), WSD_EABI);
	ops.abi++;
	ops.size -= 1;
	assert_int_equal(wsd_ops_complete(&ops, &full, reason, sizeof(reason)), WSD_EABI);
	ops.size += 2;
	assert_int_equal(wsd_ops_complete(&ops, &full, reason, sizeof(reason)), WSD_EABI);
	assert_int_equal(find("otherabi", &found), WSD_EABI);
	snprintf(expected, sizeof(expected), "ABI %u", WSD_BACKEND_ABI + 1);
	assert_reason(expected);
	assert_int_equal(find("refuses", &found), WSD_EABI);
	snprintf(expected, sizeof(expected), "does not support ABI %u", WSD_BACKEND_ABI);
	assert_reason(expected);
	assert_int_equal(find("empty", &found), WSD_EABI);
	assert_reason("exports no wsd_backend_query");
}

/*
 * A module says only ABI and size of its table; everything else that backend.h lays out hangs on the number. Whoever
 * changes one of these has to raise it, and this.
 */
static void test_layout_belongs_to_the_number(void **state)
{
#define AT(type, member) offsetof(struct type, member)
	static const size_t attr[] = {
		AT(wsd_device_attr, size),	  AT(wsd_device_attr, caps),
		AT(wsd_device_attr, name),	  AT(wsd_device_attr, max_sge),
		AT(wsd_device_attr, max_message), AT(wsd_device_attr, max_rdma),
		AT(wsd_device_attr, max_send),	  AT(wsd_device_attr, max_recv),
		AT(wsd_device_attr, max_read),	  AT(wsd_device_attr, max_inline),
		AT(wsd_device_attr, hint_zcopy),  AT(wsd_device_attr, hint_ring),
		AT(wsd_device_attr, hint_read),	  AT(wsd_device_attr, cost_poll),
		AT(wsd_device_attr, cost_post),	  AT(wsd_device_attr, speed),
	};
	static const size_t attr_then[] = { 0,	4,  8,	40, 44, 48, 52, 56,
					    60, 64, 68, 72, 76, 80, 84, 88 };
	static const size_t ops[] = {
		AT(wsd_backend_ops, open),	AT(wsd_backend_ops, queue_create),
		AT(wsd_backend_ops, poll),	AT(wsd_backend_ops, busy),
		AT(wsd_backend_ops, reg),	AT(wsd_backend_ops, bind),
		AT(wsd_backend_ops, mem_alloc), AT(wsd_backend_ops, listen),
		AT(wsd_backend_ops, connect),	AT(wsd_backend_ops, set_traffic_class),
		AT(wsd_backend_ops, set_hops),	AT(wsd_backend_ops, post_send),
		AT(wsd_backend_ops, post_recv), sizeof(struct wsd_backend_ops),
	};
	static const size_t ops_then[] = { 24,	56,  72,  112, 120, 136, 144,
					   160, 192, 224, 232, 240, 248, 256 };
#undef AT

	(void)state;
	assert_int_equal(WSD_BACKEND_ABI, 3);
	if (sizeof(void *) != 8)
		return;
	assert_memory_equal(attr, attr_then, sizeof(attr_then));
	assert_memory_equal(ops, ops_then, sizeof(ops_then));
	assert_int_equal(sizeof(struct wsd_device_attr), 96);
	assert_int_equal(sizeof(struct wsd_addr), 24);
	assert_int_equal(sizeof(struct wsd_region), 32);
	assert_int_equal(sizeof(struct wsd_sge), 24);
	assert_int_equal(sizeof(struct wsd_work), 56);
	assert_int_equal(sizeof(struct wsd_recv), 40);
	assert_int_equal(sizeof(struct wsd_event), 104);
	assert_int_equal(sizeof(struct wsd_host), 88);
	assert_int_equal(sizeof(struct wsd_endpoint_attr), 24);
}

static void test_names_cannot_leave_the_folder(void **state)
{
	static const char *const bad[] = {
		"", "../good", "Good", "a-b", "sixteencharacter", "a/b"
	};
	const struct wsd_backend_ops *ops;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(find(bad[i], &ops), WSD_NOTFOUND);
		assert_false(wsd_ops_name_valid(bad[i]));
	}
	assert_false(wsd_ops_name_valid(NULL));
	assert_true(wsd_ops_name_valid("fifteencharactr"));
}

static void test_module_is_found_by_name(void **state)
{
	const struct wsd_backend_ops *ops, *again;

	(void)state;
	assert_int_equal(find("good", &ops), WSD_OK);
	assert_string_equal(ops->name, "good");
	assert_non_null(ops->clock);
	assert_int_equal(find("good", &again), WSD_OK);
	assert_ptr_equal(again, ops);
	assert_int_equal(find("absent", &ops), WSD_NOTFOUND);
	assert_reason("openwsd-backend-absent" TEST_SUFFIX);
	assert_int_equal(find("liar", &ops), WSD_EINVAL);
	assert_reason("calls itself honest");
}

static void test_module_is_loaded_by_path(void **state)
{
	const struct wsd_backend_ops *ops;
	char path[1024];

	(void)state;
	snprintf(path, sizeof(path), "%s/openwsd-backend-good" TEST_SUFFIX,
		 getenv("WSD_MODULE_DIR"));
	assert_int_equal(wsd_registry_load(path, &ops, reason, sizeof(reason)), WSD_OK);
	assert_string_equal(ops->name, "good");
	assert_int_equal(wsd_registry_load("/nonexistent.so", &ops, reason, sizeof(reason)),
			 WSD_NOTFOUND);
	assert_reason("/nonexistent.so");
}

static void test_names_are_builtin_first_then_sorted_modules(void **state)
{
	static const char *const expected[] = { "one",	"broken", "empty",    "good",
						"liar", "nopoll", "otherabi", "refuses" };
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_string_equal(wsd_registry_name(i), expected[i]);
	assert_null(wsd_registry_name(i));
	assert_null(wsd_registry_name(i + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtin_is_completed_and_stays_put),
		cmocka_unit_test(test_missing_starred_entry_is_named),
		cmocka_unit_test(test_every_operation_is_checked),
		cmocka_unit_test(test_own_traffic_class_is_told_from_the_filler),
		cmocka_unit_test(test_abi_and_size_must_match),
		cmocka_unit_test(test_layout_belongs_to_the_number),
		cmocka_unit_test(test_names_cannot_leave_the_folder),
		cmocka_unit_test(test_module_is_found_by_name),
		cmocka_unit_test(test_module_is_loaded_by_path),
		cmocka_unit_test(test_names_are_builtin_first_then_sorted_modules),
	};

	test_deadline(20);
	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_base.c - status texts, addresses, counters, allocation, the host table, lists. */

#include "tests/lib/test.h"

#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"

static void test_status_text_known_and_unknown(void **state)
{
	(void)state;
	assert_string_equal(wsd_status_text(WSD_OK), "success");
	assert_string_equal(wsd_status_text(WSD_EREFUSED),
			    "refused by the application or by a full backlog");
	assert_string_equal(wsd_status_text((enum wsd_status)12345), "unknown status");
	assert_true(wsd_status_is_conn_fatal(WSD_ERESET));
	assert_true(wsd_status_is_conn_fatal(WSD_EDEVICE));
	assert_false(wsd_status_is_conn_fatal(WSD_ERNR));
	assert_false(wsd_status_is_conn_fatal(WSD_PENDING));
}

static struct wsd_addr ipv6(const uint16_t *groups, uint32_t scope, uint16_t port)
{
	struct wsd_addr addr = { .family = WSD_FAMILY_IPV6, .scope = scope, .port = port };
	unsigned i;

	for (i = 0; i < 8; i++) {
		addr.bytes[2 * i] = (uint8_t)(groups[i] >> 8);
		addr.bytes[2 * i + 1] = (uint8_t)groups[i];
	}
	return addr;
}

static void test_addr_text(void **state)
{
	static const struct {
		uint16_t groups[8];
		uint32_t scope;
		const char *text;
	} cases[] = {
		{ { 0, 0, 0, 0, 0, 0, 0, 0 }, 0, "[::]:7" },
		{ { 0, 0, 0, 0, 0, 0, 0, 1 }, 0, "[::1]:7" },
		{ { 0xfe80, 0, 0, 0, 0, 0, 0, 0 }, 3, "[fe80::%3]:7" },
		{ { 0x2001, 0xdb8, 0, 0, 1, 0, 0, 1 }, 0, "[2001:db8::1:0:0:1]:7" },
		{ { 0x2001, 0xdb8, 0, 1, 1, 1, 1, 1 }, 0, "[2001:db8:0:1:1:1:1:1]:7" },
		{ { 1, 0, 0, 2, 0, 0, 0, 3 }, 0, "[1:0:0:2::3]:7" },
		{ { 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff },
		  UINT32_MAX,
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:7" },
	};
	struct wsd_addr v4 = { .family = WSD_FAMILY_IPV4,
			       .port = 65535,
			       .bytes = { 192, 0, 2, 255 } };
	struct wsd_addr none = { 0 };
	char buffer[WSD_ADDR_TEXT];
	size_t i;

	(void)state;
	assert_string_equal(wsd_addr_text(&v4, buffer), "192.0.2.255:65535");
	assert_string_equal(wsd_addr_text(&none, buffer), "none:0");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wsd_addr addr = ipv6(cases[i].groups, cases[i].scope, 7);

		assert_string_equal(wsd_addr_text(&addr, buffer), cases[i].text);
	}
}

static void test_addr_predicates(void **state)
{
	static const uint16_t one[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
	static const uint16_t mapped[8] = { 0, 0, 0, 0, 0, 0xffff, 0x7f00, 1 };
	struct wsd_addr a = { .family = WSD_FAMILY_IPV4, .port = 1, .bytes = { 127, 1, 2, 3 } };
	struct wsd_addr b = a;
	struct wsd_addr six = ipv6(one, 0, 1);

	(void)state;
	assert_true(wsd_addr_is_loopback(&a));
	assert_true(wsd_addr_is_loopback(&six));
	assert_false(wsd_addr_is_any(&six));
	six = ipv6(mapped, 0, 1);
	assert_true(wsd_addr_is_loopback(&six));
	b.bytes[15] = 9; /* outside an IPv4 address */
	assert_true(wsd_addr_equal(&a, &b));
	b.port = 2;
	assert_false(wsd_addr_equal(&a, &b));
	b = a;
	b.bytes[3]++;
	assert_false(wsd_addr_equal(&a, &b));
	six.scope = 7; /* the program's; the system forgets it where it means nothing */
	b = six;
	b.scope = 0;
	assert_true(!wsd_addr_equal(&six, &b) && wsd_addr_same_end(&six, &b));
	six.bytes[0] = b.bytes[0] = 0xfe;
	six.bytes[1] = b.bytes[1] = 0x80;
	assert_false(wsd_addr_same_end(&six, &b));
	b.scope = six.scope;
	assert_true(wsd_addr_same_end(&six, &b));
	b.port++;
	assert_false(wsd_addr_same_end(&six, &b));
	assert_false(wsd_addr_is_any(&a));
	memset(a.bytes, 0, sizeof(a.bytes));
	assert_true(wsd_addr_is_any(&a));
	assert_false(wsd_addr_is_loopback(&a));
}

struct seen {
	const char *name;
	uint64_t value;
	unsigned times;
};

static void look(const char *topic, const char *name, const char *help, uint64_t value, void *arg)
{
	struct seen *seen = arg;

	if (strcmp(topic, "test") != 0 || strcmp(name, seen->name) != 0)
		return;
	assert_string_equal(help, "what it counts");
	seen->value = value;
	seen->times++;
}

static void count_many(void *arg)
{
	uint64_t *counter = wsd_counter("test", "shared", "what it counts");
	unsigned i;

	(void)arg;
	for (i = 0; i < 1000; i++)
		wsd_count(counter, 2);
}

static void test_counter_is_shared_between_threads(void **state)
{
	struct seen seen = { .name = "shared" };
	struct wsd_thread *threads[4];
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(wsd_thread_start(&threads[i], "count", count_many, NULL), WSD_OK);
	for (i = 0; i < 4; i++)
		wsd_thread_join(threads[i]);
	wsd_counter_each(look, &seen);
	assert_int_equal(seen.times, 1);
	assert_int_equal(seen.value, 8000);
}

static void test_counter_copies_its_texts(void **state)
{
	struct seen seen = { .name = "copied" };
	char name[] = "copied";
	uint64_t *counter = wsd_counter("test", name, "what it counts");

	(void)state;
	name[0] = 'x';
	wsd_count(counter, 5);
	assert_ptr_equal(wsd_counter("test", "copied", "what it counts"), counter);
	assert_ptr_not_equal(wsd_counter("test2", "copied", ""), counter);
	wsd_counter_each(look, &seen);
	assert_int_equal(seen.value, 5);
}

static void test_alloc_is_zeroed_and_counted(void **state)
{
	uint64_t before = wsd_alloc_live();
	unsigned char *bytes = wsd_alloc(100);
	unsigned i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < 100; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(wsd_alloc_live(), before + 1);
	wsd_free(bytes);
	wsd_free(NULL);
	assert_int_equal(wsd_alloc_live(), before);
}

static void test_alloc_fails_once_on_demand(void **state)
{
	void *first, *third;

	(void)state;
	wsd_alloc_fail_nth(2);
	assert_false(wsd_alloc_failed());
	first = wsd_alloc(1);
	assert_non_null(first);
	assert_null(wsd_alloc(1));
	assert_true(wsd_alloc_failed());
	third = wsd_alloc(1);
	assert_non_null(third);
	wsd_alloc_fail_nth(0);
	assert_false(wsd_alloc_failed());
	wsd_free(first);
	wsd_free(third);
}

static void *woken;

static void note_wake(void *queue_context)
{
	woken = queue_context;
}

static void test_host_table_is_complete(void **state)
{
	const struct wsd_host *host = wsd_host_table();
	int queue;

	(void)state;
	assert_int_equal(host->size, sizeof(*host));
	assert_int_equal(host->abi, WSD_BACKEND_ABI);
	assert_non_null(host->log);
	assert_true(host->now() <= host->now());
	host->wake(&queue); /* nobody listens yet: nothing happens */
	wsd_host_set_wake(note_wake);
	host->wake(&queue);
	assert_ptr_equal(woken, &queue);
	wsd_host_set_wake(NULL);
	assert_int_equal(host->param_uint("nosuch", "thing", 5, 0, 9), 5);
	assert_string_equal(host->param_text("nosuch", "thing", "x"), "x");
}

struct item {
	int value;
	struct wsd_list link;
};

static void test_list(void **state)
{
	struct item items[3] = { { .value = 0 }, { .value = 1 }, { .value = 2 } };
	struct wsd_list list, other, *node, *after;
	int expect = 0;

	(void)state;
	wsd_list_init(&list);
	wsd_list_init(&other);
	assert_null(wsd_list_pop(&list));
	wsd_list_append(&list, &items[1].link);
	wsd_list_append(&other, &items[2].link);
	wsd_list_prepend(&list, &items[0].link);
	wsd_list_splice(&list, &other);
	wsd_list_splice(&list, &other); /* empty now */
	assert_true(wsd_list_empty(&other));
	wsd_list_for_each_safe(node, after, &list) {
		assert_int_equal(wsd_container(node, struct item, link)->value, expect++);
		wsd_list_remove(node);
		wsd_list_remove(node); /* harmless */
	}
	assert_int_equal(expect, 3);
	assert_true(wsd_list_empty(&list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_text_known_and_unknown),
		cmocka_unit_test(test_addr_text),
		cmocka_unit_test(test_addr_predicates),
		cmocka_unit_test(test_counter_is_shared_between_threads),
		cmocka_unit_test(test_counter_copies_its_texts),
		cmocka_unit_test(test_alloc_is_zeroed_and_counted),
		cmocka_unit_test(test_alloc_fails_once_on_demand),
		cmocka_unit_test(test_host_table_is_complete),
		cmocka_unit_test(test_list),
	};

	test_deadline(20);
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}

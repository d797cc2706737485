// SPDX-License-Identifier: BSD-2-Clause
/* path.c - see path.h. */
#include "provider/transport/path.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "provider/transport/memory.h"
#include "provider/transport/plain.h"
#include "provider/transport/rules.h"
#include "provider/transport/unanswered.h"
#include "rdma_backend/base/base.h"

/* The failure that tells the program most: somebody refused > this path could not even be tried >
 * nobody listens > timed out > not reachable. */
static int weight(enum wsd_status status)
{
	switch ((int)status) {
	case WSD_EREFUSED:
		return 6;
	case WSD_ENOFILES:
	case WSD_ENOMEM:
	case WSD_EREGISTER:
	case WSD_EMEMLOCK:
		return 5;
	case WSD_ENOLISTENER:
		return 4;
	case WSD_ETIMEDOUT:
	case WSD_ENOANSWER:
		return 3;
	case WSD_EUNREACHABLE:
		return 1;
	default:
		return 2;
	}
}

/* In the memory of those that did not answer: no OpenWSD listens at this address and port. Each connect to such a peer
 * has this reason, so it is there and not made. */
#define ANY_PATH "openwsd"
#define BY_HEART ANY_PATH ": nothing answers there by this path (-70)"

static struct wsd_engine *engine_of(const struct wsd_paths *paths)
{
	return wsd_engine_at(paths->order[paths->index]);
}

/* --- reasons --- */

static uint64_t *_Atomic counters[WSD_REASONS];
/* Those that have been counted since wsd_reasons_tell: a bit each. */
static _Atomic uint32_t counted[WSD_REASONS / 32];

/* NULL: what counts as no reason. */
static uint64_t *_Atomic *counter_of(enum wsd_status status)
{
	return status < 0 && status > -(int)WSD_REASONS ? &counters[-(int)status] : NULL;
}

static uint64_t *make_counter(enum wsd_status status)
{
	static const struct {
		enum wsd_status status;
		const char *name, *text;
	} all[] = {
#define REASON(name, value, text) { WSD_##name, #name, text },
		WSD_STATUS_LIST(REASON)
#undef REASON
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].status == status)
			return wsd_counter("reasons", all[i].name, all[i].text);
	return NULL;
}

static void count_reason(enum wsd_status status)
{
	uint64_t *_Atomic *place = counter_of(status);
	uint64_t *counter = place ? atomic_load(place) : NULL;

	if (place && !counter) {
		counter = make_counter(status);
		atomic_store(place, counter);
	}
	if (!counter)
		return;
	wsd_count(counter, 1);
	atomic_fetch_or(&counted[-(int)status / 32], 1u << -(int)status % 32);
}

/* Threads may come here with an older value than others. */
static void raise_to(_Atomic uint64_t *count, uint64_t value)
{
	uint64_t now = atomic_load_explicit(count, memory_order_relaxed);

	while (now < value && !atomic_compare_exchange_weak(count, &now, value))
		;
}

void wsd_reasons_tell_all(_Atomic uint64_t *counts)
{
	for (unsigned i = 0; i < WSD_REASONS; i++)
		if (atomic_load(&counters[i]))
			raise_to(&counts[i], wsd_counter_value(atomic_load(&counters[i])));
}

void wsd_reasons_tell(_Atomic uint64_t *counts)
{
	for (unsigned word = 0; word < WSD_REASONS / 32; word++) {
		uint32_t bits = atomic_load(&counted[word]);

		if (bits)
			bits = atomic_exchange(&counted[word], 0);
		for (unsigned i = word * 32; bits != 0; i++, bits >>= 1)
			if (bits & 1)
				raise_to(&counts[i], wsd_counter_value(atomic_load(&counters[i])));
	}
}

static void append(char *reasons, const char *text)
{
	size_t at = strlen(reasons), length = strlen(text), room = WSD_REASON_BYTES - 1 - at;

	length = length < room ? length : room;
	memcpy(reasons + at, text, length);
	reasons[at + length] = '\0';
}

/* Memory for them, with what stands there already. */
static bool begin_reasons(struct wsd_paths *paths)
{
	if (paths->reasons)
		return true;
	paths->reasons = wsd_alloc(WSD_REASON_BYTES);
	if (paths->reasons && paths->by_heart)
		append(paths->reasons, BY_HEART);
	return paths->reasons != NULL;
}

/* One reason, in parts. */
static void note(struct wsd_paths *paths, const char *const *parts, unsigned count)
{
	if (!begin_reasons(paths))
		return;
	if (paths->reasons[0])
		append(paths->reasons, "; ");
	for (unsigned i = 0; i < count; i++)
		append(paths->reasons, parts[i]);
}

/* " (-62)": every status is between 0 and -127. */
static void write_number(char *to, enum wsd_status status)
{
	unsigned n = (unsigned)(-(int)status);

	memcpy(to, " (-", 3);
	to += 3;
	if (n >= 100)
		*to++ = (char)('0' + n / 100);
	if (n >= 10)
		*to++ = (char)('0' + n / 10 % 10);
	*to++ = (char)('0' + n % 10);
	memcpy(to, ")", 2);
}

static void add_reason(struct wsd_paths *paths, const char *path, enum wsd_status status)
{
	char number[16];
	const char *parts[] = { path, ": ", wsd_status_text(status), number };

	if (!paths->again)
		count_reason(status);
	write_number(number, status);
	wsd_log(WSD_LOG_DEBUG, "path", "%s: %s%s", path, parts[2], number);
	note(paths, parts, 4);
}

/* Backends before the next engine that have none. */
static void pass_missing(struct wsd_paths *paths)
{
	unsigned next =
		paths->index < paths->count ? paths->order[paths->index] : wsd_engine_count();
	enum wsd_status status;
	const char *reason;

	while ((reason = wsd_engine_missing(paths->missing, next, &status)) != NULL) {
		if (!paths->again)
			count_reason(status);
		note(paths, &reason, 1);
		paths->missing++;
	}
}

/* --- the order --- */

static void add_path(struct wsd_paths *paths, unsigned engine)
{
	if (paths->count < WSD_PATHS_MOST)
		paths->order[paths->count++] = (uint8_t)engine;
}

/* The engines in the rule's order; of one name in their own. */
static void order_by_rule(struct wsd_paths *paths, const struct wsd_rule *rule, bool streams)
{
	for (unsigned place = 0; place < rule->path_count; place++) {
		for (unsigned i = 0; i < wsd_engine_count(); i++) {
			struct wsd_engine *engine = wsd_engine_at(i);

			if (wsd_rule_path(rule, wsd_engine_name(engine)) == (int)place &&
			    (streams || !wsd_engine_is_plain(engine)))
				add_path(paths, i);
		}
	}
}

static void order_all(struct wsd_paths *paths, bool streams)
{
	for (unsigned i = 0; i < wsd_engine_count(); i++)
		if (streams || !wsd_engine_is_plain(wsd_engine_at(i)))
			add_path(paths, i);
}

/* To a peer that is known to speak only TCP the others are left for the case that this fails. */
static void skip_known(struct wsd_paths *paths, const struct wsd_addr *remote)
{
	uint8_t plain, last = (uint8_t)(paths->count - 1);

	if (!wsd_engine_is_plain(wsd_engine_at(paths->order[last])) ||
	    !wsd_unanswered_known(ANY_PATH, remote))
		return;
	plain = paths->order[last];
	memmove(paths->order + 1, paths->order, last);
	paths->order[0] = plain;
	paths->by_heart = true;
	paths->missing = UINT32_MAX;
	count_reason(WSD_ENOANSWER);
	wsd_log(WSD_LOG_DEBUG, "path", "%s", BY_HEART);
}

void wsd_paths_begin(struct wsd_paths *paths, const struct wsd_addr *remote, bool streams)
{
	const struct wsd_rule *rule = wsd_rules_find(false, remote);
	char name[32];

	paths->count = paths->index = 0;
	paths->by_heart = paths->passing = paths->again = false;
	paths->best = WSD_EUNREACHABLE;
	paths->missing = rule ? UINT32_MAX : 0; /* a rule has an order of its own */
	if (rule)
		order_by_rule(paths, rule, streams);
	else
		order_all(paths, streams);
	if (paths->count > 1 && streams)
		skip_known(paths, remote);
	if (paths->count > 0 || !rule)
		return;
	paths->best = WSD_EDENIED;
	snprintf(name, sizeof(name), "rule at line %u", rule->line);
	add_reason(paths, name, WSD_EDENIED);
}

bool wsd_paths_have_plain(const struct wsd_paths *paths)
{
	for (unsigned i = 0; i < paths->count; i++)
		if (wsd_engine_is_plain(wsd_engine_at(paths->order[i])))
			return true;
	return false;
}

void wsd_paths_again(struct wsd_paths *paths)
{
	paths->index = 0;
	paths->passing = false;
	paths->again = true;
	paths->best = WSD_EUNREACHABLE;
	if (paths->missing != UINT32_MAX)
		paths->missing = 0;
	if (paths->reasons)
		paths->reasons[0] = '\0';
}

const char *wsd_paths_reasons(const struct wsd_paths *paths)
{
	return !paths->reasons && paths->by_heart ? BY_HEART : paths->reasons;
}

char *wsd_paths_take_reasons(struct wsd_paths *paths)
{
	char *reasons;

	if (paths->by_heart)
		(void)begin_reasons(paths);
	reasons = paths->reasons;
	paths->reasons = NULL;
	return reasons;
}

bool wsd_paths_listen(const struct wsd_addr *local, const struct wsd_engine *engine)
{
	const struct wsd_rule *rule = wsd_rules_find(true, local);

	return !rule || wsd_rule_path(rule, wsd_engine_name(engine)) >= 0;
}

/* --- trying --- */

/* Notes of one path hold for a whole host. */
static struct wsd_addr host_of(const struct wsd_addr *remote)
{
	struct wsd_addr host = *remote;

	host.port = 0;
	return host;
}

/* A failure that does not say that the peer has no OpenWSD, and that the next connect need not have: what is short here
 * or there, an answer that failed. A device that was removed is as one that never was there. */
static bool passes(const struct wsd_engine *engine, enum wsd_status status)
{
	return status > WSD_ECANCELLED || wsd_no_registration(status) || status == WSD_ERESET ||
	       (status <= WSD_EDEVICE && !wsd_engine_gone(engine));
}

/* Somebody may be there who is slow to answer, so it is held against this port only, and within a host nothing is lost
 * on the way. */
void wsd_paths_given_up(const struct wsd_paths *paths, const struct wsd_addr *remote)
{
	const struct wsd_engine *engine = engine_of(paths);

	if (!wsd_engine_is_plain(engine) && !(wsd_engine_attr(engine)->caps & WSD_CAP_SAME_HOST))
		wsd_unanswered_note(wsd_engine_name(engine), remote, false);
}

void wsd_paths_failed(struct wsd_paths *paths, const struct wsd_addr *remote,
		      enum wsd_status status)
{
	const struct wsd_engine *engine = engine_of(paths);
	bool plain = wsd_engine_is_plain(engine);
	struct wsd_addr host = host_of(remote);

	if (status == WSD_ENOANSWER)
		wsd_unanswered_note(wsd_engine_name(engine), &host, true);
	if (plain && paths->by_heart)
		wsd_unanswered_forget(ANY_PATH, remote);
	add_reason(paths, wsd_engine_name(engine), status);
	/* TCP's own answer is the truth about who cannot be reached by anything better. */
	if (weight(status) > weight(paths->best) || plain)
		paths->best = status;
	paths->passing = paths->passing || passes(engine, status);
	paths->index++;
}

void wsd_paths_opened(const struct wsd_paths *paths, const struct wsd_engine *engine,
		      const struct wsd_addr *remote)
{
	struct wsd_addr host = host_of(remote);

	if (!wsd_engine_is_plain(engine)) {
		wsd_unanswered_forget(wsd_engine_name(engine), &host);
		wsd_unanswered_forget(wsd_engine_name(engine), remote);
	} else if (paths && paths->index > 0 && !paths->by_heart && !paths->passing) {
		wsd_unanswered_note(ANY_PATH, remote, false);
	}
}

static enum wsd_status reach(const struct wsd_engine *engine, const struct wsd_addr *local,
			     const struct wsd_addr *remote)
{
	if (wsd_engine_gone(engine))
		return WSD_EDEVICE;
	return wsd_engine_ops(engine)->reachable(wsd_engine_device(engine), local, remote);
}

/* Nobody answered there lately, and another path is left: the last one is tried whatever is known. */
static bool pass_over(const struct wsd_paths *paths, const struct wsd_addr *local,
		      const struct wsd_addr *remote)
{
	const char *name = wsd_engine_name(engine_of(paths));
	struct wsd_addr host = host_of(remote);
	unsigned i;

	if (!wsd_unanswered_known(name, &host) && !wsd_unanswered_known(name, remote))
		return false;
	for (i = paths->index + 1u; i < paths->count; i++) {
		if (reach(wsd_engine_at(paths->order[i]), local, remote) == WSD_OK)
			return true;
	}
	return false;
}

struct wsd_engine *wsd_paths_next(struct wsd_paths *paths, const struct wsd_addr *local,
				  const struct wsd_addr *remote)
{
	pass_missing(paths);
	while (paths->index < paths->count) {
		struct wsd_engine *engine = engine_of(paths);
		enum wsd_status status = reach(engine, local, remote);

		/* TCP of the system is never one by which a host did not answer. */
		if (status == WSD_OK && !wsd_engine_is_plain(engine) &&
		    pass_over(paths, local, remote))
			status = WSD_ENOANSWER;
		if (status == WSD_OK)
			return engine;
		wsd_paths_failed(paths, remote, status);
		pass_missing(paths);
	}
	return NULL;
}

void wsd_paths_end(struct wsd_paths *paths)
{
	wsd_free(paths->reasons);
	paths->reasons = NULL;
}

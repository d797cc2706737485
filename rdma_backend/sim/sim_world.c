// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_world.c - the clock, the schedule and the seed of the simulated world, and the events on
 * their way to a queue's owner.
 *
 * Live mode counts time in polls of any queue, so that a scripted delay passes however fast the
 * callers run; arm refuses to sleep while anything is scheduled. In stepped mode only
 * wsd_sim_advance moves it.
 */
#include "rdma_backend/sim/sim_internal.h"

#include <string.h>

struct sim_world wsd_sim = { .lock = WSD_MUTEX_INIT };

void wsd_sim_lock(void)
{
	unsigned i;

	wsd_mutex_lock(&wsd_sim.lock);
	if (wsd_sim.ready)
		return;
	wsd_list_init(&wsd_sim.items);
	wsd_list_init(&wsd_sim.queues);
	wsd_list_init(&wsd_sim.listeners);
	for (i = 0; i < SIM_KEY_BUCKETS; i++)
		wsd_list_init(&wsd_sim.keys[i]);
	wsd_sim.random = 1;
	wsd_sim.clock = 1000000000u;
	wsd_sim.ready = true;
}

void wsd_sim_unlock(void)
{
	wsd_mutex_unlock(&wsd_sim.lock);
}

/* splitmix64: small, and good for any seed. */
uint64_t wsd_sim_random(void)
{
	uint64_t z = wsd_sim.random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t wsd_sim_clock_ns(void)
{
	return wsd_sim.stepped ? wsd_sim.clock : wsd_sim.host->now();
}

uint64_t wsd_sim_present(void)
{
	return wsd_sim.stepped ? wsd_sim.clock : wsd_sim.polls;
}

uint64_t wsd_sim_after_delay(void)
{
	const struct sim_rules *rules = &wsd_sim.rules;
	uint64_t delay = rules->delay_min;

	if (rules->delay_max > rules->delay_min)
		delay += wsd_sim_random() % (rules->delay_max - rules->delay_min + 1);
	return wsd_sim_present() + (wsd_sim.stepped ? delay * 1000u : delay);
}

void wsd_sim_item_init(struct sim_item *item, void (*run)(struct sim_item *item))
{
	wsd_list_init(&item->link);
	item->run = run;
	item->queue[0] = NULL;
	item->queue[1] = NULL;
}

/* An earlier schedule of the same item is replaced. */
void wsd_sim_schedule(struct sim_item *item, uint64_t due)
{
	struct wsd_list *at;
	unsigned i;

	wsd_list_remove(&item->link);
	item->due = due;
	for (at = wsd_sim.items.prev; at != &wsd_sim.items; at = at->prev) {
		if (wsd_container(at, struct sim_item, link)->due <= due)
			break;
	}
	wsd_list_insert_before(at->next, &item->link);
	if (wsd_sim.stepped && due > wsd_sim.clock)
		return; /* wsd_sim_advance will run it */
	for (i = 0; i < 2; i++) {
		if (item->queue[i])
			wsd_sim_queue_fire(item->queue[i]);
	}
}

void wsd_sim_run_due(void)
{
	uint64_t present = wsd_sim_present();

	while (!wsd_list_empty(&wsd_sim.items)) {
		struct sim_item *item = wsd_container(wsd_sim.items.next, struct sim_item, link);

		if (item->due > present)
			return;
		wsd_list_remove(&item->link);
		item->run(item);
	}
}

void wsd_sim_source_init(struct sim_source *source, struct wsd_queue *queue, void *context)
{
	wsd_list_init(&source->link);
	wsd_list_init(&source->notes);
	source->queue = queue;
	source->context = context;
	source->serial = ++wsd_sim.serial;
}

void wsd_sim_source_fini(struct sim_source *source)
{
	while (wsd_list_pop(&source->notes))
		;
	wsd_list_remove(&source->link);
}

void wsd_sim_note_init(struct sim_note *note, enum sim_note_kind kind)
{
	wsd_list_init(&note->link);
	note->kind = kind;
	memset(&note->event, 0, sizeof(note->event));
}

void wsd_sim_note_push(struct sim_source *source, struct sim_note *note)
{
	if (source->queue->gone && note->event.type != WSD_EV_DEVICE_GONE)
		return;
	note->event.context = source->context;
	wsd_list_append(&source->notes, &note->link);
	if (wsd_list_empty(&source->link))
		wsd_list_append(&source->queue->ready, &source->link);
	wsd_sim_queue_fire(source->queue);
}

void wsd_sim_note_cancel(struct sim_source *source, struct sim_note *note)
{
	wsd_list_remove(&note->link);
	if (wsd_list_empty(&source->notes))
		wsd_list_remove(&source->link);
}

void wsd_sim_queue_fire(struct wsd_queue *queue)
{
	if (!queue->armed)
		return;
	queue->armed = false;
	queue->fired = true;
	wsd_sim_wait_set(queue->wait, 1);
}

bool wsd_sim_fault(enum sim_fault fault, enum wsd_status *status)
{
	uint64_t *countdown = &wsd_sim.rules.countdown[fault];

	if (*countdown == 0 || --*countdown != 0)
		return false;
	*status = wsd_sim.rules.status[fault];
	return true;
}

void wsd_sim_count(const char *name, const char *help)
{
	++*wsd_sim.host->counter("sim", name, help); /* the world's lock serialises the writers */
}

void wsd_sim_reset(void)
{
	wsd_sim_lock();
	memset(&wsd_sim.rules, 0, sizeof(wsd_sim.rules));
	wsd_sim.stepped = false;
	wsd_sim.random = 1;
	wsd_sim.digest = 0;
	if (wsd_sim.devices == 0)
		wsd_sim.serial = 0;
	wsd_sim_unlock();
}

void wsd_sim_set_seed(uint64_t seed)
{
	wsd_sim_lock();
	wsd_sim.random = seed;
	wsd_sim_unlock();
}

void wsd_sim_set_stepped(bool stepped)
{
	wsd_sim_lock();
	wsd_sim.stepped = stepped;
	wsd_sim_unlock();
}

/* The next connect limit after the clock, over all queues. */
static uint64_t sim_next_deadline(void)
{
	struct wsd_list *q, *e;
	uint64_t next = UINT64_MAX;

	wsd_list_for_each(q, &wsd_sim.queues) {
		struct wsd_queue *queue = wsd_container(q, struct wsd_queue, link);

		wsd_list_for_each(e, &queue->connecting) {
			struct wsd_endpoint *ep = wsd_container(e, struct wsd_endpoint, connecting);

			if (ep->deadline < next)
				next = ep->deadline;
		}
	}
	return next;
}

static uint64_t sim_next_time(void)
{
	uint64_t next = sim_next_deadline();

	if (!wsd_list_empty(&wsd_sim.items)) {
		struct sim_item *item = wsd_container(wsd_sim.items.next, struct sim_item, link);

		if (item->due < next)
			next = item->due;
	}
	return next;
}

uint64_t wsd_sim_next(void)
{
	uint64_t next;

	wsd_sim_lock();
	next = sim_next_time();
	if (next != UINT64_MAX)
		next = next > wsd_sim.clock ? next - wsd_sim.clock : 0;
	wsd_sim_unlock();
	return next;
}

void wsd_sim_advance(uint64_t ns)
{
	struct wsd_list *q;
	uint64_t target, next;

	wsd_sim_lock();
	target = wsd_sim.clock + ns;
	for (next = sim_next_time(); next <= target; next = sim_next_time()) {
		if (next > wsd_sim.clock)
			wsd_sim.clock = next;
		wsd_sim_run_due();
		wsd_list_for_each(q, &wsd_sim.queues)
			wsd_sim_check_timeouts(wsd_container(q, struct wsd_queue, link));
	}
	wsd_sim.clock = target;
	wsd_sim_unlock();
}

uint64_t wsd_sim_digest(void)
{
	uint64_t digest;

	wsd_sim_lock();
	digest = wsd_sim.digest;
	wsd_sim_unlock();
	return digest;
}

enum wsd_status wsd_sim_script(const char *text)
{
	enum wsd_status status;

	wsd_sim_lock();
	status = wsd_sim_run_script(text);
	wsd_sim_unlock();
	return status;
}

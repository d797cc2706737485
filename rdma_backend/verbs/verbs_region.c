// SPDX-License-Identifier: BSD-2-Clause
/* verbs_region.c - registered memory, and the words in which peers say goodbye. */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define PAGE	   4096u
#define WORDS	   (PAGE / sizeof(uint64_t))
#define ALL_RIGHTS (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

/* Of this process, by registrations; 0: not known. */
static uint64_t pinned_bytes(void)
{
	unsigned long long kib = 0;
	FILE *file = fopen("/proc/self/status", "re");
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmPin: %llu", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}

/* ENOMEM is the limit of locked memory, or the adapter's. The first refuses what would go across the limit, to
 * those that it counts for: who has more pinned than it allows is none of them. With a limit of 0 it is EPERM. */
enum wsd_status verbs_no_room(int error, const void *base, uint64_t length)
{
	uint64_t pinned, pages = ((uintptr_t)base % PAGE + length + PAGE - 1) / PAGE;
	struct rlimit limit;

	if ((error != ENOMEM && error != EPERM) || getrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return WSD_EREGISTER;
	if (error == EPERM)
		return limit.rlim_cur == 0 ? WSD_EMEMLOCK : WSD_EREGISTER;
	pinned = pinned_bytes();
	return pinned <= limit.rlim_cur && pages * PAGE > limit.rlim_cur - pinned ? WSD_EMEMLOCK
										  : WSD_EREGISTER;
}

static enum wsd_status reg_status(int error, const void *base, uint64_t length)
{
	return error == EINVAL || error == EFAULT ? WSD_EINVAL : verbs_no_room(error, base, length);
}

static enum wsd_status reg_memory(struct wsd_device *device, struct verbs_region *region,
				  void *base, uint64_t length, uint32_t access)
{
	int rights = IBV_ACCESS_LOCAL_WRITE; /* any region may receive */

	if (access & WSD_ACCESS_REMOTE_READ)
		rights |= IBV_ACCESS_REMOTE_READ;
	if (access & WSD_ACCESS_REMOTE_WRITE)
		rights |= IBV_ACCESS_REMOTE_WRITE;
	region->mr = ibv_reg_mr(device->pd, base, length, rights);
	if (!region->mr && errno == EFAULT &&
	    !(access & (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_WRITE))) /* read-only memory */
		region->mr = ibv_reg_mr(device->pd, base, length, rights & ~IBV_ACCESS_LOCAL_WRITE);
	if (!region->mr)
		return reg_status(errno, base, length);
	region->device = device;
	region->pub.base = base;
	region->pub.length = length;
	region->pub.remote_addr = (uintptr_t)base;
	/* Some adapters give no remote key without remote rights; the local one opens nothing. */
	region->pub.remote_key = region->mr->rkey ? region->mr->rkey : region->mr->lkey;
	region->pub.access = access;
	wsd_list_init(&region->link);
	return WSD_OK;
}

enum wsd_status verbs_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			  uint64_t id, struct wsd_region **made)
{
	struct verbs_region *region;
	enum wsd_status status;

	(void)id;
	if (length == 0 || (access & ~ALL_RIGHTS))
		return WSD_EINVAL;
	region = queue->device->host->alloc(sizeof(*region));
	if (!region)
		return WSD_ENOMEM;
	region->block = region;
	status = reg_memory(queue->device, region, base, length, access);
	if (status != WSD_OK)
		queue->device->host->free(region);
	else
		*made = &region->pub;
	return status;
}

void verbs_dereg(struct wsd_region *pub)
{
	struct verbs_region *region = wsd_container(pub, struct verbs_region, pub);

	wsd_list_remove(&region->link);
	ibv_dereg_mr(region->mr);
	region->device->host->free(region->block);
}

/* The region stands behind its memory, so that the peer's pages hold nothing of ours. */
enum wsd_status verbs_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
				struct wsd_region **made)
{
	struct wsd_device *device = endpoint->queue->device;
	uint64_t bytes = (length + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	struct verbs_region *region;
	enum wsd_status status;
	uint8_t *block, *base;

	if (length == 0 || bytes < length || (access & ~ALL_RIGHTS))
		return WSD_EINVAL;
	block = device->host->alloc(bytes + PAGE + sizeof(*region));
	if (!block)
		return WSD_ENOMEM;
	base = block + (PAGE - (uintptr_t)block % PAGE) % PAGE;
	region = (void *)(base + bytes);
	region->block = block;
	status = reg_memory(device, region, base, bytes, access);
	if (status != WSD_OK) {
		device->host->free(block);
		return status;
	}
	region->endpoint = endpoint;
	wsd_list_append(&endpoint->memory, &region->link);
	*made = &region->pub;
	return WSD_OK;
}

/* A queue pair that ended in the middle of a write of its peer holds on to the memory until it is destroyed (the rxe
 * of 6.1 has whoever deregisters it wait for 50 s), so what it had goes behind it. */
void verbs_mem_free(struct wsd_region *pub)
{
	struct verbs_region *region = wsd_container(pub, struct verbs_region, pub);

	if (!region->endpoint->ready || atomic_load(&region->endpoint->state) == VERBS_OPEN)
		verbs_dereg(pub);
}

static void page_free(struct wsd_device *device, struct verbs_page *page)
{
	if (page->word_mr)
		ibv_dereg_mr(page->word_mr);
	if (page->source_mr)
		ibv_dereg_mr(page->source_mr);
	device->host->free(page);
}

static enum wsd_status page_add(struct wsd_queue *queue)
{
	struct wsd_device *device = queue->device;
	size_t head = sizeof(struct verbs_page) + WORDS * sizeof(uint16_t);
	struct verbs_page *page = device->host->alloc(head + 3 * PAGE);
	uintptr_t words;

	if (!page)
		return WSD_ENOMEM;
	words = ((uintptr_t)page + head + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	page->words = (void *)words;
	page->sources = (void *)(words + PAGE);
	page->word_mr = ibv_reg_mr(device->pd, page->words, PAGE,
				   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	if (page->word_mr)
		page->source_mr = ibv_reg_mr(device->pd, page->sources, PAGE, 0);
	if (!page->source_mr) {
		enum wsd_status status = reg_status(errno, page->words, PAGE);

		page_free(device, page);
		return status;
	}
	for (uint16_t i = 0; i < WORDS; i++)
		page->free_words[page->free_count++] = i;
	page->next = queue->pages;
	queue->pages = page;
	return WSD_OK;
}

enum wsd_status verbs_word_take(struct wsd_queue *queue, struct verbs_word *word)
{
	struct verbs_page *page = queue->pages;
	enum wsd_status status;

	while (page && page->free_count == 0)
		page = page->next;
	if (!page) {
		status = page_add(queue);
		if (status != WSD_OK)
			return status;
		page = queue->pages;
	}
	word->page = page;
	word->index = page->free_words[--page->free_count];
	page->words[word->index] = 0;
	return WSD_OK;
}

void verbs_word_give(struct verbs_word *word)
{
	if (word->page)
		word->page->free_words[word->page->free_count++] = word->index;
	word->page = NULL;
}

void verbs_pages_free(struct wsd_queue *queue)
{
	struct verbs_page *page;

	while ((page = queue->pages) != NULL) {
		queue->pages = page->next;
		page_free(queue->device, page);
	}
}

void verbs_word_tell(const struct wsd_endpoint *endpoint, struct verbs_greeting *greeting)
{
	const struct verbs_page *page = endpoint->word.page;

	greeting->word_key = page->word_mr->rkey;
	greeting->word_addr = (uintptr_t)&page->words[endpoint->word.index];
}

bool verbs_word_said(const struct wsd_endpoint *endpoint)
{
	return endpoint->hears &&
	       endpoint->word.page->words[endpoint->word.index] == endpoint->hears;
}

void verbs_word_source(struct wsd_endpoint *endpoint, struct ibv_sge *sge)
{
	struct verbs_page *page = endpoint->word.page;
	uint64_t *source = &page->sources[endpoint->word.index];

	*source = endpoint->says;
	sge->addr = (uintptr_t)source;
	sge->length = sizeof(*source);
	sge->lkey = page->source_mr->lkey;
}

// SPDX-License-Identifier: BSD-2-Clause
/* share_record.c - the records of shared sockets and of tokens, see share.h. */
#include "provider/winsock/share.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "provider/transport/resume.h"
#include "rdma_backend/base/base.h"

#define MAGIC	      0x4853574fu /* "OWSH" */
#define LAYOUT	      4u
#define SEAT	      0u /* the locks: the seat, then one for each member */
#define MEMBERS_AT    512u
#define ROOM_AT	      1024u /* are they asked to share the port? */
#define TOKEN_PREFIX  "openwsd-token-"
#define RECORD_PREFIX "openwsd-share-"
#define TOKENS_TRIED  64u
#define LOCK_SOON     (50 * WSD_NS_PER_MS)

/* The same in processes of 32 and of 64 bits. */
struct header {
	uint32_t magic, layout;
	uint32_t state, payload;
	uint64_t expires; /* PARKED: nobody waits for it any more */
};

struct member {
	uint32_t process;
	uint32_t want; /* enum wsd_share_want */
	uint8_t bell[WSD_BELL_NAME];
	uint32_t port; /* enum wsd_share_port */
	uint8_t box[WSD_OS_PASS_BOX];
	uint8_t has, lacks; /* of the system's sockets */
	uint8_t gone, unused;
};

struct token {
	uint32_t magic, layout;
	struct wsd_share_kind kind;
	uint32_t process, unused;
	uint64_t started; /* of that process */
	uint64_t expires;
	char name[WSD_RECORD_NAME];
};

_Static_assert(sizeof(struct header) == 24 && offsetof(struct header, expires) == 16,
	       "a record's layout");
_Static_assert(sizeof(struct member) == 32 && offsetof(struct member, bell) == 8 &&
		       offsetof(struct member, port) == 16 && offsetof(struct member, box) == 20 &&
		       offsetof(struct member, has) == 28 && offsetof(struct member, gone) == 30,
	       "a member's layout");
_Static_assert(sizeof(struct header) <= MEMBERS_AT &&
		       MEMBERS_AT + WSD_SHARE_MEMBERS * sizeof(struct member) <= ROOM_AT,
	       "nothing of a record lies above something else");
_Static_assert(sizeof(struct wsd_share_kind) == 16 && sizeof(struct token) == 96 &&
		       offsetof(struct token, kind) == 8 && offsetof(struct token, process) == 24 &&
		       offsetof(struct token, started) == 32 &&
		       offsetof(struct token, expires) == 40 && offsetof(struct token, name) == 48,
	       "a token's layout");

static int error_of(enum wsd_status status)
{
	if (status == WSD_EUNSUPPORTED)
		return WSAEOPNOTSUPP;
	return status == WSD_ENOFILES ? WSAEMFILE : WSAENOBUFS;
}

static uint64_t member_at(unsigned slot)
{
	return MEMBERS_AT + (uint64_t)(slot - 1) * sizeof(struct member);
}

static void token_name(char *name, uint32_t index)
{
	snprintf(name, WSD_RECORD_NAME, TOKEN_PREFIX "%08x", index);
}

/* --- what dead processes left --- */

static void look_at_token(const char *name, void *arg)
{
	struct token token;
	intptr_t record;

	(void)arg;
	if (wsd_record_open(name, &record) != WSD_OK)
		return;
	/* An empty one is being written just now, or never will be: its record goes first. */
	if (wsd_record_read(record, 0, &token, sizeof(token)) && wsd_clock_ns() > token.expires)
		(void)wsd_record_remove(name);
	wsd_record_close(record);
}

static void look_at_record(const char *name, void *arg)
{
	struct header header;
	intptr_t record;
	bool alive = false;

	(void)arg;
	if (wsd_record_open(name, &record) != WSD_OK)
		return;
	for (unsigned i = SEAT; i <= WSD_SHARE_MEMBERS && !alive; i++)
		alive = wsd_record_locked(record, i);
	if (!alive && wsd_record_read(record, 0, &header, sizeof(header)) &&
	    wsd_clock_ns() > header.expires)
		(void)wsd_record_remove(name);
	wsd_record_close(record);
}

/* --- members --- */

static bool enrol(struct wsd_share_record *share)
{
	struct member member = { .process = wsd_process_id() };

	memcpy(member.bell, share->bell_name, sizeof(member.bell));
	for (unsigned i = 1; i <= WSD_SHARE_MEMBERS; i++) {
		if (!wsd_record_lock(share->record, i))
			continue;
		if (!wsd_record_write(share->record, member_at(i), &member, sizeof(member))) {
			wsd_record_unlock(share->record, i);
			return false;
		}
		share->slot = i;
		return true;
	}
	return false;
}

static bool lives(const struct wsd_share_record *share, unsigned slot)
{
	return wsd_record_locked(share->record, slot);
}

static bool read_members(const struct wsd_share_record *share, struct member *members)
{
	return wsd_record_read(share->record, MEMBERS_AT, members,
			       WSD_SHARE_MEMBERS * sizeof(*members));
}

struct wanted {
	const char *name; /* of the record; NULL: it was found */
	bool alive;	  /* only what a process is meant for that lives */
};

static bool may_come(const struct token *token)
{
	uint64_t started = 0;

	return wsd_process_started(token->process, &started) && started == token->started;
}

static void look_for_token(const char *name, void *arg)
{
	struct wanted *wanted = arg;
	struct token token;
	intptr_t record;

	if (wanted->name == NULL || wsd_record_open(name, &record) != WSD_OK)
		return;
	if (wsd_record_read(record, 0, &token, sizeof(token)) && wsd_clock_ns() <= token.expires &&
	    strncmp(token.name, wanted->name, sizeof(token.name)) == 0 &&
	    (!wanted->alive || may_come(&token)))
		wanted->name = NULL;
	wsd_record_close(record);
}

bool wsd_share_others(struct wsd_share_record *share)
{
	struct wanted wanted = { share->name, false };
	struct member members[WSD_SHARE_MEMBERS];

	/* Who uses a token becomes a member first: look for him behind it. Whoever gave it may be gone. */
	wsd_record_each(TOKEN_PREFIX, look_for_token, &wanted);
	if (wanted.name == NULL)
		return true;
	if (!read_members(share, members))
		return false;
	for (unsigned i = 1; i <= WSD_SHARE_MEMBERS; i++)
		if (i != share->slot && !members[i - 1].gone && lives(share, i))
			return true;
	return false;
}

bool wsd_share_coming(struct wsd_share_record *share)
{
	struct wanted wanted = { share->name, true };

	wsd_record_each(TOKEN_PREFIX, look_for_token, &wanted);
	return wanted.name == NULL;
}

/* --- the system's sockets --- */

static void write_member(const struct wsd_share_record *share, unsigned slot, size_t offset,
			 const void *from, size_t length)
{
	if (slot != 0)
		(void)wsd_record_write(share->record, member_at(slot) + offset, from, length);
}

static void to_holder(const struct member *member, struct wsd_share_holder *holder)
{
	holder->process = member->process;
	holder->gone = member->gone != 0;
	holder->has = member->has;
	holder->lacks = member->lacks;
	memcpy(holder->box, member->box, sizeof(holder->box));
}

void wsd_share_holders(const struct wsd_share_record *share, struct wsd_share_holder *holders)
{
	struct member members[WSD_SHARE_MEMBERS];
	bool read = read_members(share, members);

	memset(holders, 0, WSD_SHARE_MEMBERS * sizeof(*holders));
	for (unsigned i = 0; read && i < WSD_SHARE_MEMBERS; i++)
		if (i + 1 != share->slot)
			to_holder(&members[i], &holders[i]);
}

void wsd_share_holder(const struct wsd_share_record *share, unsigned slot,
		      struct wsd_share_holder *holder)
{
	struct member member;

	memset(holder, 0, sizeof(*holder));
	if (slot != 0 && wsd_record_read(share->record, member_at(slot), &member, sizeof(member)))
		to_holder(&member, holder);
}

bool wsd_share_lives(const struct wsd_share_record *share, unsigned slot)
{
	return lives(share, slot);
}

void wsd_share_holder_say(const struct wsd_share_record *share,
			  const struct wsd_share_holder *holder)
{
	struct member member;

	memcpy(member.box, holder->box, sizeof(member.box));
	member.has = holder->has;
	member.lacks = holder->lacks;
	write_member(share, share->slot, offsetof(struct member, box), member.box,
		     offsetof(struct member, gone) - offsetof(struct member, box));
}

uint8_t wsd_share_lacks(const struct wsd_share_record *share, unsigned slot)
{
	uint8_t lacks = 0;

	if (slot == 0 ||
	    !wsd_record_read(share->record, member_at(slot) + offsetof(struct member, lacks),
			     &lacks, sizeof(lacks)))
		return 0;
	return lacks;
}

void wsd_share_set_lacks(const struct wsd_share_record *share, unsigned slot, uint8_t lacks)
{
	write_member(share, slot, offsetof(struct member, lacks), &lacks, sizeof(lacks));
}

void wsd_share_want(struct wsd_share_record *share, enum wsd_share_want want)
{
	uint32_t value = want;

	if (share->slot != 0)
		(void)wsd_record_write(share->record,
				       member_at(share->slot) + offsetof(struct member, want),
				       &value, sizeof(value));
}

enum wsd_share_want wsd_share_wanted(struct wsd_share_record *share)
{
	struct member members[WSD_SHARE_MEMBERS];
	uint32_t most = WSD_SHARE_WANT_NOTHING;

	if (!read_members(share, members))
		return WSD_SHARE_WANT_NOTHING;
	for (unsigned i = 1; i <= WSD_SHARE_MEMBERS; i++)
		if (i != share->slot && members[i - 1].want > most && lives(share, i))
			most = members[i - 1].want;
	return most < WSD_SHARE_WANT_NOW ? (enum wsd_share_want)most : WSD_SHARE_WANT_NOW;
}

void wsd_share_port_say(struct wsd_share_record *share, enum wsd_share_port how)
{
	uint32_t value = how;

	if (share->slot != 0)
		(void)wsd_record_write(share->record,
				       member_at(share->slot) + offsetof(struct member, port),
				       &value, sizeof(value));
}

bool wsd_share_port_kept(struct wsd_share_record *share)
{
	struct member members[WSD_SHARE_MEMBERS];

	if (!read_members(share, members))
		return false;
	for (unsigned i = 1; i <= WSD_SHARE_MEMBERS; i++)
		if (i != share->slot && members[i - 1].port == WSD_SHARE_PORT_ALONE &&
		    lives(share, i))
			return true;
	return false;
}

unsigned wsd_share_port_mates(const struct wsd_share_record *share)
{
	struct member members[WSD_SHARE_MEMBERS];
	uint32_t process = wsd_process_id();
	unsigned count = 0;

	if (!read_members(share, members))
		return 0;
	for (unsigned i = 1; i <= WSD_SHARE_MEMBERS; i++)
		count += i != share->slot && members[i - 1].process == process &&
			 members[i - 1].port != WSD_SHARE_PORT_NONE && lives(share, i);
	return count;
}

void wsd_share_port_ask(const struct wsd_share_record *share, bool ask)
{
	uint32_t value = ask;

	(void)wsd_record_write(share->record, ROOM_AT, &value, sizeof(value));
}

bool wsd_share_port_asked(const struct wsd_share_record *share)
{
	uint32_t value = 0;

	return wsd_record_read(share->record, ROOM_AT, &value, sizeof(value)) && value != 0;
}

void wsd_share_ring(const struct wsd_share_record *share)
{
	struct member members[WSD_SHARE_MEMBERS];

	if (!read_members(share, members))
		return;
	for (unsigned i = 1; i <= WSD_SHARE_MEMBERS; i++)
		if (i != share->slot && members[i - 1].process != 0)
			wsd_bell_ring(share->bell, members[i - 1].bell);
}

void wsd_share_step_back(struct wsd_share_record *share)
{
	uint8_t gone = 1;

	wsd_share_want(share, WSD_SHARE_WANT_NOTHING);
	write_member(share, share->slot, offsetof(struct member, gone), &gone, sizeof(gone));
}

void wsd_share_quit(struct wsd_share_record *share)
{
	if (share->slot == 0)
		return;
	wsd_share_want(share, WSD_SHARE_WANT_NOTHING);
	wsd_record_unlock(share->record, share->slot);
	share->slot = 0;
}

/* --- the seat and the state --- */

bool wsd_share_sit(struct wsd_share_record *share)
{
	return wsd_record_lock(share->record, SEAT);
}

bool wsd_share_lock_soon(const struct wsd_share_record *share, unsigned number)
{
	struct wsd_waker *waker = wsd_waker_self();
	uint64_t deadline = wsd_clock_ns() + LOCK_SOON;
	bool locked = wsd_record_lock(share->record, number);

	while (!locked && waker != NULL && wsd_clock_ns() < deadline) {
		wsd_waker_sleep(waker, NULL, 0, wsd_clock_ns() + WSD_NS_PER_MS);
		locked = wsd_record_lock(share->record, number);
	}
	return locked;
}

bool wsd_share_sit_soon(struct wsd_share_record *share)
{
	return wsd_share_lock_soon(share, SEAT);
}

bool wsd_share_empty(const struct wsd_share_record *share)
{
	return !wsd_record_locked(share->record, SEAT);
}

void wsd_share_stand(struct wsd_share_record *share)
{
	wsd_record_unlock(share->record, SEAT);
}

enum wsd_share_state wsd_share_state(const struct wsd_share_record *share, uint32_t *payload)
{
	struct header header;

	*payload = 0;
	if (!wsd_record_read(share->record, 0, &header, sizeof(header)) || header.magic != MAGIC ||
	    header.layout != LAYOUT)
		return WSD_SHARE_CLOSED;
	if ((header.state != WSD_SHARE_HELD && header.state != WSD_SHARE_PARKED) ||
	    header.payload > WSD_SHARE_MOST)
		return WSD_SHARE_CLOSED;
	*payload = header.payload;
	return (enum wsd_share_state)header.state;
}

bool wsd_share_set_state(struct wsd_share_record *share, enum wsd_share_state state,
			 uint32_t payload)
{
	struct header header = { .magic = MAGIC,
				 .layout = LAYOUT,
				 .state = state,
				 .payload = payload,
				 .expires = wsd_clock_ns() + wsd_resume_timeout() };

	return wsd_record_write(share->record, 0, &header, sizeof(header));
}

/* --- life --- */

int wsd_share_create(struct wsd_share_record *share)
{
	static const struct member nobody[WSD_SHARE_MEMBERS];
	enum wsd_status status;
	uint64_t random[2];

	wsd_record_each(TOKEN_PREFIX, look_at_token, NULL);
	wsd_record_each(RECORD_PREFIX, look_at_record, NULL);
	memset(share, 0, sizeof(*share));
	wsd_random(random, sizeof(random));
	snprintf(share->name, sizeof(share->name), RECORD_PREFIX "%016llx%016llx",
		 (unsigned long long)random[0], (unsigned long long)random[1]);
	status = wsd_bell_open(&share->bell, share->bell_name);
	if (status != WSD_OK)
		return error_of(status);
	status = wsd_record_create(share->name, &share->record);
	if (status != WSD_OK) {
		wsd_bell_close(share->bell);
		return error_of(status);
	}
	if (wsd_share_sit_soon(share) &&
	    wsd_record_write(share->record, MEMBERS_AT, nobody, sizeof(nobody)) && enrol(share) &&
	    wsd_share_set_state(share, WSD_SHARE_HELD, 0))
		return 0;
	wsd_share_close(share, true);
	return WSAENOBUFS;
}

void wsd_share_close(struct wsd_share_record *share, bool remove)
{
	wsd_share_quit(share);
	if (remove)
		(void)wsd_record_remove(share->name);
	wsd_record_close(share->record);
	wsd_bell_close(share->bell);
}

/* --- tokens --- */

static struct wsd_share_token *free_token(struct wsd_share_record *share)
{
	char name[WSD_RECORD_NAME];

	for (unsigned i = 0; i < WSD_SHARE_TOKENS; i++) {
		struct wsd_share_token *token = &share->tokens[i];

		token_name(name, token->index);
		if (token->index == 0 || !wsd_record_exists(name))
			return token;
		if (wsd_clock_ns() > token->expires) {
			(void)wsd_record_remove(name);
			return token;
		}
	}
	return NULL;
}

int wsd_share_token(struct wsd_share_record *share, const struct wsd_share_kind *kind,
		    uint32_t process, uint32_t *index)
{
	struct token token = {
		.magic = MAGIC, .layout = LAYOUT, .kind = *kind, .process = process
	};
	struct wsd_share_token *place = free_token(share);
	enum wsd_status status = WSD_EBUSY;
	char name[WSD_RECORD_NAME];
	intptr_t record;
	bool written;

	if (place == NULL)
		return WSAENOBUFS;
	if (!wsd_process_started(process, &token.started))
		return WSAEINVAL;
	memcpy(token.name, share->name, sizeof(token.name));
	token.expires = wsd_clock_ns() + wsd_resume_timeout();
	for (unsigned i = 0; i < TOKENS_TRIED && status == WSD_EBUSY; i++) {
		wsd_random(index, sizeof(*index));
		*index |= *index == 0;
		token_name(name, *index);
		status = wsd_record_create(name, &record);
	}
	if (status != WSD_OK)
		return error_of(status);
	written = wsd_record_write(record, 0, &token, sizeof(token));
	wsd_record_close(record);
	if (!written) {
		(void)wsd_record_remove(name);
		return WSAENOBUFS;
	}
	*place = (struct wsd_share_token){ *index, token.expires };
	return 0;
}

static bool is_record_name(const char *name)
{
	size_t length = strnlen(name, WSD_RECORD_NAME);

	return length < WSD_RECORD_NAME &&
	       strncmp(name, RECORD_PREFIX, sizeof(RECORD_PREFIX) - 1) == 0 &&
	       strspn(name + sizeof(RECORD_PREFIX) - 1, "0123456789abcdef") ==
		       length - (sizeof(RECORD_PREFIX) - 1);
}

/* Is it meant for this process, and still good? */
static bool read_token(uint32_t mode, uint32_t index, struct token *token)
{
	char name[WSD_RECORD_NAME];
	uint64_t started = 0;
	intptr_t record;
	bool read;

	token_name(name, index);
	if (wsd_record_open(name, &record) != WSD_OK)
		return false;
	read = wsd_record_read(record, 0, token, sizeof(*token));
	wsd_record_close(record);
	return read && token->magic == MAGIC && token->layout == LAYOUT &&
	       token->kind.mode == mode && token->process == wsd_process_id() &&
	       wsd_process_started(token->process, &started) && token->started == started &&
	       wsd_clock_ns() <= token->expires && is_record_name(token->name) &&
	       token->kind.connected <= 1 &&
	       (token->kind.family == WSD_FAMILY_IPV4 || token->kind.family == WSD_FAMILY_IPV6);
}

int wsd_share_claim(struct wsd_share_record *share, uint32_t mode, uint32_t index,
		    struct wsd_share_kind *kind)
{
	enum wsd_status status;
	struct token token;

	memset(share, 0, sizeof(*share));
	if (!read_token(mode, index, &token))
		return WSAEINVAL;
	*kind = token.kind;
	memcpy(share->name, token.name, sizeof(share->name));
	status = wsd_bell_open(&share->bell, share->bell_name);
	if (status != WSD_OK)
		return error_of(status);
	status = wsd_record_open(share->name, &share->record);
	if (status != WSD_OK) {
		wsd_bell_close(share->bell);
		return status == WSD_NOTFOUND || status == WSD_EUSER ? WSAEINVAL : error_of(status);
	}
	if (enrol(share))
		return 0;
	wsd_share_close(share, false);
	return WSAENOBUFS;
}

int wsd_share_use(uint32_t index)
{
	char name[WSD_RECORD_NAME];

	token_name(name, index);
	return wsd_record_remove(name) ? 0 : WSAEINVAL;
}

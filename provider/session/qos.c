// SPDX-License-Identifier: BSD-2-Clause
/*
 * qos.c - what the two sides of a stream agreed on, and keeping to it when sending.
 *
 * Each side says what it would like to send and to receive: in its hello, and by a QOS message whenever it
 * changes its mind. What goes in one direction is bounded by what its two ends said, so both compute the same
 * without asking; the sender paces itself and has its rate reserved in the ledger of its host. A stream
 * without any of this has no struct wsd_pace.
 *
 * Room for a rate is looked for by its sender, when the path is known. A connector that finds none goes on to
 * the next path; an acceptor lowers its own direction to best effort, and its hello says so. So does who takes a
 * connection over from another process, by a message, as it has no other path.
 *
 * On the path "plain" nothing is said, and nobody keeps the peer to anything: what it sends is best effort.
 */
#include "provider/session/plain.h"

#include "provider/transport/bucket.h"
#include "provider/transport/os_tcp.h"

#define BURST_RATE  20u	       /* a bucket of which nothing was said: a twentieth of a second, */
#define BURST_LEAST 4096u      /* but no less */
#define PEAK_RATE   1000u      /* what goes at once below a peak: a millisecond's, */
#define PEAK_LEAST  2048u      /* but no less */
#define SHARE_NS    1000000ull /* who shares what is left asks again so soon */

struct wsd_pace {
	struct wsd_qos mine, theirs, agreed; /* each as we see it */
	struct wsd_bucket token, peak;
	uint32_t reserved; /* in the ledger of the stream's engine */
	uint32_t priority; /* see wsd_stream_set_priority */
};

static uint32_t at_least(uint32_t value, uint32_t least)
{
	return value > least ? value : least;
}

static uint32_t depth_of(const struct wsd_flow *flow)
{
	return flow->bucket ? flow->bucket : at_least(flow->rate / BURST_RATE, BURST_LEAST);
}

static void set_buckets(struct wsd_stream *s)
{
	const struct wsd_flow *flow = &s->pace->agreed.out;
	uint64_t now = wsd_engine_now(atomic_load(&s->engine));

	wsd_bucket_change(&s->pace->token, flow->rate, depth_of(flow), now);
	wsd_bucket_change(&s->pace->peak, flow->peak, at_least(flow->peak / PEAK_RATE, PEAK_LEAST),
			  now);
}

/* May anything follow? Not behind FIN, nor when nobody is there any more. */
static bool may_send(const struct wsd_stream *s)
{
	return s->state <= WSD_STREAM_OPEN && !s->tx.fin && !s->disconnected;
}

/* Have what is to be sent reserved, no more and no less. */
static enum wsd_status reserve(struct wsd_stream *s, const struct wsd_flow *flow)
{
	uint32_t rate = may_send(s) && wsd_flow_reserves(flow) ? flow->rate : 0;
	enum wsd_status status = WSD_OK;

	if (rate != s->pace->reserved)
		status = wsd_ledger_change(atomic_load(&s->engine), s->pace->reserved, rate);
	if (status == WSD_OK)
		s->pace->reserved = rate;
	return status;
}

static bool is_plain(const struct wsd_stream *s)
{
	return s->carrier == &wsd_plain_carrier;
}

static void pause(struct wsd_stream *s, uint64_t when)
{
	s->tx.paced_until = when;
	wsd_stream_arm_timer(s);
}

static struct wsd_qos agreement(const struct wsd_stream *s)
{
	const struct wsd_pace *pace = s->pace;

	if (is_plain(s))
		return (struct wsd_qos){ .out = pace->mine.out,
					 .in = { .service = WSD_SERVICE_BEST_EFFORT } };
	return (struct wsd_qos){
		.out = wsd_flow_agree(&pace->mine.out, &pace->theirs.out),
		.in = wsd_flow_agree(&pace->mine.in, &pace->theirs.in),
	};
}

/* Its service has become another one, or the program has said something of its packets. */
static void mark_packets(struct wsd_stream *s, uint8_t before)
{
	uint8_t class = wsd_qos_traffic_class(s);

	if (class == before)
		return;
	if (s->plain)
		wsd_os_tcp_set_traffic_class(s->plain->socket, s->remote.family, class);
	else if (s->endpoint)
		s->backend->set_traffic_class(s->endpoint, class);
}

void wsd_stream_set_traffic_class(struct wsd_stream *s, uint8_t traffic_class)
{
	uint8_t before = wsd_qos_traffic_class(s);

	s->options.traffic_class = traffic_class;
	mark_packets(s, before);
}

static void agree(struct wsd_stream *s, const struct wsd_qos *agreed)
{
	struct wsd_pace *pace = s->pace;
	uint8_t class = wsd_qos_traffic_class(s);

	if (!wsd_flow_equal(&agreed->out, &pace->agreed.out) ||
	    !wsd_flow_equal(&agreed->in, &pace->agreed.in))
		s->changes |= WSD_CHANGE_QOS;
	pace->agreed = *agreed;
	set_buckets(s);
	mark_packets(s, class);
	if (s->tx.paced_until) /* until when was computed from what held before */
		pause(s, wsd_engine_now(atomic_load(&s->engine)) + 1);
}

/* Behind the hello, which says it where there is one to come; that of one who resumes says nothing new. */
static void tell(struct wsd_stream *s)
{
	if (s->endpoint || wsd_move_resumes(s))
		wsd_tx_want(s, WSD_SEND_QOS);
}

/* The peer's or the network's doing: what cannot be kept is best effort. True: it had to be lowered. */
static bool settle(struct wsd_stream *s)
{
	struct wsd_qos agreed = agreement(s);
	bool lowered = reserve(s, &agreed.out) != WSD_OK;

	if (lowered) {
		s->pace->mine.out = agreed.out;
		s->pace->mine.out.service = WSD_SERVICE_BEST_EFFORT;
		agreed = agreement(s);
		(void)reserve(s, &agreed.out);
	}
	agree(s, &agreed);
	return lowered;
}

static struct wsd_pace *pace_of(struct wsd_stream *s)
{
	if (!s->pace)
		s->pace = wsd_alloc(sizeof(*s->pace));
	return s->pace;
}

/* Say what the program wants. If it said nothing, a peer may have much of us, but nothing that comes before all
 * others here: that takes no room in the ledger, so there would be no end of it. */
static void say_wish(struct wsd_stream *s)
{
	struct wsd_pace *pace = s->pace;

	pace->mine = wsd_qos_told(&s->options.qos);
	if (pace->mine.out.service == WSD_SERVICE_NONE &&
	    pace->theirs.out.service == WSD_SERVICE_NETWORK_CONTROL) {
		pace->mine.out = pace->theirs.out;
		pace->mine.out.service = WSD_SERVICE_BEST_EFFORT;
	}
}

enum wsd_status wsd_qos_begin(struct wsd_stream *s)
{
	struct wsd_pace *pace = s->pace;
	struct wsd_qos agreed;
	enum wsd_status status;
	uint64_t now;

	if (!pace && !wsd_qos_given(&s->options.qos))
		return WSD_OK;
	pace = pace_of(s);
	if (!pace)
		return WSD_ENOMEM;
	now = wsd_engine_now(atomic_load(&s->engine));
	say_wish(s);
	agreed = agreement(s);
	status = reserve(s, &agreed.out);
	/* Who takes a connection over has no other path. */
	if (status != WSD_OK && s->active && !wsd_move_resumes(s))
		return status;
	if (settle(s) && wsd_move_resumes(s))
		tell(s);
	else /* What is told in the hello is no news. */
		s->changes &= ~WSD_CHANGE_QOS;
	wsd_bucket_init(&pace->token, pace->agreed.out.rate, depth_of(&pace->agreed.out), now);
	wsd_bucket_init(&pace->peak, pace->agreed.out.peak, pace->peak.depth, now);
	return WSD_OK;
}

uint8_t wsd_qos_traffic_class(const struct wsd_stream *s)
{
	if (s->options.traffic_class || !s->pace)
		return s->options.traffic_class;
	return wsd_flow_traffic_class(&s->pace->agreed.out);
}

bool wsd_qos_differs(const struct wsd_stream *s)
{
	return s->pace && wsd_flow_traffic_class(&s->pace->theirs.in) != wsd_qos_traffic_class(s);
}

void wsd_qos_drop(struct wsd_stream *s)
{
	static const struct wsd_flow none;

	if (s->pace)
		(void)reserve(s, &none);
}

enum wsd_status wsd_qos_heard(struct wsd_stream *s, const struct wsd_qos *said)
{
	bool queued = !s->active && s->state != WSD_STREAM_OPEN, asks_anew;
	struct wsd_pace *pace;
	struct wsd_flow before;

	if (!s->pace && !wsd_qos_given(said))
		return WSD_OK;
	pace = pace_of(s);
	if (!pace)
		return WSD_ENOMEM;
	before = pace->mine.out;
	asks_anew = !wsd_flow_equal(&pace->theirs.out, &said->in);
	pace->theirs.out = said->in;
	pace->theirs.in = said->out;
	/* We may have lowered ours because of what it asked for; what it hears of that is no reason to begin anew. */
	if (asks_anew || queued)
		say_wish(s);
	if (queued) {
		pace->agreed = agreement(s); /* for who is asked; begin makes it true */
		return WSD_OK;
	}
	(void)settle(s);
	if (!wsd_flow_equal(&before, &pace->mine.out))
		tell(s);
	return WSD_OK;
}

void wsd_qos_said(const struct wsd_stream *s, struct wsd_qos *mine)
{
	if (s->pace)
		*mine = s->pace->mine;
	else
		*mine = (struct wsd_qos){ 0 };
}

/* Is it known which one? A connector may still go on to another. */
static bool has_path(const struct wsd_stream *s)
{
	return s->state == WSD_STREAM_OPEN ||
	       (s->state == WSD_STREAM_CONNECTING && (!s->active || wsd_move_resumes(s)));
}

enum wsd_status wsd_stream_set_qos(struct wsd_stream *s, const struct wsd_qos *qos)
{
	struct wsd_qos wish = s->options.qos, before, agreed;
	enum wsd_status status;

	s->options.qos = *qos;
	if (!has_path(s))
		return WSD_OK;
	if (!pace_of(s))
		return WSD_ENOMEM;
	before = s->pace->mine;
	say_wish(s);
	agreed = agreement(s);
	status = reserve(s, &agreed.out);
	/* Of that direction it may have said nothing: then it is the peer that cannot have it. */
	if (status != WSD_OK && qos->out.service != WSD_SERVICE_NONE) {
		s->pace->mine = before;
		s->options.qos = wish;
		return status;
	}
	(void)settle(s);
	tell(s);
	wsd_tx_progress(s);
	wsd_stream_tell(s);
	return WSD_OK;
}

bool wsd_stream_qos_possible(const struct wsd_qos *qos)
{
	bool possible = !wsd_flow_reserves(&qos->out);

	for (unsigned i = 0; i < wsd_engine_count() && !possible; i++)
		possible = wsd_ledger_has_room(wsd_engine_at(i), qos->out.rate);
	return possible;
}

struct wsd_qos wsd_stream_wish(const struct wsd_stream *s)
{
	struct wsd_qos wish = s->options.qos;

	/* If it was lowered it stays so, until it is asked for once more. */
	if (s->pace && has_path(s) && wish.out.service != WSD_SERVICE_NONE)
		wish.out = s->pace->mine.out;
	return wish;
}

bool wsd_qos_asked(const struct wsd_stream *s)
{
	return s->pace && (is_plain(s) || wsd_qos_given(&s->pace->theirs));
}

bool wsd_stream_qos(const struct wsd_stream *s, struct wsd_qos *agreed)
{
	if (!s->pace || !wsd_qos_given(&s->pace->agreed))
		return false;
	*agreed = s->pace->agreed;
	return true;
}

void wsd_stream_set_priority(struct wsd_stream *s, uint32_t priority)
{
	if (priority == 0 && !s->pace)
		return;
	if (pace_of(s))
		s->pace->priority = priority;
}

uint32_t wsd_stream_reserved(const struct wsd_stream *s)
{
	return s->pace ? s->pace->reserved : 0;
}

/* --- sending --- */

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Without a promise it shares what is left. */
static bool shares(const struct wsd_stream *s)
{
	return !s->pace || s->pace->reserved == 0;
}

/* Who said that it may wait gets half of what others get, who must not eight times as much. */
static uint32_t weight(const struct wsd_stream *s)
{
	uint32_t weight = WSD_WEIGHT_STANDARD, by;

	if (!s->pace)
		return weight;
	if (s->pace->agreed.out.service == WSD_SERVICE_QUALITATIVE)
		weight /= 2;
	else if (s->pace->agreed.out.service == WSD_SERVICE_NETWORK_CONTROL)
		weight *= 8;
	by = s->pace->priority < weight ? s->pace->priority + 1 : weight;
	return weight / by;
}

size_t wsd_qos_allow(struct wsd_stream *s, size_t bytes)
{
	struct wsd_engine *engine = atomic_load(&s->engine);
	uint64_t now = wsd_engine_now(engine), when = 0;

	if (s->pace) {
		bytes = wsd_bucket_allow(&s->pace->token, bytes, now, &when);
		if (when == 0)
			bytes = wsd_bucket_allow(&s->pace->peak, bytes, now, &when);
	}
	s->tx.share.weight = weight(s);
	if (when == 0 && shares(s))
		bytes = wsd_ledger_allow(engine, &s->tx.share, bytes, now, &when);
	if (when == 0)
		return bytes;
	pause(s, when);
	return 0;
}

void wsd_qos_took(struct wsd_stream *s, size_t bytes, size_t allowed, size_t left)
{
	struct wsd_engine *engine = atomic_load(&s->engine);
	uint64_t now = wsd_engine_now(engine), when = now + 1;

	if (shares(s))
		wsd_ledger_give_back(engine, &s->tx.share, allowed - bytes, now);
	if (s->pace) {
		wsd_bucket_take(&s->pace->token, (uint32_t)bytes);
		wsd_bucket_take(&s->pace->peak, (uint32_t)bytes);
	}
	if (bytes < allowed || left == 0)
		return;
	/* It was this that stopped it, so this goes on. */
	if (s->pace) {
		when = later(when, wsd_bucket_when(&s->pace->token, left, now));
		when = later(when, wsd_bucket_when(&s->pace->peak, left, now));
	}
	pause(s, shares(s) ? later(when, now + SHARE_NS) : when);
}

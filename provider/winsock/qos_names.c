// SPDX-License-Identifier: BSD-2-Clause
/*
 * qos_names.c - WSPGetQOSByName and the templates that it knows.
 *
 * A codec's template carries what the codec sends, without the headers of any network: the rate of its
 * recommendation, and as bucket four frames (audio) or the largest picture that a decoder must take (video).
 * WSD_QOS_TEMPLATES adds others, before these: NAME:RATE[:BUCKET[:PEAK]], separated by commas, guaranteed.
 */
#include "provider/winsock/qos.h"
#include "provider/winsock/spi_calls.h"

#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/base.h"

#define AUDIO_FRAMES 4u
#define QCIF_PICTURE 8192u  /* 64 * 1024 bits: H.261 4.2, H.263 table 1 */
#define CIF_PICTURE  32768u /* 256 * 1024 bits */

struct template
{
	const char *name;
	uint32_t rate;	/* bytes per second */
	uint32_t frame; /* bytes, of what is sent at a time */
	uint32_t bucket;
};

#define AUDIO(name, rate, frame)                         \
	{                                                \
		name, rate, frame, AUDIO_FRAMES *(frame) \
	}
#define VIDEO(name, rate, picture)           \
	{                                    \
		name, rate, picture, picture \
	}

static const struct template templates[] = {
	AUDIO("G711", 8000, 160),	       /* 64 kbit/s; 20 ms */
	AUDIO("G723.1", 800, 24),	       /* 6.3 kbit/s, in frames of 24 bytes each 30 ms */
	AUDIO("G729", 1000, 10),	       /* 8 kbit/s; 10 ms */
	VIDEO("H263QCIF", 8000, QCIF_PICTURE), /* level 10: 64 kbit/s */
	VIDEO("H263CIF", 48000, CIF_PICTURE),  /* level 30: 384 kbit/s */
	VIDEO("H261QCIF", 8000, QCIF_PICTURE), /* p = 1: 64 kbit/s */
	VIDEO("H261CIF", 48000, CIF_PICTURE),  /* p = 6: 384 kbit/s */
	AUDIO("GSM6.10", 1650, 33),	       /* 13 kbit/s, in frames of 33 bytes each 20 ms */
};
#define TEMPLATES (sizeof(templates) / sizeof(templates[0]))

#define NAME_MOST 32u

/* One of either kind. */
struct entry {
	char name[NAME_MOST + 1];
	struct wsd_flow flow;
	uint32_t frame; /* 0: not known */
};

static bool number(const char **at, uint32_t *value)
{
	char *end;
	unsigned long long n;

	if (**at != ':' || (*at)[1] < '0' || (*at)[1] > '9')
		return false;
	n = strtoull(*at + 1, &end, 10);
	if (n == 0 || n >= POSITIVE_INFINITY_RATE)
		return false;
	*value = (uint32_t)n;
	*at = end;
	return true;
}

static bool read_own(const char *text, size_t length, struct entry *entry)
{
	const char *at = text + strcspn(text, ":, \t");
	size_t name = (size_t)(at - text);

	memset(entry, 0, sizeof(*entry));
	entry->flow.service = WSD_SERVICE_GUARANTEED;
	if (name == 0 || name > NAME_MOST || !number(&at, &entry->flow.rate) ||
	    (*at == ':' && !number(&at, &entry->flow.bucket)) ||
	    (*at == ':' && !number(&at, &entry->flow.peak)) || at != text + length ||
	    (entry->flow.peak != 0 && entry->flow.peak < entry->flow.rate))
		return false;
	memcpy(entry->name, text, name);
	return true;
}

/* All of them, one after the other: those of the configuration first. */
struct names {
	const char *own;
	size_t builtin;
};

static bool next_own(struct names *names, struct entry *entry)
{
	while (*names->own != '\0') {
		const char *text = names->own + strspn(names->own, ", \t");
		size_t length = strcspn(text, ", \t");

		names->own = text + length;
		if (length == 0)
			continue;
		if (read_own(text, length, entry))
			return true;
		wsd_log(WSD_LOG_WARNING, "qos",
			"QOS_TEMPLATES: %.*s is not NAME:RATE[:BUCKET[:PEAK]], numbers from 1 on",
			(int)length, text);
	}
	return false;
}

static bool next_name(struct names *names, struct entry *entry)
{
	const struct template *t;

	if (next_own(names, entry))
		return true;
	if (names->builtin == TEMPLATES)
		return false;
	t = &templates[names->builtin++];
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->name, t->name, strlen(t->name));
	entry->flow = (struct wsd_flow){ WSD_SERVICE_GUARANTEED, t->rate, t->bucket, 0 };
	entry->frame = t->frame;
	return true;
}

static struct names all_names(void)
{
	return (struct names){ wsd_param_text("QOS_TEMPLATES", ""), 0 };
}

/* The two directions of a conversation are alike. */
static void fill(QOS *qos, const struct entry *entry)
{
	struct wsd_qos flows = { entry->flow, entry->flow };

	wsd_qos_fill(qos, &flows);
	if (entry->frame == 0)
		return;
	qos->SendingFlowspec.MaxSduSize = qos->ReceivingFlowspec.MaxSduSize = entry->frame;
	qos->SendingFlowspec.MinimumPolicedSize = entry->frame;
	qos->ReceivingFlowspec.MinimumPolicedSize = entry->frame;
}

/* As many names as fit, each with its end, and an empty one behind them. */
static void list_names(WCHAR *out, size_t room)
{
	struct names names = all_names();
	struct entry entry;
	size_t at = 0;

	while (next_name(&names, &entry)) {
		size_t length = strlen(entry.name);

		if (at + length + 2 > room)
			break;
		for (size_t k = 0; k <= length; k++)
			out[at++] = (WCHAR)(unsigned char)entry.name[k];
	}
	out[at] = 0;
}

static bool find(const WCHAR *name, size_t room, struct entry *entry)
{
	struct names names = all_names();

	while (next_name(&names, entry)) {
		const char *known = entry->name;
		size_t at = 0;

		while (at < room && known[at] != '\0' &&
		       name[at] == (WCHAR)(unsigned char)known[at])
			at++;
		if (known[at] == '\0' && (at == room || name[at] == 0))
			return true;
	}
	return false;
}

static int by_name(const WSABUF *name, QOS *qos)
{
	struct entry found;
	WCHAR *text;

	if (name == NULL || name->buf == NULL || name->len < sizeof(WCHAR))
		return WSAEFAULT;
	text = (WCHAR *)(void *)name->buf;
	if (text[0] == 0) {
		list_names(text, name->len / sizeof(WCHAR));
		return 0;
	}
	if (qos == NULL)
		return WSAEFAULT;
	if (!find(text, name->len / sizeof(WCHAR), &found))
		return WSAEINVAL;
	fill(qos, &found);
	return 0;
}

BOOL WSPAPI wsd_spi_get_qos_by_name(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);

	if (sock == NULL)
		return FALSE;
	return wsd_socket_return(sock, by_name(lpQOSName, lpQOS), lpErrno) == 0;
}

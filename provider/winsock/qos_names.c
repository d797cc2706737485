// SPDX-License-Identifier: BSD-2-Clause
/*
 * qos_names.c - WSPGetQOSByName and the templates that it knows.
 *
 * A codec's template carries what the codec sends, without the headers of any network: the rate of its
 * recommendation, and as bucket four frames (audio) or the largest picture that a decoder must take (video).
 */
#include "provider/winsock/qos.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

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

/* The two directions of a conversation are alike. */
static void fill(QOS *qos, const struct template *t)
{
	struct wsd_flow flow = { WSD_SERVICE_GUARANTEED, t->rate, t->bucket, 0 };
	struct wsd_qos flows = { flow, flow };

	wsd_qos_fill(qos, &flows);
	qos->SendingFlowspec.MaxSduSize = qos->ReceivingFlowspec.MaxSduSize = t->frame;
	qos->SendingFlowspec.MinimumPolicedSize = t->frame;
	qos->ReceivingFlowspec.MinimumPolicedSize = t->frame;
}

/* As many names as fit, each with its end, and an empty one behind them. */
static void list_names(WCHAR *out, size_t room)
{
	size_t at = 0;

	for (size_t i = 0; i < TEMPLATES; i++) {
		size_t length = strlen(templates[i].name);

		if (at + length + 2 > room)
			break;
		for (size_t k = 0; k <= length; k++)
			out[at++] = (WCHAR)templates[i].name[k];
	}
	out[at] = 0;
}

static const struct template *find(const WCHAR *name, size_t room)
{
	for (size_t i = 0; i < TEMPLATES; i++) {
		const char *known = templates[i].name;
		size_t at = 0;

		while (at < room && known[at] != '\0' && name[at] == (WCHAR)known[at])
			at++;
		if (known[at] == '\0' && (at == room || name[at] == 0))
			return &templates[i];
	}
	return NULL;
}

static int by_name(const WSABUF *name, QOS *qos)
{
	const struct template *found;
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
	found = find(text, name->len / sizeof(WCHAR));
	if (found == NULL)
		return WSAEINVAL;
	fill(qos, found);
	return 0;
}

BOOL WSPAPI wsd_spi_get_qos_by_name(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);

	if (sock == NULL)
		return FALSE;
	return wsd_socket_return(sock, by_name(lpQOSName, lpQOS), lpErrno) == 0;
}

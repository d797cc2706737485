// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_raw.c - the floor: a reliable connection of libibverbs, made by librdmacm, with what a careful program
 * does: small messages inline, one completion for 16 sends, receives posted again at once, a notification only
 * when there is nothing to poll. By SEND, or by WRITE with immediate data.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/rdma_cma.h>

#include "tests/rxe/bench.h"

#define SENDS	 128u
#define RECEIVES 64u
#define WINDOW	 48u
#define SIGNAL	 16u
#define INLINE	 64u

struct bench_link {
	struct rdma_cm_id *id;
	struct ibv_mr *out, *in;
	uint64_t remote;
	uint32_t key;
	uint32_t unsignalled;
};

struct target {
	uint64_t addr;
	uint32_t key;
};

static struct rdma_cm_id *listener;

static void need(bool ok, const char *what)
{
	if (!ok)
		bench_fail("raw: %s: %s", what, strerror(errno));
}

static struct rdma_addrinfo *address(uint16_t port, bool passive)
{
	struct rdma_addrinfo hints, *found;
	char service[8];

	memset(&hints, 0, sizeof(hints));
	hints.ai_port_space = RDMA_PS_TCP;
	hints.ai_flags = passive ? RAI_PASSIVE : 0;
	snprintf(service, sizeof(service), "%u", port);
	need(rdma_getaddrinfo(bench_server, service, &hints, &found) == 0, "rdma_getaddrinfo");
	return found;
}

static struct rdma_cm_id *endpoint(uint16_t port, bool passive)
{
	struct rdma_addrinfo *at = address(port, passive);
	struct ibv_qp_init_attr attr;
	struct rdma_cm_id *id;

	memset(&attr, 0, sizeof(attr));
	attr.qp_type = IBV_QPT_RC;
	attr.cap.max_send_wr = SENDS;
	attr.cap.max_recv_wr = RECEIVES;
	attr.cap.max_send_sge = attr.cap.max_recv_sge = 1;
	attr.cap.max_inline_data = INLINE;
	need(rdma_create_ep(&id, at, NULL, &attr) == 0, "rdma_create_ep");
	rdma_freeaddrinfo(at);
	return id;
}

static void raw_start(void)
{
}

static uint16_t raw_listen(void)
{
	if (!listener) { /* both ways share it */
		listener = endpoint(0, true);
		need(rdma_listen(listener, 64) == 0, "rdma_listen");
	}
	return ntohs(rdma_get_src_port(listener));
}

static void post_recv(struct bench_link *link)
{
	struct ibv_sge sge = { (uintptr_t)bench_in, BENCH_BYTES, link->in->lkey };
	struct ibv_recv_wr *bad, wr = { .sg_list = &sge, .num_sge = 1 };

	need(ibv_post_recv(link->id->qp, &wr, &bad) == 0, "ibv_post_recv");
}

/* Memory and receives; and where the peer shall write. */
static struct bench_link *set_up(struct rdma_cm_id *id, struct target *told)
{
	struct bench_link *link = calloc(1, sizeof(*link));

	need(link != NULL, "memory");
	link->id = id;
	link->out = ibv_reg_mr(id->pd, bench_out, BENCH_BYTES, IBV_ACCESS_LOCAL_WRITE);
	link->in = ibv_reg_mr(id->pd, bench_in, BENCH_BYTES,
			      IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	need(link->out && link->in, "ibv_reg_mr");
	for (unsigned i = 0; i < RECEIVES; i++)
		post_recv(link);
	told->addr = (uintptr_t)bench_in;
	told->key = link->in->rkey;
	return link;
}

static void know_target(struct bench_link *link, const void *data)
{
	struct target heard;

	need(data != NULL, "private data");
	memcpy(&heard, data, sizeof(heard));
	link->remote = heard.addr;
	link->key = heard.key;
}

static struct rdma_conn_param connection(const struct target *told)
{
	struct rdma_conn_param param;

	memset(&param, 0, sizeof(param));
	param.private_data = told;
	param.private_data_len = sizeof(*told);
	param.retry_count = param.rnr_retry_count = 7;
	return param;
}

static struct bench_link *raw_accept(void)
{
	struct rdma_conn_param param;
	struct bench_link *link;
	struct rdma_cm_id *id;
	struct target told;

	need(rdma_get_request(listener, &id) == 0, "rdma_get_request");
	link = set_up(id, &told);
	know_target(link, id->event->param.conn.private_data);
	param = connection(&told);
	need(rdma_accept(id, &param) == 0, "rdma_accept");
	return link;
}

static struct bench_link *raw_connect(uint16_t port)
{
	struct rdma_conn_param param;
	struct bench_link *link;
	struct target told;

	link = set_up(endpoint(port, false), &told);
	param = connection(&told);
	need(rdma_connect(link->id, &param) == 0, "rdma_connect");
	know_target(link, link->id->event->param.conn.private_data);
	return link;
}

static void raw_close(struct bench_link *link)
{
	rdma_disconnect(link->id);
	ibv_dereg_mr(link->out);
	ibv_dereg_mr(link->in);
	rdma_destroy_ep(link->id);
	free(link);
}

static void check(const struct ibv_wc *wc, int count)
{
	for (int i = 0; i < count; i++)
		if (wc[i].status != IBV_WC_SUCCESS)
			bench_fail("raw: completion: %s", ibv_wc_status_str(wc[i].status));
}

static void post_send(struct bench_link *link, enum ibv_wr_opcode opcode, uint32_t size)
{
	struct ibv_sge sge = { (uintptr_t)bench_out, size, link->out->lkey };
	struct ibv_send_wr *bad, wr = { .sg_list = &sge, .num_sge = 1, .opcode = opcode };
	struct ibv_wc wc[SENDS / SIGNAL];

	wr.wr.rdma.remote_addr = link->remote;
	wr.wr.rdma.rkey = link->key;
	if (size <= INLINE)
		wr.send_flags |= IBV_SEND_INLINE;
	if (++link->unsignalled == SIGNAL) {
		wr.send_flags |= IBV_SEND_SIGNALED;
		link->unsignalled = 0;
		/* The peer's answers bound what is under way, so those before the last are done. */
		check(wc, ibv_poll_cq(link->id->send_cq, SENDS / SIGNAL, wc));
	}
	need(ibv_post_send(link->id->qp, &wr, &bad) == 0, "ibv_post_send");
}

static void raw_send(struct bench_link *link, uint32_t size)
{
	post_send(link, IBV_WR_SEND, size);
}

static void raw_write_imm(struct bench_link *link, uint32_t size)
{
	post_send(link, IBV_WR_RDMA_WRITE_WITH_IMM, size);
}

static void raw_recv(struct bench_link *link, uint32_t size)
{
	struct ibv_cq *cq = link->id->recv_cq, *from;
	struct ibv_wc wc;
	void *context;

	while (ibv_poll_cq(cq, 1, &wc) == 0) {
		need(ibv_req_notify_cq(cq, 0) == 0, "ibv_req_notify_cq");
		if (ibv_poll_cq(cq, 1, &wc) > 0)
			break;
		need(ibv_get_cq_event(link->id->recv_cq_channel, &from, &context) == 0,
		     "ibv_get_cq_event");
		ibv_ack_cq_events(from, 1);
	}
	check(&wc, 1);
	if (wc.byte_len != size)
		bench_fail("raw: %u bytes came, not %u", wc.byte_len, size);
	post_recv(link);
}

const struct bench_way bench_raw_send = {
	.name = "raw SEND",
	.start = raw_start,
	.listen = raw_listen,
	.accept = raw_accept,
	.connect = raw_connect,
	.close = raw_close,
	.send = raw_send,
	.recv = raw_recv,
	.window = WINDOW,
};

const struct bench_way bench_raw_write_imm = {
	.name = "raw WRITE_IMM",
	.start = raw_start,
	.listen = raw_listen,
	.accept = raw_accept,
	.connect = raw_connect,
	.close = raw_close,
	.send = raw_write_imm,
	.recv = raw_recv,
	.window = WINDOW,
};

// SPDX-License-Identifier: BSD-2-Clause
/* netns.c - see netns.h. Speaks to the system itself, so it includes no Winsock header. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "tests/conformance/netns.h"

struct request {
	struct nlmsghdr header;
	union {
		struct ifaddrmsg address;
		struct rtmsg route;
	} body;
	char attributes[64];
};

static unsigned interface; /* 0: the loopback interface */

static void start(struct request *r, unsigned type, bool add, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->header.nlmsg_type = (unsigned short)type;
	r->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (add)
		r->header.nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	r->header.nlmsg_len = NLMSG_LENGTH(body);
}

static void attach(struct request *r, unsigned short type, const void *value, size_t length)
{
	struct rtattr *at = (void *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	at->rta_type = type;
	at->rta_len = (unsigned short)RTA_LENGTH(length);
	memcpy(RTA_DATA(at), value, length);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(at->rta_len);
}

static bool carry_out(const struct request *r)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char more[256];
	} answer;
	bool ok;

	ok = fd >= 0 &&
	     sendto(fd, r, r->header.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) ==
		     (ssize_t)r->header.nlmsg_len &&
	     recv(fd, &answer, sizeof(answer), 0) >= (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) &&
	     answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == 0;
	close(fd);
	return ok;
}

static unsigned char to_bytes(unsigned family, const char *text, unsigned char *bytes)
{
	if (inet_pton(family == 6 ? AF_INET6 : AF_INET, text, bytes) != 1)
		return 0;
	return family == 6 ? 16 : 4;
}

bool netns_enter(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	bool ok;
	int fd;

	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
	close(fd);
	return ok;
}

static bool has_address(const struct ifaddrs *entry, const char *text)
{
	char name[INET6_ADDRSTRLEN] = "";

	if (entry->ifa_addr != NULL && entry->ifa_addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)entry->ifa_addr)->sin_addr, name,
			  sizeof(name));
	else if (entry->ifa_addr != NULL && entry->ifa_addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)entry->ifa_addr)->sin6_addr, name,
			  sizeof(name));
	return strcmp(name, text) == 0;
}

bool netns_beside(const char *text)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next)
		if (has_address(entry, text))
			interface = if_nametoindex(entry->ifa_name);
	freeifaddrs(all);
	return interface != 0;
}

bool netns_address(unsigned family, const char *text, bool add)
{
	unsigned char bytes[16], length = to_bytes(family, text, bytes);
	struct request r;

	start(&r, add ? RTM_NEWADDR : RTM_DELADDR, add, sizeof(r.body.address));
	r.body.address.ifa_family = family == 6 ? AF_INET6 : AF_INET;
	r.body.address.ifa_prefixlen = (unsigned char)(length * 8);
	r.body.address.ifa_flags = IFA_F_NODAD;
	r.body.address.ifa_index = interface != 0 ? interface : if_nametoindex("lo");
	attach(&r, IFA_LOCAL, bytes, length);
	attach(&r, IFA_ADDRESS, bytes, length);
	return length > 0 && carry_out(&r);
}

bool netns_route(unsigned family, const char *text, bool add)
{
	unsigned char bytes[16], length = to_bytes(family, text, bytes);
	unsigned index = if_nametoindex("lo");
	struct request r;

	start(&r, add ? RTM_NEWROUTE : RTM_DELROUTE, add, sizeof(r.body.route));
	r.body.route.rtm_family = family == 6 ? AF_INET6 : AF_INET;
	r.body.route.rtm_dst_len = (unsigned char)(length * 8);
	r.body.route.rtm_table = RT_TABLE_MAIN;
	r.body.route.rtm_protocol = RTPROT_STATIC;
	r.body.route.rtm_scope = RT_SCOPE_LINK;
	r.body.route.rtm_type = RTN_UNICAST;
	attach(&r, RTA_DST, bytes, length);
	attach(&r, RTA_OIF, &index, sizeof(index));
	return length > 0 && carry_out(&r);
}

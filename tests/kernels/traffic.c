// Traffic for a guest that has no other program for it. Every command ends with 0 when what it was asked for has happened.
//   serve PORT                                           echoes TCP and UDP, until it is ended
//   tcp ADDRESS PORT BYTES [SOURCE-PORT]                 sends that much and wants it back
//   udp ADDRESS PORT BYTES [SOURCE-PORT]                 one datagram there and back
//   get ADDRESS PORT PATH                                prints what a server of HTTP answers
//   datagram DEVICE MAC ADDRESS FROM-PORT TO ADDRESS PORT [START PLACE]
//                                                        a frame by a packet socket; with START and PLACE its checksum is left to others
//   sniff DEVICE                                         a line for each IPv4 packet that comes in: protocol, header length, ports
//   offload DEVICE on|off                                transmit checksum offload
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// No progress for so long counts as lost: the guest's processor is an emulated one.
enum { PATIENCE = 15000, DATAGRAM_PATIENCE = 5000, LARGEST = 60000 };

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

static int check(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

static struct sockaddr_in at(const char *address, const char *port)
{
	struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	if (inet_pton(AF_INET, address, &place.sin_addr) != 1)
		fail(address);
	return place;
}

static int open_socket(int type, const char *port)
{
	int on = 1, handle = check(socket(AF_INET, type, 0), "socket");
	struct sockaddr_in any = at("0.0.0.0", port ? port : "0");
	setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	check(bind(handle, (struct sockaddr *)&any, sizeof any), "bind");
	return handle;
}

static int ready(int handle, short events, int patience)
{
	struct pollfd one = { .fd = handle, .events = events };
	return poll(&one, 1, patience) > 0 ? one.revents : 0;
}

static unsigned char pattern(long at)
{
	return (unsigned char)(at * 31 + (at >> 8));
}

static _Noreturn void serve(const char *port)
{
	static char buffer[65536];
	int streams = open_socket(SOCK_STREAM, port), datagrams = open_socket(SOCK_DGRAM, port);
	check(listen(streams, 16), "listen");
	if (fork() == 0) {
		for (;;) {
			struct sockaddr_in peer;
			socklen_t size = sizeof peer;
			ssize_t length = recvfrom(datagrams, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &size);
			if (length >= 0)
				sendto(datagrams, buffer, length, 0, (struct sockaddr *)&peer, size);
		}
	}
	for (;;) {
		int peer = accept(streams, NULL, NULL);
		if (peer >= 0 && fork() == 0) {
			ssize_t length;
			while ((length = read(peer, buffer, sizeof buffer)) > 0)
				for (ssize_t done = 0, part; done < length; done += part)
					part = check(write(peer, buffer + done, length - done), "write");
			_exit(0);
		}
		close(peer);
	}
}

static int connect_to(const char *address, const char *port, const char *source)
{
	int handle = open_socket(SOCK_STREAM | SOCK_NONBLOCK, source), error = 0;
	socklen_t size = sizeof error;
	struct sockaddr_in to = at(address, port);
	if (connect(handle, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
		fail("connect");
	errno = ETIMEDOUT;
	if (!ready(handle, POLLOUT, PATIENCE))
		fail("connect");
	getsockopt(handle, SOL_SOCKET, SO_ERROR, &error, &size);
	if ((errno = error))
		fail("connect");
	return handle;
}

static int tcp(const char *address, const char *port, long count, const char *source)
{
	static unsigned char buffer[16384];
	int handle = connect_to(address, port, source);
	for (long sent = 0, received = 0; received < count;) {
		errno = ETIMEDOUT;
		int what = ready(handle, POLLIN | (sent < count ? POLLOUT : 0), PATIENCE);
		if (!what)
			fail("no data");
		if (what & POLLOUT) {
			long length = count - sent < (long)sizeof buffer ? count - sent : (long)sizeof buffer;
			for (long i = 0; i < length; i++)
				buffer[i] = pattern(sent + i);
			ssize_t part = write(handle, buffer, length);
			if (part < 0 && errno != EAGAIN)
				fail("write");
			sent += part > 0 ? part : 0;
		}
		if (what & (POLLIN | POLLHUP | POLLERR)) {
			ssize_t part = read(handle, buffer, sizeof buffer);
			if (part == 0 || (part < 0 && errno != EAGAIN))
				fail("read");
			for (ssize_t i = 0; i < part; i++)
				if (buffer[i] != pattern(received + i))
					errno = 0, fail("other bytes than were sent");
			received += part > 0 ? part : 0;
		}
	}
	return 0;
}

static int udp(const char *address, const char *port, long count, const char *source)
{
	static unsigned char buffer[LARGEST], answer[LARGEST];
	int handle = open_socket(SOCK_DGRAM, source);
	struct sockaddr_in to = at(address, port);
	for (long i = 0; i < count && i < LARGEST; i++)
		buffer[i] = pattern(i);
	check(connect(handle, (struct sockaddr *)&to, sizeof to), "connect");
	check(send(handle, buffer, count, 0), "send");
	errno = ETIMEDOUT;
	if (!ready(handle, POLLIN, DATAGRAM_PATIENCE))
		fail("no answer");
	if (check(recv(handle, answer, sizeof answer, 0), "recv") != count || memcmp(buffer, answer, count))
		errno = 0, fail("another answer than was sent");
	return 0;
}

static int get(const char *address, const char *port, const char *path)
{
	char buffer[4096];
	int handle = connect_to(address, port, NULL);
	dprintf(handle, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", path, address, port);
	while (ready(handle, POLLIN, PATIENCE)) {
		ssize_t part = read(handle, buffer, sizeof buffer);
		if (part <= 0)
			return part < 0;
		fwrite(buffer, 1, part, stdout);
	}
	fail("no answer");
	return 1;
}

static int packet_socket(const char *device)
{
	int handle = check(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP)), "socket(AF_PACKET)");
	struct sockaddr_ll place = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = if_nametoindex(device) };
	check(bind(handle, (struct sockaddr *)&place, sizeof place), device);
	return handle;
}

static uint16_t checksum(const unsigned char *bytes, int count)
{
	uint32_t sum = 0;
	for (int i = 0; i < count; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static int datagram(char **words, int count)
{
	struct { struct virtio_net_hdr offload; unsigned char frame[14 + 20 + 8 + 16]; } __attribute__((packed)) all = { 0 };
	unsigned char *ip = all.frame + 14, *udp_header = ip + 20;
	unsigned int mac[6];
	int on = 1, handle = packet_socket(words[0]);
	struct sockaddr_in from = at(words[2], words[3]), to = at(words[4], words[5]);
	struct ifreq request = { 0 };
	strncpy(request.ifr_name, words[0], IFNAMSIZ - 1);
	check(ioctl(handle, SIOCGIFHWADDR, &request), "SIOCGIFHWADDR");
	if (sscanf(words[1], "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		fail(words[1]);
	for (int i = 0; i < 6; i++)
		all.frame[i] = mac[i];
	memcpy(all.frame + 6, request.ifr_hwaddr.sa_data, 6);
	all.frame[12] = 8;
	memcpy(ip, (unsigned char[]){ 0x45, 0, 0, 44, 0, 1, 0, 0, 64, 17 }, 10);
	memcpy(ip + 12, &from.sin_addr, 4);
	memcpy(ip + 16, &to.sin_addr, 4);
	uint16_t sum = checksum(ip, 20);
	ip[10] = sum >> 8;
	ip[11] = sum & 0xff;
	memcpy(udp_header, &from.sin_port, 2);
	memcpy(udp_header + 2, &to.sin_port, 2);
	udp_header[5] = 24;
	memcpy(udp_header + 8, "left to others!", 16);
	if (count > 6) {
		check(setsockopt(handle, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), "PACKET_VNET_HDR");
		all.offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		all.offload.csum_start = atoi(words[6]);
		all.offload.csum_offset = atoi(words[7]) - atoi(words[6]);
		check(send(handle, &all, sizeof all, 0), "send");
	} else {
		check(send(handle, all.frame, sizeof all.frame, 0), "send");
	}
	return 0;
}

static _Noreturn void sniff(const char *device)
{
	unsigned char frame[2048];
	struct sockaddr_ll from;
	int handle = packet_socket(device);
	setlinebuf(stdout);
	puts("sniffing");
	for (;;) {
		socklen_t size = sizeof from;
		ssize_t length = recvfrom(handle, frame, sizeof frame, 0, (struct sockaddr *)&from, &size);
		int header = (frame[14] & 15) * 4;
		unsigned char *ports = frame + 14 + header;
		if (length >= 14 + header + 4 && from.sll_pkttype != PACKET_OUTGOING)
			printf("protocol %d header %d from %d to %d.\n", frame[23], header, ports[0] << 8 | ports[1], ports[2] << 8 | ports[3]);
	}
}

static int offload(const char *device, const char *state)
{
	struct ethtool_value value = { .cmd = ETHTOOL_STXCSUM, .data = !strcmp(state, "on") };
	struct ifreq request = { .ifr_data = (void *)&value };
	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	return check(ioctl(check(socket(AF_INET, SOCK_DGRAM, 0), "socket"), SIOCETHTOOL, &request), "ETHTOOL_STXCSUM");
}

int main(int count, char **words)
{
	const char *command = count > 1 ? words[1] : "";
	if (!strcmp(command, "serve") && count == 3)
		serve(words[2]);
	if (!strcmp(command, "tcp") && count >= 5)
		return tcp(words[2], words[3], atol(words[4]), words[5]);
	if (!strcmp(command, "udp") && count >= 5)
		return udp(words[2], words[3], atol(words[4]), words[5]);
	if (!strcmp(command, "get") && count == 5)
		return get(words[2], words[3], words[4]);
	if (!strcmp(command, "datagram") && (count == 8 || count == 10))
		return datagram(words + 2, count - 2);
	if (!strcmp(command, "sniff") && count == 3)
		sniff(words[2]);
	if (!strcmp(command, "offload") && count == 4)
		return offload(words[2], words[3]);
	fprintf(stderr, "unknown command %s\n", command);
	return 2;
}

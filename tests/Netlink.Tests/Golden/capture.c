/*
 * Prints what ip and tc send to netlink, one line of hex per sendmsg, to the file named by NETLINK_CAPTURE:
 * how the captured bytes of the tests beside this file were made, each in a fresh network namespace.
 *
 *   gcc -shared -fPIC -o capture.so capture.c -ldl
 *   NETLINK_CAPTURE=out LD_PRELOAD=./capture.so tc ...
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static ssize_t (*real)(int, const struct msghdr *, int);
    if (!real)
        real = (ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");

    FILE *out = fopen(getenv("NETLINK_CAPTURE"), "a");
    for (size_t i = 0; i < message->msg_iovlen; i++)
        for (size_t j = 0; j < message->msg_iov[i].iov_len; j++)
            fprintf(out, "%02x", ((const unsigned char *)message->msg_iov[i].iov_base)[j]);
    fprintf(out, "\n");
    fclose(out);
    return real(fd, message, flags);
}

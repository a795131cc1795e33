/*
 * Runs a command step by step from outside: a step is a system call that changes something (a file, a sysctl, the kernel's network), or one message of a
 * netlink datagram. It can be told to kill the command right after a step, or to let a step fail.
 *
 *   stepper [--under DIR]... [--report FILE] [--limit SECONDS] MODE -- COMMAND ARGUMENTS...
 *
 *   list                  runs the command to its end
 *   kill N                kills it (SIGKILL) right after step N; the messages behind N in the same datagram are not sent
 *   halt N FILE           makes FILE right behind step N, or behind the whole datagram that the step is in, and goes on when FILE is gone
 *   error N ERRNO         step N is not carried out and fails with this number
 *   error-from N ERRNO    the same for step N and all later ones of its sort: what changes a file, a sysctl, or netlink requests; others as for error
 *   recv-error N ERRNO    the Nth receive from netlink fails with this number; what would have been received stays in the socket
 *
 * Only paths below a DIR, /proc/sys and standard output count. The report has a line for each step: number, kind, K where a kill after it leaves something
 * else behind than a kill before it (- otherwise), and what it is, separated by tabs. Receives have numbers of their own, behind an r.
 * The exit code is the command's, 128 + signal if one ended it, 124 if it was ended as it made no progress, 125 for an error of this program. Progress is
 * a step, or that any of its threads got a processor; the limit is how many seconds there may be without any.
 *
 * A seccomp filter stops the command at these calls alone (SECCOMP_RET_TRACE), all others run at full speed. All threads are followed. A call that the kernel
 * restarts after a signal is one step.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/ptrace.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>

#ifndef __x86_64__
#error "system call registers are known for x86-64 only"
#endif

enum mode { LIST, KILL, HALT, ERROR, ERROR_FROM, RECV_ERROR };

enum sort { OTHER, OF_FILES, OF_SYSCTLS, OF_NETLINK };

enum { MOST_THREADS = 256, MOST_DESCRIPTORS = 1024, MOST_DIRECTORIES = 8, LARGEST_DATAGRAM = 1 << 18, MOST_TICKS = 20 };

/* What is to happen when a thread's call returns. */
struct thread {
    pid_t id;
    bool in_call;
    bool restarting;
    bool kill;
    bool halt;
    struct user_regs_struct entry;
    uint64_t patched_at; /* where a datagram is whose headers were changed for the time of the call */
    uint8_t *original;
    size_t original_length;
};

static enum mode mode = LIST;
static long wanted;
static int wanted_errno;
static const char *marker;
static const char *directories[MOST_DIRECTORIES];
static int directory_count;
static FILE *report;
static pid_t leader;
static bool killed;
static volatile sig_atomic_t ticked;
static unsigned limit = 30;
static bool expired;
static long steps, receives;
static struct thread threads[MOST_THREADS];
static int netlink_protocol[MOST_DESCRIPTORS]; /* and 1; 0 is no netlink socket */

/* The answers to messages that were made no-operations, to be changed when they are received: sequence numbers from first to last, if any. */
static struct awaited {
    bool any;
    uint32_t first, last;
} awaited[MOST_DESCRIPTORS];

/* What step N was, once it has been reached. */
static enum sort failing = OTHER;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "stepper: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    if (leader > 0) {
        kill(leader, SIGKILL);
    }

    exit(125);
}

static bool read_memory(pid_t id, uint64_t address, void *to, size_t length)
{
    struct iovec local = { to, length }, remote = { (void *)(uintptr_t)address, length };
    return process_vm_readv(id, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

static void write_memory(pid_t id, uint64_t address, const void *from, size_t length)
{
    struct iovec local = { (void *)(uintptr_t)from, length }, remote = { (void *)(uintptr_t)address, length };
    if (process_vm_writev(id, &local, 1, &remote, 1, 0) != (ssize_t)length) {
        fail("cannot write the memory of %d: %s", id, strerror(errno));
    }
}

static void read_path(pid_t id, uint64_t address, char *path)
{
    size_t length = 0;
    while (length < PATH_MAX - 1 && read_memory(id, address + length, path + length, 1) && path[length] != 0) {
        length++;
    }

    path[length] = 0;
}

static void path_of_descriptor(pid_t id, int descriptor, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", id, descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

static bool is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && (path[length] == 0 || path[length] == '/');
}

static bool is_sysctl(const char *path) { return is_below(path, "/proc/sys"); }

/* The path without the directory, and without the command's own id, so that two runs have the same words. */
static const char *short_path(const char *path)
{
    static char shown[2][PATH_MAX + 16];
    static int turn;
    char *to = shown[turn = 1 - turn];
    for (int i = 0; i < directory_count; i++) {
        if (is_below(path, directories[i]) && path[strlen(directories[i])] == '/') {
            path += strlen(directories[i]) + 1;
            break;
        }

        if (strcmp(path, directories[i]) == 0) {
            path = ".";
            break;
        }
    }

    char id[32];
    snprintf(id, sizeof id, ".%d.", leader);
    const char *found = strstr(path, id);
    if (found == NULL) {
        snprintf(to, PATH_MAX, "%s", path);
    } else {
        snprintf(to, PATH_MAX + 16, "%.*s.PID.%s", (int)(found - path), path, found + strlen(id));
    }

    return to;
}

static bool is_watched(const char *path)
{
    for (int i = 0; i < directory_count; i++) {
        if (is_below(path, directories[i])) {
            return true;
        }
    }

    return is_sysctl(path);
}

static enum sort sort_of(const char *kind, bool changes)
{
    return strcmp(kind, "file") == 0 && changes ? OF_FILES
        : strcmp(kind, "sysctl") == 0 || strcmp(kind, "sysctl-open") == 0 ? OF_SYSCTLS
        : strcmp(kind, "change") == 0 || strcmp(kind, "query") == 0 ? OF_NETLINK : OTHER;
}

/* Counts a step and tells whether it is the one, or one of those behind it. */
static bool step(const char *kind, bool changes, const char *format, ...)
{
    char text[2 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    steps++;
    if (report != NULL) {
        fprintf(report, "%ld\t%s\t%s\t%s\n", steps, kind, changes ? "K" : "-", text);
    }

    if (mode == ERROR_FROM && steps == wanted) {
        failing = sort_of(kind, changes);
        return true;
    }

    return mode == ERROR_FROM ? failing != OTHER && failing == sort_of(kind, changes) : (mode == KILL || mode == HALT || mode == ERROR) && steps == wanted;
}

static void set_registers(pid_t id, const struct user_regs_struct *registers)
{
    if (ptrace(PTRACE_SETREGS, id, 0, registers) != 0) {
        fail("cannot set the registers of %d: %s", id, strerror(errno));
    }
}

/* The call is not carried out and fails. */
static void refuse(struct thread *thread, int error)
{
    struct user_regs_struct registers = thread->entry;
    registers.orig_rax = (unsigned long long)-1;
    registers.rax = (unsigned long long)-(long long)error;
    set_registers(thread->id, &registers);
}

static const char *const route_objects[] = { "LINK", "ADDR", "ROUTE", "NEIGH", "RULE", "QDISC", "TCLASS", "TFILTER", "ACTION" };
static const char *const route_verbs[] = { "NEW", "DEL", "GET", "SET" };

static void describe(int protocol, const struct nlmsghdr *message, const uint8_t *end, char *text, size_t size, bool *changes)
{
    unsigned type = message->nlmsg_type;
    if (protocol != NETLINK_ROUTE || type < RTM_BASE || (type - RTM_BASE) / 4 >= sizeof route_objects / sizeof *route_objects) {
        *changes = false;
        snprintf(text, size, "netlink protocol %d message type %u", protocol, type);
        return;
    }

    unsigned verb = (type - RTM_BASE) % 4;
    *changes = verb != 2;
    int length = snprintf(text, size, "RTM_%s%s", route_verbs[verb], route_objects[(type - RTM_BASE) / 4]);
    if (verb == 2) {
        length += snprintf(text + length, size - length, "%s", (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ? " DUMP" : "");
    } else {
        length += snprintf(text + length, size - length, "%s%s%s%s", message->nlmsg_flags & NLM_F_CREATE ? " CREATE" : "",
            message->nlmsg_flags & NLM_F_EXCL ? " EXCL" : "", message->nlmsg_flags & NLM_F_REPLACE ? " REPLACE" : "",
            message->nlmsg_flags & NLM_F_APPEND ? " APPEND" : "");
    }

    const uint8_t *body = NLMSG_DATA(message);
    if (type >= RTM_NEWQDISC && type <= RTM_GETTFILTER && body + sizeof(struct tcmsg) <= end) {
        const struct tcmsg *tc = (const struct tcmsg *)body;
        length += snprintf(text + length, size - length, " dev %d parent %x handle %x info %x", tc->tcm_ifindex, tc->tcm_parent, tc->tcm_handle, tc->tcm_info);
        const struct rtattr *attribute = (const struct rtattr *)(body + NLMSG_ALIGN(sizeof *tc));
        if ((const uint8_t *)attribute + sizeof *attribute < end && attribute->rta_type == TCA_KIND) {
            snprintf(text + length, size - length, " %.*s", (int)(attribute->rta_len - sizeof *attribute), (const char *)RTA_DATA(attribute));
        }
    } else if (type >= RTM_NEWLINK && type <= RTM_SETLINK && body + sizeof(struct ifinfomsg) <= end) {
        const struct ifinfomsg *link = (const struct ifinfomsg *)body;
        snprintf(text + length, size - length, " dev %d", link->ifi_index);
    }
}

/* The kernel does nothing for a control message, and acknowledges it where that is asked for. */
static void neutralise(struct thread *thread, int descriptor, const uint8_t *datagram, size_t length, size_t at)
{
    const struct nlmsghdr *message = (const struct nlmsghdr *)(datagram + at);
    if (thread->original == NULL) {
        thread->original = malloc(length);
        if (thread->original == NULL) {
            fail("no memory");
        }

        thread->patched_at = thread->entry.rsi;
        thread->original_length = length;
        memcpy(thread->original, datagram, length);
    }

    struct nlmsghdr changed = *message;
    changed.nlmsg_type = NLMSG_NOOP;
    changed.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    write_memory(thread->id, thread->entry.rsi + at, &changed, sizeof changed);
    if (!awaited[descriptor].any) {
        awaited[descriptor] = (struct awaited) { true, message->nlmsg_seq, mode == ERROR ? message->nlmsg_seq : UINT32_MAX };
    }
}

/* Each message is a step. Returns whether the call's end is of interest. */
static bool on_send(struct thread *thread)
{
    static uint8_t datagram[LARGEST_DATAGRAM];
    int descriptor = (int)thread->entry.rdi;
    if (descriptor < 0 || descriptor >= MOST_DESCRIPTORS || netlink_protocol[descriptor] == 0) {
        return false;
    }

    size_t length = thread->entry.rdx;
    if (thread->entry.orig_rax != SYS_sendto || length > sizeof datagram || !read_memory(thread->id, thread->entry.rsi, datagram, length)) {
        fail("a netlink datagram that cannot be read: call %llu, %zu bytes", thread->entry.orig_rax, length);
    }

    bool follow = false;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= length;) {
        struct nlmsghdr *message = (struct nlmsghdr *)(datagram + at);
        size_t next = at + NLMSG_ALIGN(message->nlmsg_len);
        if (message->nlmsg_len < sizeof *message || next > length) {
            fail("a netlink message of %u bytes at %zu of %zu", message->nlmsg_len, at, length);
        }

        char text[256];
        bool changes;
        describe(netlink_protocol[descriptor] - 1, message, datagram + at + message->nlmsg_len, text, sizeof text, &changes);
        if (step(changes ? "change" : "query", changes, "%s", text)) {
            follow = true;
            if (mode == HALT) {
                thread->halt = true;
            } else if (mode == KILL) {
                struct user_regs_struct registers = thread->entry;
                registers.rdx = next;
                set_registers(thread->id, &registers);
                thread->kill = true;
                break;
            } else {
                neutralise(thread, descriptor, datagram, length, at);
            }
        }

        at = next;
    }

    return follow;
}

static bool on_receive(struct thread *thread)
{
    int descriptor = (int)thread->entry.rdi;
    if (descriptor < 0 || descriptor >= MOST_DESCRIPTORS || netlink_protocol[descriptor] == 0) {
        return false;
    }

    receives++;
    if (report != NULL) {
        fprintf(report, "r%ld\treceive\t-\tbehind step %ld\n", receives, steps);
    }

    if (mode == RECV_ERROR && receives == wanted) {
        refuse(thread, wanted_errno);
        return true;
    }

    return awaited[descriptor].any;
}

/* Puts the error into the answers that are awaited, as far as this datagram has them. */
static void on_received(struct thread *thread, long received)
{
    static uint8_t datagram[LARGEST_DATAGRAM];
    int descriptor = (int)thread->entry.rdi;
    if (descriptor < 0 || descriptor >= MOST_DESCRIPTORS || !awaited[descriptor].any || received <= 0) {
        return;
    }

    if (received > LARGEST_DATAGRAM || !read_memory(thread->id, thread->entry.rsi, datagram, (size_t)received)) {
        fail("an answer of %ld bytes that cannot be read", received);
    }

    for (size_t at = 0; at + sizeof(struct nlmsghdr) + sizeof(int) <= (size_t)received;) {
        struct nlmsghdr *message = (struct nlmsghdr *)(datagram + at);
        if (message->nlmsg_len < sizeof *message) {
            return;
        }

        if (message->nlmsg_type == NLMSG_ERROR && message->nlmsg_seq >= awaited[descriptor].first && message->nlmsg_seq <= awaited[descriptor].last) {
            int error = -wanted_errno;
            write_memory(thread->id, thread->entry.rsi + at + NLMSG_HDRLEN, &error, sizeof error);
            awaited[descriptor].any = mode == ERROR_FROM;
        }

        at += NLMSG_ALIGN(message->nlmsg_len);
    }
}

static bool on_path(struct thread *thread, const char *call, uint64_t first, uint64_t second)
{
    char path[PATH_MAX], other[PATH_MAX] = "";
    read_path(thread->id, first, path);
    if (second != 0) {
        read_path(thread->id, second, other);
    }

    if (!is_watched(path) && !is_watched(other)) {
        return false;
    }

    return step("file", true, "%s %s%s%s", call, short_path(path), other[0] != 0 ? " " : "", other[0] != 0 ? short_path(other) : "");
}

static bool on_open(struct thread *thread, uint64_t address, int flags)
{
    char path[PATH_MAX];
    read_path(thread->id, address, path);
    if (!is_watched(path)) {
        return false;
    }

    return is_sysctl(path) ? step("sysctl-open", false, "open %s", path) : step("file", (flags & (O_CREAT | O_TRUNC)) != 0, "open%s%s%s %s",
        flags & O_CREAT ? " O_CREAT" : "", flags & O_EXCL ? " O_EXCL" : "", flags & O_TRUNC ? " O_TRUNC" : "", short_path(path));
}

static bool on_descriptor(struct thread *thread, const char *call, const char *kind, bool changes)
{
    char path[PATH_MAX];
    path_of_descriptor(thread->id, (int)thread->entry.rdi, path);
    return is_watched(path) && !is_sysctl(path) && step(kind, changes, "%s %s", call, short_path(path));
}

static bool on_write(struct thread *thread)
{
    int descriptor = (int)thread->entry.rdi;
    if (descriptor == STDOUT_FILENO) {
        return step("stdout", true, "write standard output");
    }

    char path[PATH_MAX];
    path_of_descriptor(thread->id, descriptor, path);
    return is_watched(path) && step(is_sysctl(path) ? "sysctl" : "file", true, "write %s", is_sysctl(path) ? path : short_path(path));
}

static bool on_flock(struct thread *thread)
{
    int operation = (int)thread->entry.rsi & ~LOCK_NB;
    return on_descriptor(thread, operation == LOCK_UN ? "flock LOCK_UN" : operation == LOCK_SH ? "flock LOCK_SH" : "flock LOCK_EX",
        operation == LOCK_UN ? "unlock" : "lock", true);
}

/* A call with one step. */
static bool is_wanted(struct thread *thread)
{
    const struct user_regs_struct *r = &thread->entry;
    switch (r->orig_rax) {
    case SYS_open: return on_open(thread, r->rdi, (int)r->rsi);
    case SYS_openat: return on_open(thread, r->rsi, (int)r->rdx);
    case SYS_creat: return on_open(thread, r->rdi, O_CREAT | O_TRUNC);
    case SYS_write: case SYS_writev: case SYS_pwrite64: case SYS_pwritev: return on_write(thread);
    case SYS_fsync: return on_descriptor(thread, "fsync", "file", true);
    case SYS_fdatasync: return on_descriptor(thread, "fdatasync", "file", true);
    case SYS_ftruncate: return on_descriptor(thread, "ftruncate", "file", true);
    case SYS_fallocate: return on_descriptor(thread, "fallocate", "file", true);
    case SYS_fchmod: return on_descriptor(thread, "fchmod", "file", true);
    case SYS_fchown: return on_descriptor(thread, "fchown", "file", true);
    case SYS_flock: return on_flock(thread);
    case SYS_fcntl: return on_descriptor(thread, "fcntl lock", "lock", true);
    case SYS_rename: return on_path(thread, "rename", r->rdi, r->rsi);
    case SYS_renameat: case SYS_renameat2: return on_path(thread, "rename", r->rsi, r->r10);
    case SYS_link: return on_path(thread, "link", r->rdi, r->rsi);
    case SYS_linkat: return on_path(thread, "link", r->rsi, r->r10);
    case SYS_symlink: return on_path(thread, "symlink", r->rsi, 0);
    case SYS_symlinkat: return on_path(thread, "symlink", r->rdx, 0);
    case SYS_unlink: return on_path(thread, "unlink", r->rdi, 0);
    case SYS_unlinkat: return on_path(thread, "unlink", r->rsi, 0);
    case SYS_mkdir: return on_path(thread, "mkdir", r->rdi, 0);
    case SYS_mkdirat: return on_path(thread, "mkdir", r->rsi, 0);
    case SYS_rmdir: return on_path(thread, "rmdir", r->rdi, 0);
    case SYS_chmod: return on_path(thread, "chmod", r->rdi, 0);
    case SYS_fchmodat: return on_path(thread, "chmod", r->rsi, 0);
    case SYS_chown: case SYS_lchown: return on_path(thread, "chown", r->rdi, 0);
    case SYS_fchownat: return on_path(thread, "chown", r->rsi, 0);
    case SYS_setns: return step("namespace", false, "setns");
    case SYS_unshare: return step("namespace", false, "unshare");
    case SYS_mount: return step("namespace", true, "mount");
    case SYS_umount2: return step("namespace", true, "umount");
    case SYS_bpf: return step("bpf", false, "bpf");
    case SYS_socket: return step("socket", false, "socket AF_NETLINK protocol %d", (int)r->rdx);
    default: fail("call %llu was stopped for nothing", r->orig_rax); return false;
    }
}

/* The thread is about to make a call. Returns whether its end is of interest. */
static bool on_entry(struct thread *thread)
{
    struct user_regs_struct before = thread->entry;
    if (ptrace(PTRACE_GETREGS, thread->id, 0, &thread->entry) != 0) {
        return false; /* It is being killed. */
    }

    bool again = thread->restarting && before.orig_rax == thread->entry.orig_rax && before.rdi == thread->entry.rdi
        && before.rsi == thread->entry.rsi && before.rdx == thread->entry.rdx;
    thread->restarting = false;
    if (again) {
        return true;
    }

    if (thread->entry.orig_rax == SYS_sendto || thread->entry.orig_rax == SYS_sendmsg) {
        return on_send(thread);
    }

    if (thread->entry.orig_rax == SYS_recvfrom || thread->entry.orig_rax == SYS_recvmsg) {
        return on_receive(thread);
    }

    if (is_wanted(thread)) {
        if (mode == KILL) {
            thread->kill = true;
        } else if (mode == HALT) {
            thread->halt = true;
        } else {
            refuse(thread, wanted_errno);
            return false;
        }
    }

    return true;
}

/* How often the command's threads were given a processor so far, and its steps. */
static unsigned long progress(void)
{
    unsigned long total = (unsigned long)(steps + receives);
    for (int i = 0; i < MOST_THREADS; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/status", threads[i].id);
        FILE *status = threads[i].id != 0 ? fopen(path, "re") : NULL;
        while (status != NULL && fgets(line, sizeof line, status) != NULL) {
            const char *count = strstr(line, "ctxt_switches:");
            total += count == NULL ? 0 : strtoul(count + strlen("ctxt_switches:"), NULL, 10);
        }

        if (status != NULL) {
            fclose(status);
        }
    }

    return total;
}

/* Ends what has not moved since the last time, unless it is halted, and what has gone on for too long. */
static void on_tick(bool halted)
{
    static unsigned long last;
    static int ticks;
    unsigned long now = progress();
    ticked = 0;
    if ((now == last && !halted) || ++ticks > MOST_TICKS) {
        expired = 1;
        kill(leader, SIGKILL);
        return;
    }

    last = now;
    alarm(limit);
}

/* Other threads may run on until their next step. */
static void wait_for_others(void)
{
    int file = open(marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        fail("%s: %s", marker, strerror(errno));
    }

    close(file);
    while (access(marker, F_OK) == 0 && !expired) {
        usleep(1000);
        if (ticked) {
            on_tick(true);
        }
    }
}

static void on_return(struct thread *thread)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, thread->id, 0, &registers) != 0) {
        return;
    }

    long result = (long)registers.rax;
    if (thread->original != NULL) {
        write_memory(thread->id, thread->patched_at, thread->original, thread->original_length);
        free(thread->original);
        thread->original = NULL;
    }

    if (result <= -512 && result >= -516) { /* ERESTARTSYS and its like, which user space never sees */
        thread->restarting = true;
        return;
    }

    if (thread->kill) {
        killed = true;
        kill(leader, SIGKILL);
        return;
    }

    if (thread->halt) {
        thread->halt = false;
        wait_for_others();
    }

    if (thread->entry.orig_rax == SYS_socket && result >= 0 && result < MOST_DESCRIPTORS) {
        netlink_protocol[result] = (int)thread->entry.rdx + 1;
        awaited[result].any = false;
    } else if (thread->entry.orig_rax == SYS_recvfrom) {
        on_received(thread, result);
    }
}

static struct thread *find(pid_t id)
{
    struct thread *vacant = NULL;
    for (int i = 0; i < MOST_THREADS; i++) {
        if (threads[i].id == id) {
            return &threads[i];
        }

        vacant = vacant == NULL && threads[i].id == 0 ? &threads[i] : vacant;
    }

    if (vacant == NULL) {
        fail("more than %d threads", MOST_THREADS);
    }

    memset(vacant, 0, sizeof *vacant);
    vacant->id = id;
    return vacant;
}

/* Stops at a call if an argument has any of these bits, or is this value; at every such call for bits of 0. */
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define TRACE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define ALWAYS(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), TRACE
#define IF_BITS(call, argument, bits) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4), LOAD(args[argument]), \
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1), TRACE, ALLOW
#define IF_VALUE(call, argument, value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4), LOAD(args[argument]), \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), TRACE, ALLOW

static void install_filter(void)
{
    static struct sock_filter code[] = {
        LOAD(nr),
        IF_BITS(SYS_openat, 2, O_CREAT | O_TRUNC | O_WRONLY | O_RDWR),
        IF_BITS(SYS_open, 1, O_CREAT | O_TRUNC | O_WRONLY | O_RDWR),
        IF_VALUE(SYS_socket, 0, AF_NETLINK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 6), LOAD(args[1]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETLK, 2, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETLKW, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_OFD_SETLK, 0, 1), TRACE, ALLOW,
        ALWAYS(SYS_creat), ALWAYS(SYS_write), ALWAYS(SYS_writev), ALWAYS(SYS_pwrite64), ALWAYS(SYS_pwritev), ALWAYS(SYS_fsync), ALWAYS(SYS_fdatasync),
        ALWAYS(SYS_ftruncate), ALWAYS(SYS_fallocate), ALWAYS(SYS_fchmod), ALWAYS(SYS_fchown), ALWAYS(SYS_flock), ALWAYS(SYS_rename),
        ALWAYS(SYS_renameat), ALWAYS(SYS_renameat2), ALWAYS(SYS_link), ALWAYS(SYS_linkat), ALWAYS(SYS_symlink), ALWAYS(SYS_symlinkat), ALWAYS(SYS_unlink),
        ALWAYS(SYS_unlinkat), ALWAYS(SYS_mkdir), ALWAYS(SYS_mkdirat), ALWAYS(SYS_rmdir), ALWAYS(SYS_chmod), ALWAYS(SYS_fchmodat), ALWAYS(SYS_chown),
        ALWAYS(SYS_lchown), ALWAYS(SYS_fchownat), ALWAYS(SYS_setns), ALWAYS(SYS_unshare), ALWAYS(SYS_mount), ALWAYS(SYS_umount2), ALWAYS(SYS_bpf),
        ALWAYS(SYS_sendto), ALWAYS(SYS_sendmsg), ALWAYS(SYS_recvfrom), ALWAYS(SYS_recvmsg),
        ALLOW,
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
        fail("seccomp: %s", strerror(errno));
    }
}

static void start(char **command)
{
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) != 0 || (leader = fork()) < 0) {
        fail("cannot start: %s", strerror(errno));
    }

    if (leader == 0) {
        char go;
        close(gate[1]);
        if (read(gate[0], &go, 1) != 1) {
            _exit(125);
        }

        install_filter();
        execvp(command[0], command);
        fail("%s: %s", command[0], strerror(errno));
    }

    close(gate[0]);
    const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL
        | PTRACE_O_TRACESYSGOOD;
    if (ptrace(PTRACE_SEIZE, leader, 0, options) != 0) {
        fail("ptrace is not allowed here: %s", strerror(errno));
    }

    if (write(gate[1], "", 1) != 1) {
        fail("cannot start: %s", strerror(errno));
    }

    close(gate[1]);
}

/* Lets a stopped thread go on. A failure means that it has been killed meanwhile. */
static void on_stop(pid_t id, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;
    struct thread *thread = find(id);
    if (event == PTRACE_EVENT_SECCOMP) {
        thread->in_call = on_entry(thread);
        ptrace(thread->in_call ? PTRACE_SYSCALL : PTRACE_CONT, id, 0, 0);
    } else if (signal == (SIGTRAP | 0x80)) {
        if (thread->in_call) {
            on_return(thread);
        }

        thread->in_call = false;
        ptrace(PTRACE_CONT, id, 0, 0);
    } else if (event == PTRACE_EVENT_STOP) {
        bool group = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
        ptrace(group ? PTRACE_LISTEN : PTRACE_CONT, id, 0, 0);
    } else {
        /* Signals are the command's own business. */
        ptrace(PTRACE_CONT, id, 0, event != 0 ? 0 : signal);
    }
}

static int follow(void)
{
    int result = 125;
    while (true) {
        int status;
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0 && errno == EINTR) {
            if (ticked) {
                on_tick(false);
            }

            continue;
        }

        if (id < 0) {
            return expired ? 124 : result;
        }

        if (WIFSTOPPED(status)) {
            on_stop(id, status);
            continue;
        }

        find(id)->id = 0;
        if (id == leader) {
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
}

static void on_alarm(int signal)
{
    (void)signal;
    ticked = 1;
}

static int number_of(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*end != 0 || number < 0 || number > INT_MAX) {
        fail("\"%s\" is no number", text);
    }

    return (int)number;
}

int main(int count, char **words)
{
    int at = 1;
    for (; at + 1 < count && strncmp(words[at], "--", 2) == 0 && words[at][2] != 0; at += 2) {
        if (strcmp(words[at], "--under") == 0 && directory_count < MOST_DIRECTORIES) {
            directories[directory_count++] = words[at + 1];
        } else if (strcmp(words[at], "--limit") == 0) {
            limit = (unsigned)number_of(words[at + 1]);
        } else if (strcmp(words[at], "--report") == 0 && (report = fopen(words[at + 1], "we")) != NULL) {
            continue;
        } else {
            fail("%s %s: not understood", words[at], words[at + 1]);
        }
    }

    static const char *const names[] = { "list", "kill", "halt", "error", "error-from", "recv-error" };
    for (mode = LIST; at < count && mode <= RECV_ERROR && strcmp(words[at], names[mode]) != 0; mode++) {
    }

    int numbers = mode == LIST ? 0 : mode == KILL ? 1 : 2;
    if (mode > RECV_ERROR || at + numbers + 2 >= count || strcmp(words[at + numbers + 1], "--") != 0) {
        fail("usage: stepper [--under DIR]... [--report FILE] [--limit SECONDS] list|kill N|halt N FILE|error N ERRNO|error-from N ERRNO|recv-error N ERRNO -- COMMAND ARGUMENTS...");
    }

    wanted = numbers > 0 ? number_of(words[at + 1]) : 0;
    if (mode == HALT) {
        marker = words[at + 2];
    } else if (numbers > 1) {
        wanted_errno = number_of(words[at + 2]);
    }

    start(words + at + numbers + 2);

    /* Not restarted: the wait for the command is to notice it. */
    const struct sigaction action = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &action, NULL);
    alarm(limit);
    int result = follow();
    if (report != NULL && fclose(report) != 0) {
        fail("cannot write the report: %s", strerror(errno));
    }

    if (expired) {
        fprintf(stderr, "stepper: the command was ended as it made no progress for %u s, at step %ld\n", limit, steps);
        return 124;
    }

    bool reached = mode == LIST || killed || (mode == RECV_ERROR ? receives >= wanted : mode != KILL && steps >= wanted);
    if (!reached) {
        fail("the command ended after %ld steps and %ld receives, before number %ld", steps, receives, wanted);
    }

    return result;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask/query.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "ask/answer.h"
#include "basic/cleanup.h"

#define ID_LENGTH 16
#define ASK_PREFIX "ask.swarm-"
#define SOCKET_PREFIX "sck.swarm-"
#define NEW_PREFIX ".ask.swarm-" /* agents look at names that begin with "ask." only */

static inline void closedirp(DIR **d)
{
    if (*d)
        (void) closedir(*d);
}

static int socket_address(const char *folder, const char *id, struct sockaddr_un *ret)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/" SOCKET_PREFIX "%s", folder, id);

    if (n < 0 || (size_t) n >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    *ret = a;
    return 0;
}

static int socket_open(struct query *q)
{
    static const int on = 1;

    q->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (q->fd < 0)
        return -errno;
    if (setsockopt(q->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
        bind(q->fd, (const struct sockaddr *) &q->address, sizeof(q->address)) < 0) {
        int r = -errno;
        q->address.sun_path[0] = 0;
        return r;
    }
    return 0;
}

static int write_all(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            left -= (size_t) n;
        }
    }
    return 0;
}

/* As systemd's own queries: everybody may read what is asked, only root may answer. */
static int file_new(const char *path, const struct query *q, const struct request *request)
{
    char text[sizeof(q->address.sun_path) + ASK_MESSAGE_MAX + 256];
    _cleanup_close_ int fd = -1;

    (void) snprintf(text, sizeof(text),
                    "[Ask]\nPID=%d\nSocket=%s\nAcceptCached=%d\nEcho=0\nNotAfter=0\nSilent=0\n"
                    "Icon=drive-harddisk\nId=%s\n" ASK_AGENT_KEY "=%d\nMessage=%s\n",
                    (int) getpid(), q->address.sun_path, request->accept_cached, request->id ? request->id : ASK_ID, request->agent, request->message);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0644) < 0)
        return -errno;
    return write_all(fd, text);
}

/* Under a name that agents do not look at, then renamed: they never see half a query. */
static int file_publish(const char *folder, const char *id, struct query *q, const struct request *request)
{
    char path[PATH_MAX];
    int r;

    (void) snprintf(path, sizeof(path), "%s/" NEW_PREFIX "%s", folder, id);
    r = file_new(path, q, request);
    if (r == 0) {
        (void) snprintf(q->file, sizeof(q->file), "%s/" ASK_PREFIX "%s", folder, id);
        if (rename(path, q->file) < 0) {
            r = -errno;
            q->file[0] = 0;
        }
    }
    if (r < 0)
        (void) unlink(path);
    return r;
}

int query_open(const char *folder, const struct request *request, struct query *ret, struct error *e)
{
    _cleanup_(query_done) struct query q = QUERY_NULL;
    char id[ID_LENGTH + 1];
    uint64_t random;
    int r;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return error_set(e, -EIO, "no random numbers from the kernel");
    (void) snprintf(id, sizeof(id), "%016" PRIx64, random);
    r = socket_address(folder, id, &q.address);
    if (r == 0)
        r = socket_open(&q);
    if (r < 0)
        return error_set(e, r, "cannot make the answer socket in %s: %s", folder, strerror(-r));
    r = file_publish(folder, id, &q, request);
    if (r < 0)
        return error_set(e, r, "cannot write the query in %s: %s", folder, strerror(-r));
    *ret = q;
    q = QUERY_NULL;
    return 0;
}

static bool is_from_root(struct msghdr *m)
{
    struct ucred c;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(sizeof(c))) {
            memcpy(&c, CMSG_DATA(h), sizeof(c));
            return c.uid == 0;
        }
    return false;
}

static bool is_agent(const struct sockaddr_un *a, socklen_t size)
{
    static const size_t head = offsetof(struct sockaddr_un, sun_path) + 1;

    return size == head + strlen(ASK_AGENT_NAME) && a->sun_family == AF_UNIX && a->sun_path[0] == '\0' &&
           memcmp(a->sun_path + 1, ASK_AGENT_NAME, strlen(ASK_AGENT_NAME)) == 0;
}

int query_receive(const struct query *q, struct secret *packet, size_t *ret_size, bool *ret_agent)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec v = { packet->data, packet->size };
    struct sockaddr_un from = { .sun_family = AF_UNSPEC };
    struct msghdr m = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = &v,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(q->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int r;

    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (!is_from_root(&m)) {
        (void) fputs("ignored an answer that is not root's\n", stderr);
        return -EAGAIN;
    }
    *ret_agent = is_agent(&from, m.msg_namelen);
    r = answer_parse(packet->data, (size_t) n, m.msg_flags & MSG_TRUNC, ret_size);
    return r == -EINVAL ? -EAGAIN : r;
}

void query_done(struct query *q)
{
    if (q->file[0])
        (void) unlink(q->file);
    if (q->fd >= 0 && q->address.sun_path[0])
        (void) unlink(q->address.sun_path);
    closep(&q->fd);
    *q = QUERY_NULL;
}

/* The part of a name of ours that ties a query's files together, or NULL. */
static const char *name_id(const char *name)
{
    static const char *const prefixes[] = { ASK_PREFIX, SOCKET_PREFIX, NEW_PREFIX };

    for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
        const char *id = name + strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0 && strlen(id) == ID_LENGTH &&
            strspn(id, "0123456789abcdef") == ID_LENGTH)
            return id;
    }
    return NULL;
}

/* Nobody has the query's socket open. (A process id would not tell: it can be in use again.) bind(2) makes the name before the socket
 * can be connected to: a young one may be another helper's that is just being made. */
static bool is_abandoned(const char *folder, const char *id)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un a;
    struct stat st;

    if (fd < 0 || socket_address(folder, id, &a) < 0)
        return false;
    if (lstat(a.sun_path, &st) < 0)
        return errno == ENOENT;
    return time(NULL) - st.st_ctime > QUERY_YOUNG &&
           connect(fd, (const struct sockaddr *) &a, sizeof(a)) < 0 && (errno == ECONNREFUSED || errno == ENOENT);
}

void query_collect(const char *folder)
{
    _cleanup_(closedirp) DIR *d = opendir(folder);
    const char *id;

    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));) {
        id = name_id(entry->d_name);
        if (id && is_abandoned(folder, id))
            (void) unlinkat(dirfd(d), entry->d_name, 0);
    }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The errands' thread: operations that wait for helpers, and through them for servers and devices. What concerns the lock they leave to
 * the lifecycle thread, as requests of their own. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "basic/file.h"
#include "exchange/exchange.h"
#include "swarm/swarm_private.h"
#include "basic/text.h"

#define SLICE_MS 100 /* how long a closing manager may have to wait for this thread */
#define QUEUE_TRIES 50 /* others may fill the queue for a moment */

struct nested {
    struct swarm *swarm;
    struct swarm_request *request;
    struct completion *completion;
    bool refused;
};

static void on_done(void *data, struct swarm_request *request)
{
    struct nested *n = data;

    completion_done(n->completion, request->result);
}

static void submit(void *data, struct completion *c)
{
    struct nested *n = data;
    int r;

    n->completion = c;
    n->request->done = on_done;
    n->request->data = n;
    r = swarm_submit(n->swarm, n->request);
    n->refused = r == -EAGAIN;
    if (r < 0)
        completion_done(c, r);
}

int errand_request(struct swarm *s, struct swarm_request *request, struct error *e)
{
    struct nested n = { .swarm = s, .request = request };
    int r = lifecycle_on_loop(s->errands, submit, &n);

    for (unsigned i = 1; n.refused && i < QUEUE_TRIES && lifecycle_sleep(s->errands, SLICE_MS) == 0; i++)
        r = lifecycle_on_loop(s->errands, submit, &n);
    if (n.refused)
        return error_set(e, r, "the manager is busy with other requests: try again");
    return r < 0 ? error_set(e, r, "%s", request->error.text[0] ? request->error.text : strerror(-r)) : r;
}

static int wait_reply(struct lifecycle *thread, int fd, unsigned timeout_ms, struct secret *ret_body, struct error *e)
{
    for (unsigned waited = 0; waited < timeout_ms; waited += SLICE_MS) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r;

        if (lifecycle_stopping(thread))
            return error_set(e, -ECANCELED, "the manager is stopping");
        r = poll(&p, 1, SLICE_MS);
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0 && (r = exchange_receive(fd, ret_body, e)) != -EAGAIN)
            return r;
    }
    return error_set(e, -ETIMEDOUT, "no reply within %u s", timeout_ms / 1000);
}

/* A helper that is not there is as good as a server that is not: only what the helper itself says is more. */
int errand_exchange_on(struct lifecycle *thread, struct swarm *s, const char *helper, char operation, const void *body, size_t size,
                       unsigned timeout_ms, struct secret *ret_body, struct error *e)
{
    _cleanup_close_ int fd = -1;
    char path[PATH_MAX];
    int r = path_join(path, s->helpers, helper);

    if (r == 0)
        r = fd = exchange_connect(path);
    if (r >= 0)
        r = exchange_send(fd, operation, body, size);
    if (r < 0)
        return error_set(e, -EHOSTUNREACH, "the helper at %s cannot be reached: %s; start its socket unit, or install it", path, strerror(-r));
    r = wait_reply(thread, fd, timeout_ms, ret_body, e);
    if (r < 0 && e)
        text_copy(e->text, sizeof(e->text), e->text);
    return r == -EOPNOTSUPP ? -ENOSYS : r; /* the former says that there is no lock */
}

static int exchange(void *data, const char *helper, char operation, const void *body, size_t size, unsigned timeout_ms,
                    struct secret *ret_body, struct error *e)
{
    struct swarm *s = data;

    return errand_exchange_on(s->errands, s, helper, operation, body, size, timeout_ms, ret_body, e);
}

struct method_helpers errand_helpers(struct swarm *s)
{
    return (struct method_helpers) { exchange, s };
}

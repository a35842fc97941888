/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message/bus_error.h"

#include <errno.h>
#include <string.h>

#include "basic/text.h"

#define NAME(n) "org.swarm.Error." n

static const struct {
    int code;
    const char *name;
    const char *member; /* NULL: any method */
} names[] = {
    { -EINVAL, NAME("InvalidKey"), "Unlock" },
    { -EALREADY, NAME("NotLocked"), "Unlock" },
    { -EALREADY, NAME("AlreadyMember"), NULL },
    { -ENOKEY, NAME("Locked"), NULL },
    { -ESRCH, NAME("NotManager"), NULL },
    { -EKEYREJECTED, NAME("WrongKey"), NULL },
    { -ENODATA, NAME("NoUnlockKey"), NULL },
    { -EOPNOTSUPP, NAME("AutolockOff"), NULL },
    { -EEXIST, NAME("Exists"), NULL },
    { -ENOENT, NAME("NotFound"), NULL },
    { -ENOTUNIQ, NAME("NotFound"), NULL },
    { -ESTALE, NAME("OutOfSequence"), NULL },
    { -EMSGSIZE, NAME("TooLarge"), NULL },
    { -EINVAL, NAME("Invalid"), NULL },
    { -EBADMSG, NAME("Damaged"), NULL },
    { -EPROTONOSUPPORT, NAME("Damaged"), NULL },
    { -ENOSPC, NAME("NoSpace"), NULL },
    { -EDQUOT, NAME("NoSpace"), NULL },
    { -EBUSY, NAME("InUse"), NULL },
    { -EHOSTUNREACH, NAME("Unreachable"), NULL },
    { -ETIMEDOUT, NAME("Unreachable"), NULL },
    { -ENOSYS, NAME("Unsupported"), NULL },
    { -EAGAIN, NAME("Busy"), NULL },
    { -ESHUTDOWN, NAME("Busy"), NULL },
    { -ECANCELED, NAME("Busy"), NULL },
};

static const char *error_name(int code, const char *member)
{
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (names[i].code == code && (!names[i].member || (member && strcmp(names[i].member, member) == 0)))
            return names[i].name;
    return NAME("Failed");
}

/* Too long a text may have been cut within a character, which D-Bus does not take. */
int bus_reply_error(sd_bus_message *m, int code, const struct error *e)
{
    char text[ERROR_TEXT_MAX];

    text_copy(text, sizeof(text), e && e->text[0] ? e->text : strerror(-code));
    return sd_bus_reply_method_errorf(m, error_name(code, sd_bus_message_get_member(m)), "%s", text);
}

int bus_reply_text(sd_bus_message *m, int code, const char *text)
{
    struct error e;

    (void) error_set(&e, code, "%s", text);
    return bus_reply_error(m, code, &e);
}

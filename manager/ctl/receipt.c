/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/receipt.h"

#include "ctl/output.h"
#include "ctl/status.h"

int receipt_confirm(struct caller *c, uint32_t generation, uint64_t old_key_expires, const char *unless, struct error *e)
{
    struct error why;
    int r = output_finish(&why);

    if (r != STATUS_OK)
        return error_set(e, r, "the unlock key was not printed: %.300s; %s. Run 'swarmctl unlock-key' to see the new one", why.text, unless);
    r = call_method(c, "ConfirmUnlockKey", NULL, &why, "ut", generation, old_key_expires);
    if (r != STATUS_OK)
        return error_set(e, r, "the unlock key was printed, but the manager could not be told so: %.300s; %s. Keep both keys and run "
                         "'swarmctl unlock-key' again", why.text, unless);
    return STATUS_OK;
}

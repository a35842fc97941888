/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* swarm-units: what the swarm's services mean for this machine's units. Framing and errors: exchange/exchange.h. Bodies are JSON; a member that
 * is not named here makes a request invalid.
 *
 * UNITS_DROP_INS: {"services":[{"name":"web","unit":"web@*.service","credentials":["db-password",…]},…]}, at most UNITS_SERVICES_MAX with at most
 *                 UNITS_CREDENTIALS_MAX each. The machine has exactly these drop-ins of ours when the reply comes.
 *                 Reply: {"written":["web",…],"removed":["old",…],"failed":[{"service":"x","text":"why"},…]}; names of services, at most
 *                 UNITS_NAMES_MAX in each list.
 * UNITS_UPDATE:   {"unit":"web@*.service","how":"restart"}, or "reload". The active units of that name that load one of our credentials are
 *                 restarted or reloaded, all at once, and waited for.
 *                 Reply: {"units":N,"skipped":M} or {"units":N,"skipped":M,"failed":"web@2.service","text":"why"}. skipped: how many matched and
 *                 load none of ours.
 * UNITS_STATE:    {"units":["web@1.service",…]}, at most UNITS_STATE_MAX. Reply: {"active":[…]}: those that are neither inactive nor failed.
 * Failures: 'r' no unit that matches and is active loads a credential of ours; 'l' process 1 does not answer, or a file cannot be written;
 * 'i' the request has no valid form. */

#define UNITS_SOCKET_NAME "units.sock"

#define UNITS_DROP_INS 'd'
#define UNITS_UPDATE 'u'
#define UNITS_STATE 's'

#define UNITS_SERVICES_MAX 1024U
#define UNITS_CREDENTIALS_MAX 64U
#define UNITS_NAMES_MAX 64U
#define UNITS_STATE_MAX 128U
#define UNITS_UPDATE_MAX 1024U /* units of one update */

#define UNITS_ANSWER_MS 90000  /* drop-ins, with process 1's reload, and state */
#define UNITS_UPDATE_MS 300000 /* the helper's own; its caller may allow a little more */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the manager, swarm-open or swarm-agent and swarm-unlock@: packets as in exchange/exchange.h. JWE: flattened JSON as a clevis
 * token of a LUKS2 header holds it. PIN: {"pin":"tang","tang":{"url":URL,"adv":{"keys":[…]}}} or
 * {"pin":"sss","sss":{"t":T,"pins":[PIN,…]}}. */

/* Body: the URL of a Tang server, http or https. Reply: {"url":URL,"adv":{"keys":[…]},"thumbprints":[…]}: the keys, signed by every
 * signing key among them, and those keys' thumbprints (RFC 7638, SHA-256, base64url). */
#define UNLOCK_ADVERTISE 'a'
/* Body: PIN, one NUL byte, 1..1024 bytes of plaintext. Reply: JWE. No server is asked. */
#define UNLOCK_ENCRYPT 'e'
/* Body: a JWE (flattened or general JSON, or compact). Reply: the plaintext. */
#define UNLOCK_DECRYPT 'd'
/* Body: a JWE. Reply: {"servers":[{"url":URL,"state":STATE,"text":TEXT},…],"pin":PIN}, the pin with the new keys of every server that
 * is "rotated". STATE:
 *     "current"      the server advertises the key of this JWE
 *     "rotated"      it does not any more, and a signing key that the JWE knows has signed the keys it advertises now
 *     "untrusted"    it does not any more, and no such key has
 *     "unreachable"  no answer, or none of use */
#define UNLOCK_CHECK 'c'
/* Body: empty. Replies: '+' without a body each time this machine gets an address or a route, at most one in UNLOCK_WATCH_PAUSE_MS, until
 * the other side hangs up. */
#define UNLOCK_WATCH 'w'

#define UNLOCK_PLAINTEXT_MAX 1024
#define UNLOCK_SERVERS_MAX 16
#define UNLOCK_DEPTH_MAX 4 /* a lone tang is 1 */
#define UNLOCK_KEYS_MAX 20 /* in an advertisement */
#define UNLOCK_URL_MAX 1024
#define UNLOCK_ANSWER_MAX (64U * 1024) /* of a server */
#define UNLOCK_CONNECT_MS 3000
#define UNLOCK_DEADLINE_MS 8000
#define UNLOCK_WATCH_PAUSE_MS 250

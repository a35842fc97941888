/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person can do about stored data that cannot be read; ends an error text. */
#define RESTORE_OR_LEAVE "restore the manager's state from a backup, or give this node up with \"swarmctl leave --force\""
#define NEWER_VERSION "was written by a newer version of swarm-manager: install that version"

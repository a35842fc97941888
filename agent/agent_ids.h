/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Message ids of swarm-agent's journal; units/swarm-manager.catalog explains each. Never change or reuse one. */

#define MESSAGE_AGENT_OPENED "825110ae9e2b4d389c48b4e1d5cd63da"
#define MESSAGE_AGENT_KEYSLOT "ff658d938eb34ee38bc52fb9fb8df486"
#define MESSAGE_AGENT_TROUBLE "516f9e3d18974260b26a5c7e0f97278c"

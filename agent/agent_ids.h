/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Message ids of swarm-agent's journal; units/swarm-manager.catalog explains each. Never change or reuse one. */

#define MESSAGE_AGENT_OPENED "825110ae9e2b4d389c48b4e1d5cd63da"
#define MESSAGE_AGENT_KEYSLOT "ff658d938eb34ee38bc52fb9fb8df486"
#define MESSAGE_AGENT_TROUBLE "516f9e3d18974260b26a5c7e0f97278c"

/* And of swarm-agent-docker's. */

#define MESSAGE_DOCKER_UNLOCKED "69f9a92ecc6e4d01bd160b0ec92acb9c"
#define MESSAGE_DOCKER_STORED "a925e61d32c84fd7b28fcec3abc055fa"
#define MESSAGE_DOCKER_REFUSED "a6cd0f01ddfc4a5b91665e82eaabe31c"
#define MESSAGE_DOCKER_NOT_STORED "66b32b5763a549a19a8cc03fabb521b8"
#define MESSAGE_DOCKER_KEYSLOT "071274bf24d847d2b264b2331aeed8ef"
#define MESSAGE_DOCKER_TROUBLE "4db6c6c265114555b2f30232d631134b"
#define MESSAGE_DOCKER_FORGOTTEN "c0fdade4ba7e419299b7414a452cd815"

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Message ids of the journal; units/swarm-manager.catalog explains each. Never change or reuse one. */

#define MESSAGE_INITIALISED "803fba79c2ce46b393bce99a25fc47fe"
#define MESSAGE_LOCKED "f2d9b14d2ecb442eb64d76e9826abc66"
#define MESSAGE_UNLOCKED "23a81d435aeb4995948edcabad17342c"
#define MESSAGE_UNLOCK_FAILED "a4ca296dcb2f4aa9a60f70e55af2d1b9"
#define MESSAGE_KEY_ROTATED "9d60eb5ddfd5456085fbb8c3cc34b6c6"
#define MESSAGE_KEY_CONFIRMED "ea4e9587ae9e43ecba25e0d1b7e50221"
#define MESSAGE_AUTOLOCK_ENABLED "46fc96a8abe04ba4901b5b4b1a62bb27"
#define MESSAGE_AUTOLOCK_DISABLED "78e0ea53cc294a678c9a0d26cea7c602"
#define MESSAGE_LEFT "7464e5366c47426c81287c0a58ba6d61"
#define MESSAGE_DAMAGED "221acfd4f5a648e1a473709059e9a8c8"
#define MESSAGE_ROLLED_BACK "7bf21be83ecb4999ac7e9668e0b8c807"
#define MESSAGE_MENDED "6c4deb422d2945f2ad3983c50cf4d542"
#define MESSAGE_REPLICA_FAILED "d011e378aef2404da3b5b1c4c2a1f24b"
#define MESSAGE_TROUBLE "d248d217e613410987c6e4fb9729a2b7"
#define MESSAGE_CREDENTIALS "d4ade964d01043b3a9949ffbfa6b95fa"

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside a machine, as root: reads a manager's disk the way a thief would who has its key bundle in clear (autolock off, or a worker's), or the
KEK that opens it, by docs/FORMATS.md and nothing of the manager's own code.

unseal.py bundle CREDENTIAL [KEK]   {"deks": {id: hex}, "tls_key": PEM, "rekeyed": number}; KEK: a file with the lock's volume key
unseal.py scan FOLDER… <BUNDLE      how many records each DEK id has, how many of them the bundle's DEKs decrypt, and what secrets are in them
unseal.py authority FOLDER <BUNDLE  {"key": PEM, "certificate": PEM} of the swarm's CA
"""

import base64
import ctypes
import hashlib
import json
import os
import re
import subprocess
import sys

sodium = ctypes.CDLL("libsodium.so.23")
NONCE, TAG, HEADER = 24, 16, 48
MAGIC = b"SWR\x01"
CA_KEY = re.compile(rb"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01.{121}", re.DOTALL)
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n")


def pem(der):
    text = base64.encodebytes(der).decode().replace("\n", "")
    return "-----BEGIN PRIVATE KEY-----\n" + "".join(text[i:i + 64] + "\n" for i in range(0, len(text), 64)) + "-----END PRIVATE KEY-----\n"


def number(data):
    return int.from_bytes(data, "little")


def bundle(path, kek_path=None):
    blob = subprocess.run(["systemd-creds", "decrypt", "--name=swarm_keys", path, "-"], check=True, capture_output=True).stdout
    assert blob[:8] == b"SWARMKB\x02", blob[:8]
    header, sealed = blob[:56], blob[56:]
    if number(blob[8:12]) & 1:
        kek, sealed = sealed[:64], sealed[64:]
    elif kek_path is None:
        sys.exit("the key-encryption key is not in this bundle: it is locked")
    if kek_path:
        with open(kek_path, "rb") as file:
            kek = file.read()
    key = hashlib.blake2b(b"swarm-manager key bundle, version 2", key=kek, digest_size=32).digest()
    plain = ctypes.create_string_buffer(len(sealed))
    if sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, None, None, sealed, ctypes.c_ulonglong(len(sealed)), header,
                                                         ctypes.c_ulonglong(len(header)), header[16:40], key) != 0:
        sys.exit("the key-encryption key does not open this bundle")
    plain = plain.raw[:len(sealed) - TAG]
    n, size, at = number(plain[12:16]), number(plain[16:20]), 24
    deks = {number(plain[at + i:at + i + 4]): plain[at + i + 4:at + i + 36].hex() for i in range(0, 36 * n, 36)}
    return {"deks": deks, "tls_key": pem(plain[at + 36 * n:at + 36 * n + size]), "rekeyed": number(plain[20:24])}


def decrypt(data, at, key):
    """Without a look at the tag: what comes out tells whether the key was right."""
    cipher = data[at + HEADER:at + HEADER + (1 << 20)]
    plain = ctypes.create_string_buffer(len(cipher))
    nonce = data[at + 8:at + 8 + NONCE]
    subkey = ctypes.create_string_buffer(32)
    sodium.crypto_core_hchacha20(subkey, nonce[:16], key, None)
    sodium.crypto_stream_chacha20_ietf_xor_ic(plain, cipher, ctypes.c_ulonglong(len(cipher)), bytes(4) + nonce[16:], ctypes.c_uint32(1), subkey)
    return plain.raw[:len(cipher)]


def makes_sense(plain):
    behind_membership = 16 + number(plain[8:16])
    return plain[:3] == b"swc" or (behind_membership < 65536 and plain[behind_membership:behind_membership + 3] == b"sws")


def records(folders):
    for folder in folders:
        for where, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(where, name), "rb") as file:
                    data = file.read()
                at = data.find(MAGIC)
                while at >= 0:
                    yield data, at, number(data[at + 4:at + 8])
                    at = data.find(MAGIC, at + 1)


def opened(folders, deks):
    """(DEK id, plaintext or None) of each record, with every key tried on each."""
    keys = [bytes.fromhex(key) for key in deks.values()]
    for data, at, dek in records(folders):
        yield dek, next((plain for key in keys if makes_sense(plain := decrypt(data, at, key))), None)


def scan(folders, deks):
    by_id, found, secrets = {}, 0, 0
    for dek, plain in opened(folders, deks):
        by_id[dek] = by_id.get(dek, 0) + 1
        found += plain is not None
        secrets += plain is not None and bool(CA_KEY.search(plain))
    return {"records": by_id, "opened": found, "ca_keys": secrets}


def authority(folder, deks):
    found = {}
    for _, plain in opened([folder], deks):
        key, certificate = CA_KEY.search(plain or b""), CERTIFICATE.search(plain or b"")
        if key and certificate:
            found = {"key": pem(key.group()), "certificate": certificate.group().decode()}
    return found or sys.exit("no certificate authority in these records")


assert sodium.sodium_init() >= 0
command, *rest = sys.argv[1:]
if command == "bundle":
    print(json.dumps(bundle(*rest)))
elif command == "scan":
    print(json.dumps(scan(rest, json.load(sys.stdin)["deks"])))
elif command == "authority":
    print(json.dumps(authority(rest[0], json.load(sys.stdin)["deks"])))
else:
    sys.exit(__doc__)

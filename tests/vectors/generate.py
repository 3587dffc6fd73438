#!/usr/bin/env python3
"""Known answers for suite 1, made without Rozen: hashlib, PyNaCl and zstandard, written from docs/format.md.

    python3 -m venv v && v/bin/pip install pynacl zstandard && v/bin/python generate.py > suite1.json

The checked-in suite1.json is never made anew: old data must stay readable. This script is kept to show where it
comes from; its sealed boxes and random nonces differ with each run.
"""
import hashlib
import json

import nacl.bindings as sodium
import nacl.public
import nacl.pwhash
import nacl.signing
import nacl.utils
import zstandard

u32 = lambda n: n.to_bytes(4, "little")
u64 = lambda n: n.to_bytes(8, "little")


def H(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def HK(key, data, size=32):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def D(label, *fields):
    return bytes([len(label)]) + label.encode() + b"".join(u64(len(f)) + f for f in fields)


def aead(key, ad, plain):
    nonce = nacl.utils.random(24)
    return nonce + sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, ad, nonce, key)


secret = bytes(range(32))
repo, machine, slot = bytes([0xA0 + i for i in range(16)]), bytes([0xB0 + i for i in range(16)]), bytes([0xC0 + i for i in range(16)])
epoch = 1

epoch_seed = HK(secret, D("rozen.v1/epoch", u32(epoch)))
key = {name: HK(epoch_seed, D("rozen.v1/" + name)) for name in ("content-key", "psk", "index-key", "id-key", "chunker-key")}
content_public = sodium.crypto_scalarmult_base(key["content-key"])
admin_seed = HK(secret, D("rozen.v1/admin-sign"))
admin = nacl.signing.SigningKey(admin_seed)
index = {name: HK(key["index-key"], D("rozen.v1/" + name)) for name in ("frame-head", "directory", "footer", "index")}


def chunk_id(kind, plain):
    return HK(HK(key["id-key"], D("rozen.v1/chunk-id", bytes([kind]))), plain)


# --- key slot -------------------------------------------------------------------------------------------------------
pack_key = bytes([0x50 + i for i in range(32)])
sealed = nacl.public.SealedBox(nacl.public.PublicKey(content_public)).encrypt(b"\x01" + repo + slot + u32(epoch) + pack_key)
commit = HK(pack_key, D("rozen.v1/slot-commit", slot, repo, u32(epoch)))
root = HK(key["psk"], D("rozen.v1/slot-root", slot, repo, u32(epoch), pack_key))
body_key, object_key = HK(root, D("rozen.v1/body")), HK(root, D("rozen.v1/object"))


# --- frames ---------------------------------------------------------------------------------------------------------
def frame(kind, codec, plain):
    payload = zstandard.ZstdCompressor(level=3).compress(plain) if codec else plain
    head = chunk_id(kind, plain) + bytes([kind, codec, 0, 0]) + u32(len(plain)) + u32(len(payload) + 16) + bytes(20)
    sealed_head = aead(index["frame-head"], D("rozen.v1/frame-head", repo, slot), head)
    return sealed_head + aead(body_key, D("rozen.v1/frame-body", repo, slot, head), payload)


text = b"Rozen keeps what you wrote. " * 20
frames = [
    {"kind": kind, "plain": plain.hex(), "id": chunk_id(kind, plain).hex(), "frame": frame(kind, codec, plain).hex()}
    for kind, codec, plain in [(0, 0, b""), (0, 0, b"plain"), (1, 1, text), (2, 1, text), (3, 0, text)]
]

# --- file ids -------------------------------------------------------------------------------------------------------
chunks = [(chunk_id(0, b"first"), 5), (chunk_id(0, b"second"), 6)]
file_list = b"".join(i + u32(n) for i, n in chunks)

# --- recovery code --------------------------------------------------------------------------------------------------
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def gf_multiply(a, b):
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x25 if a & 16 else 0)
        b >>= 1
    return product


def recovery_code(secret):
    check = int.from_bytes(H(D("rozen.v1/recovery-code", b"\x01", secret)), "big") >> (256 - 19)
    number = int.from_bytes(secret, "big") << 19 | check
    symbols = [1] + [number >> 5 * (54 - i) & 31 for i in range(55)]
    groups = []
    for g in range(14):
        data, factor, total = symbols[4 * g:4 * g + 4], 1, 0
        for symbol in data:
            factor = gf_multiply(factor, 2)
            total ^= gf_multiply(factor, symbol)
        groups.append("".join(ALPHABET[s] for s in data + [total ^ (g + 1)]))
    return "-".join(groups)


# --- key files ------------------------------------------------------------------------------------------------------
def key_file(first_line, fields):
    parts = [first_line.encode()] + [part.encode() for field in fields for part in field]
    lines = [first_line, "# a comment"] + [f"{name}: {value}" for name, value in fields]
    return "\n".join(lines + ["checksum: " + H(D("rozen.v1/key-file", *parts)).hex()]) + "\n"


url, passphrase, salt = "/backups/rozen", "correct horse battery staple", bytes(range(16))
passes, memory = 1, 8 << 20
plain_file = key_file("ROZEN-RECOVERY-1", [("repository", repo.hex()), ("url", url), ("code", recovery_code(secret))])
kek = nacl.pwhash.argon2id.kdf(64, passphrase.encode(), salt, opslimit=passes, memlimit=memory)
bound = D("rozen.v1/passphrase", salt, u64(passes), u64(memory), D("rozen.v1/recovery-file", repo, url.encode()))
protected_file = key_file("ROZEN-RECOVERY-1", [
    ("repository", repo.hex()), ("url", url),
    ("passphrase-passes", str(passes)), ("passphrase-memory-bytes", str(memory)), ("passphrase-salt", salt.hex()),
    ("passphrase-commitment", HK(kek[32:], D("rozen.v1/passphrase-commit", salt, u64(passes), u64(memory))).hex()),
    ("sealed-secret", aead(kek[:32], bound, secret).hex()),
])
signing_seed = bytes([0x90 + i for i in range(32)])
signing_public = nacl.signing.SigningKey(signing_seed).verify_key.encode()
serial = 2
certified = admin.sign(D("rozen.v1/certificate", repo, machine, u32(serial), u32(epoch), signing_public)).signature
certificate = u32(serial) + u32(epoch) + signing_public + certified
machine_file = key_file("ROZEN-MACHINE-KEY-1", [
    ("repository", repo.hex()), ("machine", machine.hex()), ("epoch", str(epoch)),
    ("content-public-key", content_public.hex()), ("psk", key["psk"].hex()), ("index-key", key["index-key"].hex()),
    ("id-key", key["id-key"].hex()), ("chunker-key", key["chunker-key"].hex()),
    ("signing-seed", signing_seed.hex()), ("certificate", certificate.hex()), ("admin-public-key", admin.verify_key.encode().hex()),
])

gear = b"".join(HK(key["chunker-key"], D("rozen.v1/gear", u32(block))) for block in range(64))

print(json.dumps({
    "secret": secret.hex(), "repository": repo.hex(), "machine": machine.hex(), "slot_id": slot.hex(), "epoch": epoch,
    "fields": D("label", b"", b"abc").hex(),
    "object_hash": H(b"object").hex(),
    "admin_seed": admin_seed.hex(), "admin_public": admin.verify_key.encode().hex(),
    "signature": admin.sign(D("rozen.v1/test", b"abc")).signature.hex(),
    "content_secret": key["content-key"].hex(), "content_public": content_public.hex(), "psk": key["psk"].hex(),
    "index_key": key["index-key"].hex(), "id_key": key["id-key"].hex(), "chunker_key": key["chunker-key"].hex(),
    "frame_head_key": index["frame-head"].hex(),
    "sealed": {name: aead(index[name], b"place", b"message of " + name.encode()).hex() for name in ("directory", "footer", "index")},
    "chunk_ids": [chunk_id(kind, b"rozen").hex() for kind in range(4)],
    "file_id_of_data": HK(HK(key["id-key"], D("rozen.v1/file-id")), b"rozen", 16).hex(),
    "file_chunks": [[i.hex(), n] for i, n in chunks],
    "file_id_of_chunks": HK(HK(key["id-key"], D("rozen.v1/file-list")), file_list, 16).hex(),
    "root_tag": HK(HK(key["id-key"], D("rozen.v1/root-tag")), b"home", 16).hex(),
    "listing_key": HK(key["psk"], D("rozen.v1/listing")).hex(),
    "gear_hash": H(gear).hex(),
    "slot": (slot + u32(epoch) + commit + sealed).hex(), "body_key": body_key.hex(), "object_key": object_key.hex(),
    "frames": frames,
    "recovery_code": recovery_code(secret), "recovery_url": url, "recovery_file": plain_file,
    "passphrase": passphrase, "protected_recovery_file": protected_file,
    "signing_seed": signing_seed.hex(), "certificate": certificate.hex(), "machine_key_file": machine_file,
}, indent=1))

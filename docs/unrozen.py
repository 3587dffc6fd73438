#!/usr/bin/env python3
"""Restores Rozen repositories without Rozen: an independent reader, written from docs/format.md alone.

    pip install pynacl zstandard
    unrozen.py REPO_DIR RECOVERY_FILE_OR_CODE list
    unrozen.py REPO_DIR RECOVERY_FILE_OR_CODE restore SNAPSHOT DEST [--machine ID]
    unrozen.py REPO_DIR RECOVERY_FILE_OR_CODE config SNAPSHOT [--machine ID]

SNAPSHOT is a sequence number or `latest`. Several roots go to DEST/<root id>, a single one to DEST itself. `config` prints
the settings that the machine had.
Owners, modes, times, attributes, holes and hard links come back; inode flags (chattr) do not.
Every id, hash and signature is checked. What is damaged is named on stderr and left out; everything else is restored.
After an interruption the same command goes on: what DEST has already as the snapshot has it is skipped, what is unfinished is
done again, and what differs is named and kept. After a power cut restore to an empty folder: nothing is synced.
Exit: 0 done, 1 failed, 2 usage, 3 done with problems, 12 wrong key or passphrase.
"""
import argparse, collections, contextlib, datetime, errno, getpass, hashlib, json, os, re, stat, sys, time
import zstandard
from nacl import bindings, exceptions, pwhash, signing

MAX_RAW, FOOTER = 16 << 20, 160
KINDS = CONTENT, BUNDLE, NODE, MAP = range(4)
FILE, DIR, SYMLINK, FIFO, SOCKET, CHAR, BLOCK = range(7)
TYPES = [stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK]
UNFINISHED = stat.S_ISVTX | stat.S_IRUSR | stat.S_IWUSR  # the mode of what is being made; its own one comes last
UNFINISHED_DIR = UNFINISHED | stat.S_IXUSR

class Damaged(Exception):
    """Something that was read is not what was written."""

class WrongKey(Exception):
    pass

class Newer(Exception):
    pass

def need(condition, what):
    if not condition:
        raise Damaged(what)

def reason(error):
    """Names what went wrong with one thing. Ends the program if it has run out of descriptors: then nothing is damaged."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        raise error
    if isinstance(error, (Damaged, OSError, zstandard.ZstdError)):
        return str(error)
    if isinstance(error, KeyError):
        return f"field {error} is missing"
    return f"it has a value that makes no sense ({type(error).__name__}: {error})"

# ---------------------------------------------------------------------------------------------- notation

def u(size, number):
    return number.to_bytes(size, "little")

def num(data):
    return int.from_bytes(data, "little")

def H(data):
    return hashlib.blake2b(data, digest_size=32).digest()

def HK(key, data, size=32):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()

def D(label, *fields):
    return bytes([len(label)]) + label.encode() + b"".join(u(8, len(f)) + f for f in fields)

def open_aead(key, ad, sealed, what):
    need(len(sealed) >= 40, f"{what} is too short")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[24:], ad, sealed[:24], key)
    except exceptions.CryptoError:
        raise Damaged(f"{what} does not decrypt") from None

def verify(public, message, signature, what):
    try:
        signing.VerifyKey(public).verify(message, signature)
    except (exceptions.CryptoError, ValueError):
        raise Damaged(f"the signature of {what} does not fit") from None

def cbor(data, padded=False):
    try:
        item, end = cbor_item(data, 0)
    except (IndexError, ValueError, TypeError, RecursionError) as error:
        raise Damaged(f"malformed CBOR: {error}") from None
    need(not data[end:].strip(b"\0") if padded else end == len(data), "bytes follow a CBOR item")
    return item

def cbor_item(data, at):
    """What begins there, and where it ends. The format has integers, strings, arrays, maps and bools, and nothing else."""
    kind, number = data[at] >> 5, data[at] & 31
    at += 1
    if 24 <= number < 28:
        size = 1 << number - 24
        number, at = int.from_bytes(data[at:at + size], "big"), at + size
    elif kind == 7 and number in (20, 21):
        return number == 21, at
    need(number < 28 or at > 8, "malformed CBOR: an unknown length")
    if kind == 0:
        return number, at
    if kind == 1:
        return -1 - number, at
    if kind in (2, 3):
        need(at + number <= len(data), "malformed CBOR: a string is cut off")
        text = data[at:at + number]
        return text if kind == 2 else text.decode(), at + number
    need(kind in (4, 5), "malformed CBOR: a tag, a float or a null")
    items = []
    for _ in range(number * (kind - 3)):
        item, at = cbor_item(data, at)
        items.append(item)
    return items if kind == 4 else dict(zip(items[::2], items[1::2])), at

# ------------------------------------------------------------------------- recovery code, recovery file

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

def parse_code(text):
    text = re.sub(r"[\s\-_.\u2010-\u2015]", "", text).upper().translate(str.maketrans("OIL", "011"))
    need(len(text) == 70 and set(text) <= set(ALPHABET), "a recovery code has 14 groups of 5 letters and digits")
    symbols, data = [ALPHABET.index(c) for c in text], []
    for group in range(14):
        *four, check = symbols[group * 5:group * 5 + 5]
        total = 0
        for symbol in reversed(four):
            total = (total ^ symbol) << 1
            total ^= 0x25 if total & 0x20 else 0
        need(total ^ (group + 1) == check, f"group {group + 1} of the recovery code is wrong")
        data += four
    need(data[0] == 1, "the recovery code is of a newer version")
    bits = int("".join(f"{symbol:05b}" for symbol in data[1:]), 2)
    secret = (bits >> 19).to_bytes(32, "big")
    check = int.from_bytes(H(D("rozen.v1/recovery-code", b"\x01", secret))[:3], "big") >> 5
    need(check == bits & 0x7FFFF, "the recovery code is wrong")
    return secret

def parse_recovery(text):
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    if not lines or not lines[0].startswith("ROZEN-RECOVERY-"):
        return parse_code(text)
    need(lines[0] == "ROZEN-RECOVERY-1", "the recovery file is of a newer version")
    fields, sums = {}, [lines[0].encode()]
    intact = False
    for line in (line for line in lines[1:] if not line.startswith("#")):
        name, _, value = (part.strip() for part in line.partition(":"))
        if name == "checksum":
            intact = H(D("rozen.v1/key-file", *sums)).hex() == value
            break
        fields[name] = value
        sums += [name.encode(), value.encode()]
    if "code" in fields:
        if not intact:
            print("warning: the recovery file is damaged, but the code in it is whole", file=sys.stderr)
        return parse_code(fields["code"])
    need(intact, "the recovery file is damaged")
    return unwrap(fields)

def unwrap(fields):
    ops, memory = int(fields["passphrase-passes"]), int(fields["passphrase-memory-bytes"])
    need(1 <= ops <= 16 and 8 << 20 <= memory <= 4 << 30, "the cost of the passphrase is out of bounds")
    salt, commitment, sealed = (bytes.fromhex(fields[n]) for n in
                                ("passphrase-salt", "passphrase-commitment", "sealed-secret"))
    path = os.environ.get("ROZEN_PASSPHRASE_FILE")
    phrase = open(path).readline() if path else getpass.getpass("passphrase: ")
    kek = pwhash.argon2id.kdf(64, phrase.rstrip("\r\n").encode(), salt, ops, memory)
    cost = (salt, u(8, ops), u(8, memory))
    if HK(kek[32:], D("rozen.v1/passphrase-commit", *cost)) != commitment:
        raise WrongKey("the passphrase is wrong")
    about = D("rozen.v1/recovery-file", bytes.fromhex(fields.get("repository", "")), fields.get("url", "").encode())
    return open_aead(kek[:32], D("rozen.v1/passphrase", *cost, about), sealed, "the secret in the recovery file")

# --------------------------------------------------------------------------------------------- repository

class Keys:
    def __init__(self, secret, epoch=1):
        seed = HK(secret, D("rozen.v1/epoch", u(4, epoch)))
        self.epoch = epoch
        self.content, self.psk, index, ids = (
            HK(seed, D(f"rozen.v1/{name}")) for name in ("content-key", "psk", "index-key", "id-key"))
        self.public = bindings.crypto_scalarmult_base(self.content)
        self.by_purpose = {p: HK(index, D(f"rozen.v1/{p}")) for p in ("frame-head", "directory", "footer", "index")}
        self.chunk_id = [HK(ids, D("rozen.v1/chunk-id", bytes([kind]))) for kind in KINDS]
        self.file_id, self.file_list = (HK(ids, D(f"rozen.v1/{name}")) for name in ("file-id", "file-list"))

Place = collections.namedtuple("Place", "pack offset length")
Frame = collections.namedtuple("Frame", "id kind length raw_length")
Pack = collections.namedtuple("Pack", "name file header_hash header_length slots")

class Repository:
    def __init__(self, place, secret):
        self.place, self.problems = place, []
        self.admin = bytes(signing.SigningKey(HK(secret, D("rozen.v1/admin-sign"))).verify_key)
        self.id, epoch = None, None
        with self.goes_on("rozen.json"):
            record = self.record()
            self.id, epoch = bytes.fromhex(record["repository"]), record["epoch"]
        self.machines, self.places, self.packs, self.indexed = {}, {}, {}, set()
        for machine in self.names("machines"):
            if re.fullmatch("[0-9a-f]{32}", machine):
                with self.goes_on(f"machine {machine}"):
                    epoch = self.certificates(machine) or epoch
        need(self.id is not None, "neither rozen.json nor any certificate fits this recovery secret")
        need(epoch == 1, "the repository needs a newer program")
        self.keys = Keys(secret, epoch)
        self.chunk_cache = collections.OrderedDict()

    @contextlib.contextmanager
    def goes_on(self, what):
        """Names what is damaged and goes on behind it."""
        try:
            yield
        except (Damaged, OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            self.problems.append(what)
            print(f"{what}: {error}", file=sys.stderr)

    def names(self, folder):
        try:
            return sorted(os.listdir(os.path.join(self.place, folder)))
        except FileNotFoundError:
            return []

    def read(self, name):
        with open(os.path.join(self.place, name), "rb") as file:
            return file.read()

    def record(self):
        outer = json.loads(self.read("rozen.json"))
        text, signature = outer["signed"], bytes.fromhex(outer["signature"])
        signed = D("rozen.v1/record", outer["kind"].encode(), text.encode())
        try:
            verify(self.admin, signed, signature, "rozen.json")
        except Damaged:
            verify(bytes.fromhex(json.loads(text)["admin_public_key"]), signed, signature, "rozen.json")
            raise WrongKey("the recovery secret belongs to another repository") from None
        record = json.loads(text)
        if record["version"] != 1 or record["suite"] != 1 or record["required_features"]:
            raise Newer("the repository needs a newer program")
        return record

    def certificates(self, machine):
        """Notes the keys that a machine signs with: each manifest carries the certificate of its own, too."""
        epoch, self.machines[machine] = None, []
        places = [(f"machines/{machine}/certificates/{leaf}", b"ROZENMC1", 5, 48)
                  for leaf in self.names(f"machines/{machine}/certificates")]
        places += [(f"machines/{machine}/snapshots/{seq:020}", b"ROZENSN1", 4, 88) for seq in self.snapshots(machine)]
        for name, magic, kind, at in places:
            with self.goes_on(name):
                data = self.read(name)
                self.id = self.id or self.certificate(data, at, data[16:32], machine)[2]
                self.header(data, magic, kind, machine)
                epoch, key, _ = self.certificate(data, at, self.id, machine)
                if key not in self.machines[machine]:
                    self.machines[machine].append(key)
        return epoch

    def certificate(self, data, at, repository, machine):
        serial, epoch, key, signature = (data[at + a:at + b] for a, b in ((0, 4), (4, 8), (8, 40), (40, 104)))
        verify(self.admin, D("rozen.v1/certificate", repository, bytes.fromhex(machine), serial, epoch, key), signature,
               "a certificate")
        return num(epoch), key, repository

    def verify(self, machine, message, signature, what):
        """By any of the machine's keys."""
        for key in self.machines[machine]:
            with contextlib.suppress(Damaged):
                return verify(key, message, signature, what)
        raise Damaged(f"the signature of {what} does not fit")

    def header(self, data, magic, kind, machine):
        need(data[:8] == magic, f"it does not begin with {magic.decode()}")
        need(num(data[8:10]) == 1 and data[10] == 1 and num(data[12:16]) == 0, "it needs a newer program")
        need(data[11] == kind and data[16:32] == self.id and data[32:48].hex() == machine, "it belongs elsewhere")

    def open_slot(self, slot):
        slot_id, epoch, commitment, sealed = slot[:16], slot[16:20], slot[20:52], slot[52:]
        try:
            plain = bindings.crypto_box_seal_open(sealed, self.keys.public, self.keys.content)
        except exceptions.CryptoError:
            raise Damaged("a key slot does not open") from None
        pack_key, bound = plain[37:], (slot_id, self.id, epoch)
        need(num(epoch) == self.keys.epoch and plain[:37] == b"\x01" + self.id + slot_id + epoch, "a slot was moved")
        need(HK(pack_key, D("rozen.v1/slot-commit", *bound)) == commitment, "a slot's commitment does not fit")
        root = HK(self.keys.psk, D("rozen.v1/slot-root", *bound, pack_key))
        return HK(root, D("rozen.v1/body")), HK(root, D("rozen.v1/object"))

    # -- where chunks are

    def load_index(self, machine):
        for leaf in self.names(f"machines/{machine}/index"):
            name = f"machines/{machine}/index/{leaf}"
            with self.goes_on(name):
                data = self.read(name)
                need(H(data).hex() == leaf, "its bytes are not those of its name")
                self.header(data, b"ROZENIX1", 3, machine)
                head, sealed, signature = data[:48], data[48:-64], data[-64:]
                self.verify(machine, D("rozen.v1/index-signature", head, H(sealed)), signature, name)
                plain = open_aead(self.keys.by_purpose["index"], D("rozen.v1/index", head), sealed, name)
                for digest, is_tree, _size, first, frames, _members in cbor(plain, padded=True)[0]:
                    pack = f"machines/{machine}/{'trees' if is_tree else 'packs'}/{digest.hex()}"
                    self.note(pack, first, [Frame(*frame) for frame in frames])

    def note(self, pack, offset, frames):
        self.indexed.add(pack)
        for frame in frames:
            self.places.setdefault(frame.id, {})[Place(pack, offset, frame.length)] = None
            offset += frame.length

    def load_directories(self):
        """Packs that no index object lists: their own directories say what is in them."""
        for machine in self.machines:
            for folder in ("trees", "packs"):
                for leaf in self.names(f"machines/{machine}/{folder}"):
                    name = f"machines/{machine}/{folder}/{leaf}"
                    if name not in self.indexed:
                        self.indexed.add(name)
                        with self.goes_on(name):
                            self.load_directory(name, machine)

    def load_directory(self, name, machine):
        pack = self.pack(name)
        end = os.fstat(pack.file.fileno()).st_size - FOOTER
        sealed = os.pread(pack.file.fileno(), FOOTER, max(end, 0))
        ad = (self.id, pack.header_hash)
        plain = open_aead(self.keys.by_purpose["footer"], D("rozen.v1/footer", *ad), sealed, "its footer")
        offset, length, count, digest = num(plain[:8]), num(plain[8:16]), num(plain[16:20]), plain[24:56]
        self.verify(machine, D("rozen.v1/pack-signature", pack.header_hash, digest), plain[56:], name)
        need(offset + length == end, "its footer points elsewhere")
        sealed = os.pread(pack.file.fileno(), length, offset)
        need(H(sealed) == digest, "its directory is not the one that was signed")
        plain = open_aead(self.keys.by_purpose["directory"], D("rozen.v1/directory", *ad), sealed, "its directory")
        frames = [Frame(*frame) for frame in cbor(plain, padded=True)]
        need(len(frames) == count and pack.header_length + sum(f.length for f in frames) == offset, "lengths differ")
        self.note(name, pack.header_length, frames)

    def pack(self, name):
        if name not in self.packs:
            _, machine, folder, _ = name.split("/")
            file = open(os.path.join(self.place, name), "rb")
            data = file.read(56)
            self.header(data, b"ROZENPK1", 2 if folder == "trees" else 1, machine)
            count, length = num(data[48:50]), num(data[52:56])
            need(1 <= count <= 256 and data[50:52] == b"\0\0" and length == 88 + 169 * count, "its header is damaged")
            data += file.read(length - 56)
            digest = data[-32:]
            need(H(data[:-32]) == digest, "the hash of its header does not fit")
            slots = {}
            for at in range(56, length - 32, 169):
                slots[data[at:at + 16]] = self.open_slot(data[at:at + 169])[0]
            self.packs[name] = Pack(name, file, digest, length, slots)
        return self.packs[name]

    # -- chunks

    def chunk(self, chunk_id, machine):
        """The plain content of a chunk, from whichever of its places is whole; `machine`'s own first."""
        if chunk_id in self.chunk_cache:
            self.chunk_cache.move_to_end(chunk_id)
            return self.chunk_cache[chunk_id]
        if chunk_id not in self.places:
            self.load_directories()
        error = Damaged(f"no pack holds chunk {chunk_id.hex()}")
        own = f"machines/{machine}/"
        for place in sorted(self.places.get(chunk_id, ()), key=lambda p: not p.pack.startswith(own)):
            try:
                content = self.chunk_at(place, chunk_id)
            except (Damaged, OSError, zstandard.ZstdError) as reason:
                error = Damaged(f"chunk {chunk_id.hex()[:16]}… in {place.pack}: {reason}")
                continue
            self.chunk_cache[chunk_id] = content
            if len(self.chunk_cache) > 16:
                self.chunk_cache.popitem(last=False)
            return content
        raise error

    def chunk_at(self, place, chunk_id):
        pack = self.pack(place.pack)
        need(place.length <= MAX_RAW + 256, "it is too long")
        frame = os.pread(pack.file.fileno(), place.length, place.offset)
        for slot_id, body_key in pack.slots.items():
            try:
                ad = D("rozen.v1/frame-head", self.id, slot_id)
                head = open_aead(self.keys.by_purpose["frame-head"], ad, frame[:104], "its head")
                break
            except Damaged as error:
                reason = error
        else:
            raise reason
        kind, codec, raw, length = head[32], head[33], num(head[36:40]), num(head[40:44])
        need(head[:32] == chunk_id, "another chunk is there")
        need(kind in KINDS and codec in (0, 1) and head[34:36] == b"\0\0" and not any(head[44:]), "unknown feature")
        need(raw <= MAX_RAW and len(frame) == 128 + length, "its lengths contradict each other")
        content = open_aead(body_key, D("rozen.v1/frame-body", self.id, slot_id, head), frame[104:], "its body")
        if codec == 1:
            need(zstandard.frame_content_size(content) == raw, "its zstd frame has another length")
            content = zstandard.ZstdDecompressor(max_window_size=MAX_RAW).decompress(content)
        need(len(content) == raw and HK(self.keys.chunk_id[kind], content) == chunk_id, "its content has another id")
        return content

    # -- snapshots and trees

    def snapshots(self, machine):
        return [int(leaf) for leaf in self.names(f"machines/{machine}/snapshots") if re.fullmatch("[0-9]{20}", leaf)]

    def manifest(self, machine, seq):
        data = self.read(f"machines/{machine}/snapshots/{seq:020}")
        need(len(data) >= 365 + 40 + 40 + 64, "it is truncated")
        self.header(data, b"ROZENSN1", 4, machine)
        signed, signature = data[:-64], data[-64:]
        _, key, _ = self.certificate(data, 88, self.id, machine)
        verify(key, D("rozen.v1/manifest-signature", H(signed)), signature, f"snapshot {seq}")
        need(num(data[48:56]) == seq, "its number is not the one of its name")
        key = self.open_slot(data[192:361])[1]
        sealed = signed[365 + num(data[361:365]):]
        return cbor(open_aead(key, D("rozen.v1/manifest", data[:365]), sealed, "its body"), padded=True)

    def config(self, machine, digest):
        data = self.read(f"machines/{machine}/config/{digest.hex()}")
        need(H(data) == digest and len(data) >= 217 + 40 + 64, "its bytes are not those of its name")
        self.header(data, b"ROZENCF1", 6, machine)
        signed, signature = data[:-64], data[-64:]
        self.verify(machine, D("rozen.v1/config-signature", H(signed)), signature, "a configuration")
        key = self.open_slot(data[48:217])[1]
        return cbor(open_aead(key, D("rozen.v1/config", data[:217]), signed[217:], "a configuration"), padded=True)[0]

    def entries(self, node_id, machine, level=None):
        """All (directory, name, entry) below a node in order. Damaged nodes are named and left out."""
        items = None
        with self.goes_on(f"a tree node (level {'unknown' if level is None else level}); all that it holds is lost"):
            found, items = cbor(self.chunk(node_id, machine))
            need(level in (None, found) and found <= 32 and items, "it is not the node that was expected")
            level = found
        for item in items or ():
            if level:
                yield from self.entries(item[2], machine, level - 1)
            else:
                yield from ((item[0], name, entry) for name, entry in item[1])

    def data(self, entry, machine):
        """The data bytes of a file in pieces, and its extents. The file id is checked with the last piece."""
        form, (file_id, *fields) = entry[17]
        extents = entry.get(18)
        if form == 0:
            bundle, offset, length = fields
            data = self.chunk(bundle, machine)[offset:offset + length]
            need(len(data) == length and HK(self.keys.file_id, data, 16) == file_id, "its content has another id")
            return iter([data]), extents
        chunks = fields[0]
        if form == 2:
            table = cbor(b"".join(self.chunk(chunk, machine) for chunk, _ in chunks))
            chunks, extents = table[0], table.get(1)
        listed = b"".join(chunk + u(4, length) for chunk, length in chunks)
        need(HK(self.keys.file_list, listed, 16) == file_id, "its list of chunks has another id")
        return (self.chunk(chunk, machine) for chunk, _ in chunks), extents

# ------------------------------------------------------------------------------------------------ restore

class Restore:
    """Writes one root below an open directory, by descriptors and single names only: paths may be of any length, and no
    link in the snapshot can lead out of the destination."""

    def __init__(self, repository, machine, top):
        self.repository, self.machine, self.top = repository, machine, top
        self.at, self.fd = [], os.dup(top)
        self.links, self.directories = {}, []

    def go_to(self, directory):
        """Makes self.fd the directory, going from where it is."""
        wanted = directory.split(b"/") if directory else []
        shared = len(os.path.commonprefix([self.at, wanted]))
        try:
            for step in [b".."] * (len(self.at) - shared) + wanted[shared:]:
                self.step(step)
        except PermissionError:
            os.close(self.fd)
            self.at, self.fd = [], os.dup(self.top)
            for step in wanted:
                self.step(step)

    def step(self, name):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            below = os.open(name, flags, dir_fd=self.fd)
        except FileNotFoundError:  # its own entry was in a damaged node
            os.mkdir(name, 0o700, dir_fd=self.fd)
            below = os.open(name, flags, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = below
        self.at.pop() if name == b".." else self.at.append(name)

    def run(self, tree):
        for directory, name, entry in self.repository.entries(tree, self.machine):
            path = os.path.join(directory, name)
            parts = path.split(b"/")
            with self.repository.goes_on(shown(path)):
                need(path == b"" or not {b"", b".", b".."} & set(parts) and b"\0" not in path, "it is no path")
                need(b"/" not in name, "it is no name")
                if path:
                    self.go_to(directory)
                    self.entry(path, name, entry)
                if entry[0] == DIR:
                    self.directories.append((path, entry))
                    need(not entry.get(19, 0) & 2, "it could not be listed when the snapshot was made; what is in it may be missing")
        for path, entry in reversed(self.directories):
            with self.repository.goes_on(shown(path)):
                self.go_to(path)
                self.describe(b".", entry)

    def entry(self, path, name, entry):
        kind, fd = entry[0], self.fd
        link = (entry.get(12), entry[10]) if entry.get(11, 1) > 1 else None
        if link in self.links:
            source_dir, source = self.links[link]
            old = os.dup(fd)
            self.go_to(source_dir)
            os.link(source, name, src_dir_fd=self.fd, dst_dir_fd=old, follow_symlinks=False)
            os.close(old)
            return
        if kind == DIR:
            os.mkdir(name, 0o700, dir_fd=fd)
        elif kind == FILE:
            self.file(name, entry)
        elif kind == SYMLINK:
            os.symlink(entry[13], name, dir_fd=fd)
        else:
            node = {FIFO: stat.S_IFIFO, SOCKET: stat.S_IFSOCK, CHAR: stat.S_IFCHR, BLOCK: stat.S_IFBLK}[kind]
            os.mknod(name, node | 0o600, os.makedev(*entry.get(14, (0, 0))), dir_fd=fd)
        if link:
            self.links[link] = os.path.dirname(path), name
        if kind != DIR:
            self.describe(name, entry)

    def file(self, name, entry):
        need(not entry.get(19, 0) & 2, "it could not be read when the snapshot was made")
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=self.fd)
        try:
            os.ftruncate(fd, entry[6])
            if 17 in entry:
                self.write(fd, entry)
        except Exception:
            os.unlink(name, dir_fd=self.fd)
            raise
        finally:
            os.close(fd)

    def write(self, fd, entry):
        pieces, extents = self.repository.data(entry, self.machine)
        rest = memoryview(b"")
        for offset, length in [(0, entry[6])] if extents is None else extents:
            while length:
                rest = rest or memoryview(next(pieces, b""))
                need(rest, "its content is shorter than the entry says")
                written = os.pwrite(fd, rest[:length], offset)
                rest, offset, length = rest[written:], offset + written, length - written
        need(not rest and next(pieces, None) is None, "its content is longer than the entry says")

    def describe(self, name, entry):
        """Owner, attributes, mode, times, in this order: each of them may change the ones before."""
        path = os.fsencode(f"/proc/self/fd/{self.fd}/") + name
        def tried(what, action):
            with self.repository.goes_on(f"{shown(os.path.join(*self.at, name))}: {what} could not be set"):
                action()
        if os.geteuid() == 0:
            tried("the owner", lambda: os.chown(path, entry[2], entry[3], follow_symlinks=False))
        for key, value in entry.get(15, ()):
            tried(f"attribute {shown(key)}", lambda: os.setxattr(path, key, value, follow_symlinks=False))
        if entry[0] != SYMLINK:  # setuid and setgid only for the owner that they were meant for
            is_own = os.geteuid() in (0, entry[2])
            os.chmod(path, entry[1] if is_own else entry[1] & 0o1777)
        os.utime(path, ns=(entry[7][0] * 10**9 + entry[7][1],) * 2, follow_symlinks=False)

def shown(name):
    return name.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")

def date(time):
    return datetime.datetime.fromtimestamp(time[0], datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

# --------------------------------------------------------------------------------------------- command line

def list_snapshots(repository, _args):
    for machine in repository.machines:
        print(f"machine {machine}")
        for seq in repository.snapshots(machine):
            with repository.goes_on(f"snapshot {seq} of machine {machine}"):
                body = repository.manifest(machine, seq)
                roots = ", ".join(f"{root[0]} ({shown(root[1])}, {root[3]} entries)" for root in body[3])
                print(f"{seq:6}  {date(body[1])}  {body[2]}  {'partial  ' if body[5] else ''}{roots}")

def pick(repository, args):
    candidates = [m for m in repository.machines if m.startswith(args.machine) and repository.snapshots(m)]
    need(len(candidates) == 1, f"{len(candidates)} machines fit: name one with --machine: {' '.join(candidates)}")
    machine = candidates[0]
    seq = max(repository.snapshots(machine)) if args.snapshot == "latest" else int(args.snapshot)
    return machine, repository.manifest(machine, seq)

def show_config(repository, args):
    machine, body = pick(repository, args)
    need(9 in body, "the snapshot names no configuration")
    print(repository.config(machine, body[9]), end="")

def restore(repository, args):
    machine, body = pick(repository, args)
    for name in repository.machines:
        repository.load_index(name)
    for root in body[3]:
        if 2 not in root:
            continue
        need(re.fullmatch("[a-z0-9][a-z0-9_-]*", root[0]), "a root has an impossible name")
        place = os.path.join(args.dest, root[0]) if len(body[3]) > 1 else args.dest
        os.makedirs(place, exist_ok=True)
        Restore(repository, machine, os.open(place, os.O_RDONLY | os.O_DIRECTORY)).run(root[2])

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repo")
    parser.add_argument("recovery", help="recovery file, or the recovery code itself")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list").set_defaults(run=list_snapshots)
    verb = verbs.add_parser("restore")
    verb.set_defaults(run=restore)
    verb.add_argument("snapshot")
    verb.add_argument("dest")
    verb.add_argument("--machine", default="", help="id of a machine, or its beginning")
    verb = verbs.add_parser("config")
    verb.set_defaults(run=show_config)
    verb.add_argument("snapshot")
    verb.add_argument("--machine", default="", help="id of a machine, or its beginning")
    args = parser.parse_args()
    try:
        is_file = os.path.exists(args.recovery)
        secret = parse_recovery(open(args.recovery, encoding="utf-8").read() if is_file else args.recovery)
        repository = Repository(args.repo, secret)
        args.run(repository, args)
    except WrongKey as error:
        sys.exit(print(error, file=sys.stderr) or 12)
    except (Damaged, Newer, OSError, KeyError, ValueError) as error:
        sys.exit(print(f"failed: {error}", file=sys.stderr) or 1)
    sys.exit(3 if repository.problems else 0)

if __name__ == "__main__":
    main()

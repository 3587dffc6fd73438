#!/usr/bin/env python3
"""Restores Rozen repositories without Rozen: an independent reader, written from docs/format.md alone.

    pip install pynacl zstandard
    unrozen.py REPO_DIR RECOVERY_FILE_OR_CODE list
    unrozen.py REPO_DIR RECOVERY_FILE_OR_CODE restore SNAPSHOT DEST [--machine ID]
    unrozen.py REPO_DIR RECOVERY_FILE_OR_CODE config SNAPSHOT [--machine ID]

SNAPSHOT is a sequence number or `latest`, the newest that can be read. Several roots go to DEST/<root id>, a single one to
DEST itself. `config` prints the settings that the machine had.
Owners, modes, times, attributes, holes and hard links come back; inode flags (chattr) do not.
What is restored was checked against its ids, and who made the snapshot by its signature. Not looked at are what a restore does
not need: the listing and the hash of the manifest before, the names of packs, the directory of a pack that an index object lists.
What is damaged is named on stderr and left out; everything else is restored. The exit code is 3 then, also where nothing of
what is damaged was needed (rozen.json, a certificate, an index object): of that `rozenctl restore` only warns.
A passphrase is asked for, or it is the only line of the file that the variable ROZEN_PASSPHRASE_FILE names.
After an interruption the same command goes on: what DEST has already as the snapshot has it is skipped, what is unfinished is
done again, and what differs is named and kept. After a power cut restore to an empty folder: nothing is synced.
Exit: 0 done, 1 failed, 2 usage, 3 done with problems, 12 wrong key or passphrase.
"""
import argparse, collections, contextlib, datetime, errno, getpass, hashlib, json, os, re, stat, sys, time
import zstandard
from nacl import bindings, exceptions, pwhash, signing

MAX_RAW, MAX_MAP, FOOTER = 16 << 20, 1 << 32, 160
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
    """What begins there, and where it ends: integers, strings, arrays, maps and bools. The format uses nothing else; where it
    is all the same, what is made of it fits nothing, and costs the entry that has it."""
    kind, number = data[at] >> 5, data[at] & 31
    at += 1
    need(number < 28, "malformed CBOR: a length is missing")
    if kind == 7 and number in (20, 21):
        return number == 21, at
    if number >= 24:
        size = 1 << number - 24
        number, at = int.from_bytes(data[at:at + size], "big"), at + size
    need(at + (number if kind in (2, 3) else 0) <= len(data), "malformed CBOR: it is cut off")
    if kind < 2:
        return -1 - number if kind else number, at
    if kind > 5:  # a float, null or tag
        return object(), cbor_item(data, at)[1] if kind == 6 else at
    if kind < 4:
        text = data[at:at + number]
        return text if kind == 2 else text.decode(), at + number
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

def read_recovery(argument):
    if os.path.exists(argument):
        with open(argument, encoding="utf-8", errors="replace") as file:
            return parse_recovery(file.read())
    groups = re.sub(r"[\s\-_.\u2010-\u2015]", "", argument)
    need(len(groups) == 70, "there is no such recovery file; a recovery code would have 14 groups of 5 letters and digits")
    return parse_code(argument)

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
    phrase = passphrase_of(path) if path else getpass.getpass("passphrase: ")
    kek = pwhash.argon2id.kdf(64, phrase.rstrip("\r\n").encode(), salt, ops, memory)
    cost = (salt, u(8, ops), u(8, memory))
    if HK(kek[32:], D("rozen.v1/passphrase-commit", *cost)) != commitment:
        raise WrongKey("the passphrase is wrong")
    about = D("rozen.v1/recovery-file", bytes.fromhex(fields.get("repository", "")), fields.get("url", "").encode())
    return open_aead(kek[:32], D("rozen.v1/passphrase", *cost, about), sealed, "the secret in the recovery file")

def passphrase_of(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        first, rest = file.readline(), file.read()
    if rest.strip():
        raise WrongKey(f"{path} has more than one line, and a passphrase is one: remove all but the first")
    return first

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
Pack = collections.namedtuple("Pack", "header_hash header_length slots")

class Repository:
    def __init__(self, place, secret):
        self.place, self.problems = place, []
        self.admin = bytes(signing.SigningKey(HK(secret, D("rozen.v1/admin-sign"))).verify_key)
        self.id, epoch = None, None
        with self.goes_on("rozen.json"):
            record = self.record()
            self.id, epoch = bytes.fromhex(record["repository"]), record["epoch"]
        self.machines, self.old_keys, self.places, self.packs, self.indexed = {}, {}, {}, {}, set()
        for machine in self.names("machines"):
            if re.fullmatch("[0-9a-f]{32}", machine):
                with self.goes_on(f"machine {machine}"):
                    epoch = self.certificates(machine) or epoch
        need(self.id is not None, "neither rozen.json nor any certificate fits this recovery secret")
        need(epoch == 1, "the repository needs a newer program")
        self.keys = Keys(secret, epoch)
        self.chunk_cache = collections.OrderedDict()
        self.has_directories = False

    @contextlib.contextmanager
    def goes_on(self, what):
        """Names what is damaged and goes on behind it."""
        try:
            yield
        except (WrongKey, Newer):
            raise
        except Exception as error:
            self.problem(what, reason(error))

    def problem(self, what, why):
        print(f"{what}: {why}", file=sys.stderr)
        self.problems.append(what)

    def names(self, folder):
        try:
            return sorted(os.listdir(os.path.join(self.place, folder)))
        except FileNotFoundError:
            return []

    def read(self, name, length=-1, offset=0):
        with open(os.path.join(self.place, name), "rb") as file:
            file.seek(offset)
            return file.read(length)

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
        epoch, newest, self.machines[machine] = None, (0, 0), []
        places = [(f"machines/{machine}/certificates/{leaf}", b"ROZENMC1", 5, 48)
                  for leaf in self.names(f"machines/{machine}/certificates")]
        places += [(f"machines/{machine}/snapshots/{seq:020}", b"ROZENSN1", 4, 88) for seq in self.snapshots(machine)]
        for name, magic, kind, at in places:
            with self.goes_on(name):
                data = self.read(name)
                self.id = self.id or self.certificate(data, at, data[16:32], machine)[2]
                self.header(data, magic, kind, machine)
                epoch, key, _, serial = self.certificate(data, at, self.id, machine)
                if key not in self.machines[machine]:
                    self.machines[machine].append(key)
                if kind == 4:  # a recovery makes a new key: serials never go down, unless somebody still has an old one
                    newest = max(newest, (serial, num(data[48:56])), key=lambda one: one[0])
                    if serial < newest[0]:
                        self.old_keys[name] = serial, *newest
        return epoch

    def certificate(self, data, at, repository, machine):
        serial, epoch, key, signature = (data[at + a:at + b] for a, b in ((0, 4), (4, 8), (8, 40), (40, 104)))
        verify(self.admin, D("rozen.v1/certificate", repository, bytes.fromhex(machine), serial, epoch, key), signature,
               "a certificate")
        return num(epoch), key, repository, num(serial)

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
        if self.has_directories:
            return
        self.has_directories = True
        for machine in self.machines:
            for folder in ("trees", "packs"):
                for leaf in self.names(f"machines/{machine}/{folder}"):
                    name = f"machines/{machine}/{folder}/{leaf}"
                    if name not in self.indexed:
                        self.indexed.add(name)
                        with self.goes_on(name):
                            self.load_directory(name, machine)

    def load_directory(self, name, machine):
        """Where that is damaged, what the heads of the frames say."""
        pack = self.pack(name)
        try:
            self.note(name, pack.header_length, self.directory(name, machine, pack))
        except Exception as error:
            frames = self.walk(name, pack)
            self.note(name, pack.header_length, frames)
            raise Damaged(f"{reason(error)}; frames found one by one: {len(frames)}") from None

    def walk(self, name, pack):
        """The frames from the first on, until a head does not open: there the directory begins, or damage."""
        frames, at, size = [], pack.header_length, os.path.getsize(os.path.join(self.place, name))
        with contextlib.suppress(Damaged, OSError):
            while True:
                _, head = self.head(pack, self.read(name, 104, at))
                frame = Frame(head[:32], head[32], 128 + num(head[40:44]), num(head[36:40]))
                at += frame.length
                need(at <= size, "it is cut off")
                frames.append(frame)
        return frames

    def directory(self, name, machine, pack):
        end = os.path.getsize(os.path.join(self.place, name)) - FOOTER
        sealed = self.read(name, FOOTER, max(end, 0))
        ad = (self.id, pack.header_hash)
        plain = open_aead(self.keys.by_purpose["footer"], D("rozen.v1/footer", *ad), sealed, "its footer")
        offset, length, count, digest = num(plain[:8]), num(plain[8:16]), num(plain[16:20]), plain[24:56]
        self.verify(machine, D("rozen.v1/pack-signature", pack.header_hash, digest), plain[56:], name)
        need(offset + length == end, "its footer points elsewhere")
        sealed = self.read(name, length, offset)
        need(H(sealed) == digest, "its directory is not the one that was signed")
        plain = open_aead(self.keys.by_purpose["directory"], D("rozen.v1/directory", *ad), sealed, "its directory")
        frames = [Frame(*frame) for frame in cbor(plain, padded=True)]
        need(len(frames) == count and pack.header_length + sum(f.length for f in frames) == offset, "lengths differ")
        return frames

    def pack(self, name):
        if name not in self.packs:
            _, machine, folder, _ = name.split("/")
            data = self.read(name, 88 + 169 * 256)
            self.header(data, b"ROZENPK1", 2 if folder == "trees" else 1, machine)
            count, length = num(data[48:50]), num(data[52:56])
            need(1 <= count <= 256 and data[50:52] == b"\0\0" and length == 88 + 169 * count, "its header is damaged")
            digest = data[length - 32:length]
            need(H(data[:length - 32]) == digest, "the hash of its header does not fit")
            slots, failed = {}, None
            for at in range(56, length - 32, 169):
                try:
                    slots[data[at:at + 16]] = self.open_slot(data[at:at + 169])[0]
                except Damaged as error:  # it costs the frames that are under it
                    slots[data[at:at + 16]], failed = None, error
            if not any(slots.values()):
                raise failed
            self.packs[name] = Pack(digest, length, slots)
        return self.packs[name]

    # -- chunks

    def chunk(self, chunk_id, machine):
        """The plain content of a chunk, from whichever of its places is whole; `machine`'s own first."""
        if chunk_id in self.chunk_cache:
            self.chunk_cache.move_to_end(chunk_id)
            return self.chunk_cache[chunk_id]
        error = Damaged(f"no pack holds chunk {chunk_id.hex()}")
        for place in self.places_of(chunk_id, f"machines/{machine}/"):
            try:
                content = self.chunk_at(place, chunk_id)
            except Exception as why:
                error = Damaged(f"chunk {chunk_id.hex()[:16]}… in {place.pack}: {reason(why)}")
                continue
            self.chunk_cache[chunk_id] = content
            if len(self.chunk_cache) > 16:
                self.chunk_cache.popitem(last=False)
            return content
        raise error

    def places_of(self, chunk_id, own):
        """The machine's own first. Those that no index object knows are looked for when the others do not help."""
        indexed = sorted(self.places.get(chunk_id, ()), key=lambda place: not place.pack.startswith(own))
        yield from indexed
        self.load_directories()
        yield from (place for place in self.places.get(chunk_id, ()) if place not in indexed)

    def chunk_at(self, place, chunk_id):
        pack = self.pack(place.pack)
        need(0 <= place.length <= MAX_RAW + 256, "it is too long")
        frame = self.read(place.pack, place.length, place.offset)
        slot_id, head = self.head(pack, frame[:104])
        kind, codec, raw, length = head[32], head[33], num(head[36:40]), num(head[40:44])
        need(head[:32] == chunk_id, "another chunk is there")
        need(raw <= MAX_RAW and len(frame) == 128 + length, "its lengths contradict each other")
        need(pack.slots[slot_id], "its key slot does not open")
        content = open_aead(pack.slots[slot_id], D("rozen.v1/frame-body", self.id, slot_id, head), frame[104:], "its body")
        if codec == 1:
            need(zstandard.frame_content_size(content) == raw, "its zstd frame has another length")
            content = zstandard.ZstdDecompressor(max_window_size=MAX_RAW).decompress(content)
        need(len(content) == raw and HK(self.keys.chunk_id[kind], content) == chunk_id, "its content has another id")
        return content

    def head(self, pack, sealed):
        """The slot that a frame is under, and its head."""
        for slot_id in pack.slots:
            with contextlib.suppress(Damaged):
                ad = D("rozen.v1/frame-head", self.id, slot_id)
                head = open_aead(self.keys.by_purpose["frame-head"], ad, sealed, "its head")
                break
        else:
            raise Damaged("its head does not decrypt")
        kind, codec = head[32], head[33]
        need(kind in KINDS and codec in (0, 1) and head[34:36] == b"\0\0" and not any(head[44:]), "unknown feature")
        return slot_id, head

    # -- snapshots and trees

    def snapshots(self, machine):
        return [int(leaf) for leaf in self.names(f"machines/{machine}/snapshots") if re.fullmatch("[0-9]{20}", leaf)]

    def manifest(self, machine, seq):
        data = self.read(f"machines/{machine}/snapshots/{seq:020}")
        need(len(data) >= 365 + 40 + 40 + 64, "it is truncated")
        self.header(data, b"ROZENSN1", 4, machine)
        signed, signature = data[:-64], data[-64:]
        _, key, _, _ = self.certificate(data, 88, self.id, machine)
        verify(key, D("rozen.v1/manifest-signature", H(signed)), signature, f"snapshot {seq}")
        need(num(data[48:56]) == seq, "its number is not the one of its name")
        key = self.open_slot(data[192:361])[1]
        sealed = signed[365 + num(data[361:365]):]
        return cbor(open_aead(key, D("rozen.v1/manifest", data[:365]), sealed, "its body"), padded=True)

    def tell_old_key(self, machine, seq):
        name = f"machines/{machine}/snapshots/{seq:020}"
        if name in self.old_keys:
            serial, later, before = self.old_keys[name]
            self.problem(f"snapshot {seq} of machine {machine}", f"it was signed with key {serial}, which a recovery had replaced "
                         f"(snapshot {before} has key {later}): who made it had the old key")

    def config(self, machine, digest):
        data = self.read(f"machines/{machine}/config/{digest.hex()}")
        need(H(data) == digest and len(data) >= 217 + 40 + 64, "its bytes are not those of its name")
        self.header(data, b"ROZENCF1", 6, machine)
        signed, signature = data[:-64], data[-64:]
        self.verify(machine, D("rozen.v1/config-signature", H(signed)), signature, "a configuration")
        key = self.open_slot(data[48:217])[1]
        return cbor(open_aead(key, D("rozen.v1/config", data[:217]), signed[217:], "a configuration"), padded=True)[0]

    def entries(self, node_id, machine, row=None, level=None, end=None):
        """All (directory, name, entry) below a node in order. Damaged nodes are named and left out. `row` is what the parent
        says of it; its keys come before the key `end`: so they ascend through the whole tree, and nothing is met twice."""
        what = f"{row[3]} entries from {shown(os.path.join(*row[:2])) or 'the first'} on" if row else "all entries"
        rows = []
        with self.goes_on(f"a tree node that holds {what}"):
            level, rows = self.node(node_id, machine, row, level, end)
        if not level:
            yield from rows
        else:
            for row, following in zip(rows, [tuple(row[:2]) for row in rows[1:]] + [end]):
                yield from self.entries(row[2], machine, row, level - 1, following)

    def node(self, node_id, machine, row, level, end):
        found, rows = cbor(self.chunk(node_id, machine))
        need(0 <= found <= 32 and level in (None, found), "it is of another level than expected")
        if not found:
            rows = [(directory, name, entry) for directory, items in rows for name, entry in items]
        keys = [(directory, name) for directory, name, *_ in rows]
        need(keys, "it is empty")
        need(all(is_key(*key) for key in keys), "a key is not a path inside a root")
        need(all(a < b for a, b in zip(keys, keys[1:])), "its keys are out of order")
        need(row is None or keys[0] == (row[0], row[1]), "it does not begin where its parent says")
        need(end is None or keys[-1] < end, "its keys go beyond those that its parent says")
        return found, rows

    def data(self, entry, machine):
        """The data bytes of a file in pieces, and its extents. The file id is checked with the last piece."""
        form, (file_id, *fields) = entry[17]
        extents = entry.get(18)
        need(form in (0, 1, 2), "its content has an unknown form")
        if form == 0:
            bundle, offset, length = fields
            data = self.chunk(bundle, machine)[offset:offset + length]
            need(len(data) == length and HK(self.keys.file_id, data, 16) == file_id, "its content has another id")
            return iter([data]), extents
        chunks = fields[0]
        if form == 2:
            need(sum(length for _, length in chunks) <= MAX_MAP, "its content map is too large")
            table = cbor(b"".join(self.pieces(chunks, machine)))
            chunks, extents = table[0], table.get(1)
        listed = b"".join(chunk + u(4, length) for chunk, length in chunks)
        need(HK(self.keys.file_list, listed, 16) == file_id, "its list of chunks has another id")
        return self.pieces(chunks, machine), extents

    def pieces(self, chunks, machine):
        for chunk, length in chunks:
            piece = self.chunk(chunk, machine)
            need(len(piece) == length, "a chunk of it has another length")
            yield piece

def is_key(directory, name):
    path = directory + b"/" + name if directory else name
    return path == b"" or b"\0" not in path and b"/" not in name and not {b"", b".", b".."} & set(path.split(b"/"))

# ------------------------------------------------------------------------------------------------ restore

class Restore:
    """Writes one root below an open directory, by descriptors and single names only: paths may be of any length, and no
    link in the snapshot can lead out of the destination. What it makes has the mode UNFINISHED until nothing else is left to
    do, so that a later run knows it."""

    def __init__(self, repository, machine, top, progress):
        self.repository, self.machine, self.top, self.progress = repository, machine, top, progress
        self.at, self.fd = [], os.dup(top)
        self.links, self.directories, self.known, self.lost = {}, [], set(), {}
        if not os.listdir(top):
            with contextlib.suppress(OSError):
                os.chmod(top, UNFINISHED_DIR)

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
            os.mkdir(name, UNFINISHED_DIR, dir_fd=self.fd)
            below = os.open(name, flags, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = below
        self.at.pop() if name == b".." else self.at.append(name)
        if name != b"..":
            self.walked(b"/".join(self.at))

    def walked(self, path):
        if path not in self.known:
            self.lost[path] = None

    def run(self, root):
        count = 0
        for directory, name, entry in self.repository.entries(root[2], self.machine):
            count += 1
            path = os.path.join(directory, name)
            with self.repository.goes_on(shown(path) or "the root"):
                self.go_to(directory)
                self.entry(path, name or b".", entry)
        for path, entry in reversed(self.directories):
            with self.repository.goes_on(shown(path) or "the root"):
                self.go_to(path)
                self.describe(b".", entry)
        self.walked(b"")
        for path in reversed(list(self.lost)):
            with self.repository.goes_on(shown(path) or "the root"):
                self.go_to(path)
                self.make_private()
        os.close(self.fd)
        need(count == root[3], f"the snapshot has {root[3]!r} entries, and {count} were found in its tree")

    def make_private(self):
        """A directory that a restore made, and whose own entry is lost, is finished with no rights but its owner's."""
        if stat.S_IMODE(os.fstat(self.fd).st_mode) & ~stat.S_ISGID == UNFINISHED_DIR:
            os.fchmod(self.fd, stat.S_IRWXU)

    def entry(self, path, name, entry):
        need(isinstance(entry, dict), "it is no entry")
        kind = entry[0]
        need(kind in range(7) and (path or kind == DIR), "it is of an impossible kind")
        found = self.found(name)
        if kind == DIR:
            return self.directory(path, name, entry, found)
        need(kind != FILE or not entry.get(19, 0) & 2, "it could not be read when the snapshot was made")
        if found and found.st_mode == TYPES[kind] | UNFINISHED and entry[1] & 0o7777 != UNFINISHED:
            os.unlink(name, dir_fd=self.fd)
            found = None
        link = link_key(entry)
        if link in self.links:
            directory, first, inode = self.links[link]
            if found is None:
                return self.link(directory, first, name)
            if inode == (found.st_dev, found.st_ino):
                return
        need(found is None or self.is_same(name, entry, found), "something else has its name, and is kept")
        if found is None:
            self.make(name, entry)
        if found is None or kind == SYMLINK:  # a link cannot show that it is unfinished
            self.describe(name, entry)
        self.progress.add(1, entry[6] if found else 0)
        if link:
            found = self.found(name)
            self.links[link] = os.path.dirname(path), name, (found.st_dev, found.st_ino)

    def found(self, name):
        try:
            return os.lstat(name, dir_fd=self.fd)
        except FileNotFoundError:
            return None

    def is_same(self, name, entry, found):
        """Has an earlier run restored it?"""
        if stat.S_IFMT(found.st_mode) != TYPES[entry[0]]:
            return False
        if entry[0] == SYMLINK:
            return os.readlink(name, dir_fd=self.fd) == entry[13]
        data = {FILE: (found.st_size, entry[6]), CHAR: (found.st_rdev, device(entry)), BLOCK: (found.st_rdev, device(entry))}
        size, wanted = data.get(entry[0], (0, 0))
        return size == wanted and found.st_mtime_ns == nanoseconds(entry[7])

    def directory(self, path, name, entry, found):
        """One that is there already stays as it is, unless an earlier run made it."""
        self.known.add(path)
        if found is None:
            os.mkdir(name, UNFINISHED_DIR, dir_fd=self.fd)
        else:
            need(stat.S_ISDIR(found.st_mode), "something else has its name, and is kept")
            mode = stat.S_IMODE(found.st_mode)
            if mode & ~stat.S_ISGID != UNFINISHED_DIR:  # setgid may come from the parent
                is_equal = mode == mode_of(entry, found)
                need(is_equal or not path, "the directory that is there keeps its mode, owner and times")
                if not is_equal or found.st_mtime_ns != nanoseconds(entry[7]):
                    return
                os.chmod(name, UNFINISHED_DIR, dir_fd=self.fd)
        self.directories.append((path, entry))
        need(not entry.get(19, 0) & 2, "it could not be listed when the snapshot was made; what is in it may be missing")

    def link(self, directory, first, name):
        here = os.dup(self.fd)
        try:
            self.go_to(directory)
            os.link(first, name, src_dir_fd=self.fd, dst_dir_fd=here, follow_symlinks=False)
        finally:
            os.close(here)
        self.progress.add(1, 0)

    def make(self, name, entry):
        if entry[0] == FILE:
            self.file(name, entry)
        elif entry[0] == SYMLINK:
            os.symlink(entry[13], name, dir_fd=self.fd)
        else:
            os.mknod(name, TYPES[entry[0]] | UNFINISHED, device(entry), dir_fd=self.fd)

    def file(self, name, entry):
        need(17 in entry or not entry[6] or entry.get(18) == [], "it has no content")
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, UNFINISHED, dir_fd=self.fd)
        try:
            os.ftruncate(fd, entry[6])
            if 17 in entry:
                self.write(fd, entry)
        except BaseException:
            os.unlink(name, dir_fd=self.fd)
            raise
        finally:
            os.close(fd)

    def write(self, fd, entry):
        pieces, extents = self.repository.data(entry, self.machine)
        rest, end = memoryview(b""), 0
        for offset, length in [(0, entry[6])] if extents is None else extents:
            need(end <= offset and 0 <= length and offset + length <= entry[6], "its extents contradict each other")
            end = offset + length
            while length:
                rest = rest or memoryview(next(pieces, b""))
                need(rest, "its content is shorter than the entry says")
                written = os.pwrite(fd, rest[:length], offset)
                rest, offset, length = rest[written:], offset + written, length - written
                self.progress.add(0, written)
        need(not rest and next(pieces, None) is None, "its content is longer than the entry says")

    def describe(self, name, entry):
        """Owner, attributes, times, mode, in this order: each may change the ones before, and the mode says that all is done."""
        path = os.fsencode(f"/proc/self/fd/{self.fd}/") + name
        names = self.at + [name] * (name != b".")
        def tried(what, action):
            with self.repository.goes_on(f"{shown(b'/'.join(names)) or 'the root'}: {what} could not be set"):
                action()
        def owner():
            need(all(0 <= who < (1 << 32) - 1 for who in (entry[2], entry[3])), "it is an impossible owner")
            os.chown(path, entry[2], entry[3], follow_symlinks=False)
        def attributes():
            for key, value in entry.get(15, ()):
                tried(f"attribute {shown(key)}", lambda: os.setxattr(path, key, value, follow_symlinks=False))
        if os.geteuid() == 0:
            tried("the owner", owner)
        tried("the attributes", attributes)
        tried("the times", lambda: os.utime(path, ns=(nanoseconds(entry[7]),) * 2, follow_symlinks=False))
        if entry[0] != SYMLINK:
            tried("the mode", lambda: os.chmod(path, mode_of(entry, os.lstat(path))))

class Progress:
    """A line now and then, if somebody looks."""

    def __init__(self):
        self.files = self.bytes = 0
        self.next = time.monotonic() + 5 if sys.stderr.isatty() else float("inf")

    def add(self, files, count):
        self.files, self.bytes = self.files + files, self.bytes + count
        if time.monotonic() >= self.next:
            print(f"so far {self.files} files, {self.bytes / 10**6:.1f} MB", file=sys.stderr)
            self.next = time.monotonic() + 5

def link_key(entry):
    """What the names of one file have in common: the inode, and how it looks. Some of them may have been read later."""
    if entry.get(11, 1) > 1:
        content = entry[17][1][0] if 17 in entry else None
        return (entry.get(12), entry[10], entry[0], entry[6], *entry[7], entry.get(13), content)

def mode_of(entry, found):
    """Setuid and setgid only for the owner that they were meant for."""
    foreign = (found.st_uid != entry.get(2)) * stat.S_ISUID | (found.st_gid != entry.get(3)) * stat.S_ISGID
    return entry[1] & 0o7777 & ~foreign

def device(entry):
    if entry[0] not in (CHAR, BLOCK):
        return 0
    major, minor = entry[14]
    need(0 <= major < 1 << 32 and 0 <= minor < 1 << 32, "it is an impossible device")
    return os.makedev(major, minor)

def nanoseconds(time):
    need(0 <= time[1] < 10**9, "a time has impossible nanoseconds")
    return time[0] * 10**9 + time[1]

def shown(name):
    text = name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")
    return text.encode("unicode_escape").decode("ascii")

def date(time):
    return datetime.datetime.fromtimestamp(time[0], datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

# --------------------------------------------------------------------------------------------- command line

def list_snapshots(repository, _args):
    for machine in repository.machines:
        print(f"machine {machine}")
        for seq in repository.snapshots(machine):
            with repository.goes_on(f"snapshot {seq} of machine {machine}"):
                body = repository.manifest(machine, seq)
                roots = ", ".join(f"{shown(root[0])} ({shown(root[1])}, {root[3]:d} entries{age(root)})" for root in body[3])
                repository.tell_old_key(machine, seq)
                print(f"{seq:6}  {date(body[1])}  {shown(body[2])}  {'partial  ' if body[5] else ''}{roots}")

def age(root):
    """What the run did not read is in its snapshot as it was before."""
    return "" if root[5] else f", as it was at {date(root[7])}" if 7 in root else ", as it was before"

def pick(repository, args):
    candidates = [m for m in repository.machines if m.startswith(args.machine) and repository.snapshots(m)]
    need(len(candidates) == 1, f"{len(candidates)} machines fit: name one with --machine: {' '.join(candidates)}")
    machine = candidates[0]
    seqs = repository.snapshots(machine)
    is_latest = args.snapshot == "latest"
    need(is_latest or args.snapshot in map(str, seqs),
         f"machine {machine} has no snapshot {args.snapshot}: name one by its number, or `latest`")
    for seq in reversed(seqs) if is_latest else [int(args.snapshot)]:
        with repository.goes_on(f"snapshot {seq} cannot be read" + " and is passed over" * is_latest):
            body = repository.manifest(machine, seq)
            repository.tell_old_key(machine, seq)
            return machine, body
    raise Damaged("no snapshot can be read" if is_latest else "`list` names the snapshots that can be read")

def show_config(repository, args):
    machine, body = pick(repository, args)
    need(9 in body, "the snapshot names no configuration")
    print(repository.config(machine, body[9]), end="")

def restore(repository, args):
    machine, body = pick(repository, args)
    for name in repository.machines:
        repository.load_index(name)
    os.makedirs(args.dest, exist_ok=True)
    progress, names = Progress(), set()
    for at, root in enumerate(body[3]):
        with repository.goes_on(f"root {at + 1} of {len(body[3])}"):
            if 2 not in root:
                continue
            place = args.dest
            if len(body[3]) > 1:
                need(re.fullmatch("[a-z0-9][a-z0-9_-]*", root[0]) and root[0] not in names, "it has an impossible name")
                names.add(root[0])
                place = os.path.join(args.dest, root[0])
                os.makedirs(place, exist_ok=True)
            top = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            Restore(repository, machine, top, progress).run(root)

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
        need(os.path.isdir(args.repo), f"there is no directory {args.repo}")
        objects = {"rozen.json", "machines"} & set(os.listdir(args.repo))
        need(objects, f"no repository lies in {args.repo}: it has neither rozen.json nor machines")
        repository = Repository(args.repo, read_recovery(args.recovery))
        args.run(repository, args)
    except WrongKey as error:
        sys.exit(print(error, file=sys.stderr) or 12)
    except (Newer, OSError) as error:
        sys.exit(print(f"failed: {error}", file=sys.stderr) or 1)
    except Exception as error:
        sys.exit(print(f"failed: {reason(error)}", file=sys.stderr) or 1)
    except KeyboardInterrupt:
        sys.exit(print("interrupted: the same command goes on", file=sys.stderr) or 1)
    sys.exit(3 if repository.problems else 0)

if __name__ == "__main__":
    main()

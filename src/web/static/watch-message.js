// Opens sealed messages: the header, and then the final frame, which proves the length. Nothing is played before both are proven.
import { dataKey, publicKey, wrapTo } from "./watch-keys.js";

const { Failure, concat, u32, view, same, layout, openFrame, sealFrame, openFrames, fetchRange, offset } = globalThis.camdockFrames;
const encoder = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });
const FIRST = 8 << 10;
const HEADER_MAX = 128 << 10;
const FRAME_MAX = 16 << 20;
// Of the messages that are made here.
const FRAME_LENGTH = 4096;
const ZERO_IV = new Uint8Array(12);
const KEYS_MAX = 256;
// An item key's message, or a picture, is held whole.
const WHOLE_MAX = 64 << 20;

// The bytes of a header, one field after the other; `null` from `parse` means that more of them are needed.
class Fields {
    constructor(bytes) {
        this.bytes = bytes;
        this.at = 0;
    }

    take(count) {
        if (this.at + count > this.bytes.length) throw Fields.SHORT;
        this.at += count;
        return this.bytes.subarray(this.at - count, this.at);
    }

    u16() {
        return view(this.take(2)).getUint16(0);
    }

    prefixed() {
        return this.take(this.u16());
    }
}
Fields.SHORT = Symbol("more bytes are needed");

function contextOf(bytes) {
    const fields = new Fields(bytes);
    const pairs = new Map();
    const count = fields.u16();
    for (let n = 0; n < count; n += 1) pairs.set(text.decode(fields.prefixed()), text.decode(fields.prefixed()));
    if (fields.at !== bytes.length || pairs.size !== count) throw new Failure("header");
    return pairs;
}

export function parse(bytes) {
    const fields = new Fields(bytes);
    try {
        if (!same(fields.take(3), new Uint8Array([2, 4, 0x78]))) throw new Failure("header");
        const messageId = fields.take(32);
        const contextBytes = fields.prefixed();
        let context;
        try {
            context = contextOf(contextBytes);
        } catch {
            throw new Failure("header");
        }
        const count = fields.u16();
        if (count === 0 || count > KEYS_MAX) throw new Failure("header");
        const keys = [];
        for (let n = 0; n < count; n += 1) keys.push({ provider: fields.prefixed(), info: fields.prefixed(), ciphertext: fields.prefixed() });
        if (fields.take(1)[0] !== 2) throw new Failure("header");
        const frameLength = view(fields.take(4)).getUint32(0);
        if (frameLength === 0 || frameLength > FRAME_MAX) throw new Failure("header");
        const commitment = fields.take(32);
        const body = bytes.subarray(0, fields.at);
        const tag = fields.take(16);
        return { messageId, contextBytes, context, keys, frameLength, commitment, body, tag, length: fields.at };
    } catch (error) {
        if (error === Fields.SHORT) return null;
        throw error;
    }
}

// What a data key, which is gone then, becomes in one message: the commitment to it, and the key of its frames.
async function keysOf(bytes, messageId, use) {
    const ikm = await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveBits", "deriveKey"]);
    bytes.fill(0);
    const by = (...info) => ({ name: "HKDF", hash: "SHA-512", salt: messageId, info: concat(...info) });
    const commitment = new Uint8Array(await crypto.subtle.deriveBits(by(encoder.encode("COMMITKEY")), ikm, 256));
    const info = by(new Uint8Array([4, 0x78]), encoder.encode("DERIVEKEY"));
    return { commitment, key: await crypto.subtle.deriveKey(info, ikm, { name: "AES-GCM", length: 256 }, false, [use]) };
}

// The key of a message's frames, once commitment and header tag are proven.
async function unlock(header, opener) {
    const found = await dataKey(header, opener);
    if (!found) throw new Failure(opener.curve ? "wrong_key" : "other_item_key");
    const { commitment, key } = await keysOf(found, header.messageId, "decrypt");
    if (!same(commitment, header.commitment)) throw new Failure("header");
    try {
        await crypto.subtle.decrypt({ name: "AES-GCM", iv: ZERO_IV, additionalData: header.body }, key, header.tag);
    } catch {
        throw new Failure("header");
    }
    return key;
}

function expect(header, item, part, more = {}) {
    const wanted = { ...more, "camdock:evidence-id": item.evidence, "camdock:part": part, "camdock:station": item.station };
    for (const [name, value] of Object.entries(wanted)) {
        const found = header.context.get(name);
        if (found !== value) throw new Failure("other_object", { found: `${header.context.get("camdock:part")} ${header.context.get("camdock:evidence-id")}` });
    }
}

// Where the sealed objects of an item are: the recipients' page has them elsewhere.
const address = (item, part) => `${item.sealed ?? `/sealed/${item.station}/${item.evidence}`}/${part}`;

// An object whose header and final frame are proven: all that is needed to open any of its frames.
export async function openObject(item, part, opener) {
    const { size: sealed } = item.parts.find((there) => there.part === part);
    const url = address(item, part);
    if (sealed === 0) throw new Failure("truncated");
    let first = await fetchRange(url, 0, Math.min(FIRST, sealed));
    let header = parse(first);
    if (!header && sealed > FIRST) {
        first = await fetchRange(url, 0, Math.min(HEADER_MAX, sealed));
        header = parse(first);
    }
    if (!header) throw new Failure("truncated");
    expect(header, item, part);
    const key = await unlock(header, opener);
    const { frames, finalLength, size } = layout(sealed, header.length, header.frameLength);
    const object = {
        url, key, sealed, frames, finalLength, size,
        messageId: header.messageId.slice(), header: header.length, frameLength: header.frameLength,
    };
    const from = offset(object, frames);
    const last = from >= 0 && sealed <= first.length ? first.subarray(from) : await fetchRange(url, from, sealed);
    await openFrame(object, frames, last);
    return object;
}

// All of a small object.
export async function openWhole(object) {
    if (object.size > WHOLE_MAX) throw new Failure("header");
    return concat(...await openFrames(object, 1, object.frames));
}

// All of a message that has one frame and is here already.
async function openBytes(bytes, item, part, opener, more) {
    const header = parse(bytes);
    if (!header) throw new Failure("truncated");
    expect(header, item, part, more);
    const key = await unlock(header, opener);
    const { frames, finalLength } = layout(bytes.length, header.length, header.frameLength);
    if (frames !== 1) throw new Failure("header");
    return openFrame({ key, frames, finalLength, messageId: header.messageId }, 1, bytes.subarray(header.length));
}

// The item's key, out of the message that is sealed to the recipients; or out of the one that the key desk sealed to the person, if
// the chosen key is the person's own.
export async function itemKey(item, chosen, ownKey) {
    try {
        const message = await openObject(item, "item-key", chosen);
        if (message.size !== 32) throw new Failure("header");
        return await openWhole(message);
    } catch (error) {
        if (error.code !== "wrong_key" || item.own_key === null) throw error;
        return openBytes(await ownKey(), item, "item-key", chosen);
    }
}

// What opens the item's other objects: its own key. A recording whose station had lost that key is opened by the recipient's key alone.
export async function openerOf(item, chosen, ownKey) {
    if (!item.parts.some((there) => there.part === "item-key")) return chosen;
    const bytes = await itemKey(item, chosen, ownKey);
    return ofBytes(item, bytes);
}

async function ofBytes(item, bytes) {
    if (bytes.length !== 32) throw new Failure("header");
    const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["decrypt"]);
    bytes.fill(0);
    return { id: item.evidence, key };
}

// The same out of the message that was sealed to the recipient of a share, and of no other one.
export async function openerOfShare(item, share, recipient, chosen, message) {
    const more = { "camdock:recipient": recipient, "camdock:share": share };
    return ofBytes(item, await openBytes(message, item, "item-key", chosen, more));
}

const u16 = (value) => new Uint8Array([value >> 8, value & 0xff]);
const prefixed = (bytes) => concat(u16(bytes.length), bytes);

// These bytes in a message for the recipient of a share alone, as the key desk makes it; the recipient's key has to have this fingerprint.
export async function sealToShare(bytes, { evidence, station }, share, pem, fingerprint) {
    const to = await publicKey(pem);
    if (to.fingerprint !== fingerprint) throw new Failure("other_item_key");
    // In the order of their names.
    const pairs = [
        ["camdock:evidence-id", evidence], ["camdock:part", "item-key"], ["camdock:recipient", fingerprint], ["camdock:share", share],
        ["camdock:station", station],
    ];
    const texts = pairs.flat().map((words) => prefixed(encoder.encode(words)));
    const context = concat(u16(pairs.length), ...texts);
    const [messageId, found] = [32, 32].map((length) => crypto.getRandomValues(new Uint8Array(length)));
    const wrapped = await wrapTo(to, found, context);
    const { commitment, key } = await keysOf(found, messageId, "encrypt");
    const body = concat(new Uint8Array([2, 4, 0x78]), messageId, prefixed(context), u16(1), prefixed(wrapped.provider), prefixed(wrapped.info),
        prefixed(wrapped.ciphertext), new Uint8Array([2]), u32(FRAME_LENGTH), commitment);
    const tag = await crypto.subtle.encrypt({ name: "AES-GCM", iv: ZERO_IV, additionalData: body }, key, new Uint8Array());
    return concat(body, new Uint8Array(tag), await sealFrame(messageId, key, bytes));
}

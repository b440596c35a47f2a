// Frames of sealed messages (docs/formats.md, "Sealed messages"), for the page and for its service worker. A classic script, because
// not every browser runs a module as a service worker. It keeps nothing.
globalThis.camdockFrames = (() => {
    "use strict";
    const TAG = 16;
    // Number, IV and tag around each frame; a final one also has a mark and a length.
    const OVERHEAD = 32;
    const FINAL_OVERHEAD = 40;
    const FRAMES_MAX = 0xffffffff;
    const encoder = new TextEncoder();
    const REGULAR = encoder.encode("AWSKMSEncryptionClient Frame");
    const FINAL = encoder.encode("AWSKMSEncryptionClient Final Frame");

    // Why something is not shown: `code` is a text of the page, `values` stand in it.
    class Failure extends Error {
        constructor(code, values = {}) {
            super(code);
            this.code = code;
            this.values = values;
        }
    }

    function concat(...pieces) {
        const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
        let at = 0;
        for (const piece of pieces) {
            all.set(piece, at);
            at += piece.length;
        }
        return all;
    }

    function u32(value) {
        return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
    }

    const u64 = (value) => concat(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32));
    const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);
    const iv = (number) => concat(new Uint8Array(8), u32(number));

    // Where the frames of a message of this many bytes lie; the final frame has to prove it.
    function layout(sealed, header, frameLength) {
        const body = sealed - header - FINAL_OVERHEAD;
        const stride = frameLength + OVERHEAD;
        const before = Math.floor(body / stride);
        const last = body - before * stride;
        if (body < 0 || last > frameLength || before >= FRAMES_MAX) throw new Failure("truncated");
        return { frames: before + 1, finalLength: last, size: before * frameLength + last };
    }

    // Where frame `number`, from 1, begins; behind the final one is the end.
    const offset = (object, number) => number > object.frames
        ? object.sealed
        : object.header + (number - 1) * (object.frameLength + OVERHEAD);

    // The plaintext of the one frame that these bytes are, or a failure.
    async function openFrame(object, number, bytes) {
        const altered = () => new Failure(number === object.frames ? "final_frame" : "frame", { n: number, of: object.frames });
        const final = number === object.frames;
        const length = final ? object.finalLength : object.frameLength;
        const head = final ? concat(u32(0xffffffff), u32(number), iv(number), u32(length)) : concat(u32(number), iv(number));
        if (bytes.length !== head.length + length + TAG || !same(bytes.subarray(0, head.length), head)) throw altered();
        const additionalData = concat(object.messageId, final ? FINAL : REGULAR, u32(number), u64(length));
        try {
            const opened = await crypto.subtle.decrypt({ name: "AES-GCM", iv: iv(number), additionalData }, object.key, bytes.subarray(head.length));
            return new Uint8Array(opened);
        } catch {
            throw altered();
        }
    }

    // The one frame of a message that is small.
    async function sealFrame(messageId, key, bytes) {
        const additionalData = concat(messageId, FINAL, u32(1), u64(bytes.length));
        const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: iv(1), additionalData }, key, bytes);
        return concat(u32(0xffffffff), u32(1), iv(1), u32(bytes.length), new Uint8Array(sealed));
    }

    // Fetches the frames `first` to `last` and opens them.
    async function openFrames(object, first, last, signal) {
        const [from, end] = [offset(object, first), offset(object, last + 1)];
        const bytes = await fetchRange(object.url, from, end, signal);
        const opened = [];
        for (let number = first; number <= last; number += 1) {
            const part = bytes.subarray(offset(object, number) - from, offset(object, number + 1) - from);
            opened.push(await openFrame(object, number, part));
        }
        return opened;
    }

    // Exactly these bytes of an object, or a failure.
    async function fetchRange(url, from, end, signal) {
        let bytes;
        let response;
        try {
            response = await fetch(url, { headers: { range: `bytes=${from}-${end - 1}` }, signal, cache: "no-store" });
            bytes = new Uint8Array(await response.arrayBuffer());
        } catch (error) {
            if (signal?.aborted) throw error;
            throw new Failure("lost");
        }
        if (!response.ok) {
            const words = new TextDecoder().decode(bytes).trim();
            throw new Failure("refused", { status: response.status, code: response.headers.get("camdock-code") ?? "", words });
        }
        if (bytes.length !== end - from) throw new Failure("lost");
        return bytes;
    }

    return { Failure, concat, u32, view, same, layout, openFrame, sealFrame, openFrames, fetchRange, offset, TAG };
})();

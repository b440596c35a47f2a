// Data keys of sealed messages: raw-ecdh for recipients, a raw AES key for an item (docs/formats.md). Keys are never extractable.
const { concat, u32, same, view } = globalThis.camdockFrames;
const encoder = new TextEncoder();
const ZERO_IV = new Uint8Array(12);

// y² = x³ − 3x + b; both primes leave 3 when divided by 4.
const CURVES = {
    p256: {
        name: "P-256", bytes: 32,
        p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
        b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    },
    p384: {
        name: "P-384", bytes: 48,
        p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
        b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    },
};

export const webCryptoName = (curve) => CURVES[curve].name;

function power(base, exponent, modulus) {
    let result = 1n;
    for (base %= modulus; exponent > 0n; exponent >>= 1n) {
        if (exponent & 1n) result = (result * base) % modulus;
        base = (base * base) % modulus;
    }
    return result;
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g), (byte) => parseInt(byte, 16));

// The uncompressed form of a compressed point, which not every browser imports; null for what is no point of the curve.
export function decompress(curve, point) {
    const { p, b, bytes } = CURVES[curve];
    if (point.length !== bytes + 1 || (point[0] !== 2 && point[0] !== 3)) return null;
    const x = BigInt(`0x${hex(point.subarray(1))}`);
    if (x >= p) return null;
    const square = (((x * x - 3n) % p) * x + b) % p;
    const positive = ((square % p) + p) % p;
    let y = power(positive, (p + 1n) / 4n, p);
    if ((y * y) % p !== positive) return null;
    if ((y & 1n) !== BigInt(point[0] & 1)) y = p - y;
    return concat(new Uint8Array([4]), point.subarray(1), unhex(y.toString(16).padStart(bytes * 2, "0")));
}

async function unwrap(key, iv, additionalData, wrapped) {
    try {
        return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, wrapped));
    } catch {
        return null;
    }
}

// The two points of a raw-ecdh key's info.
function points(info, bytes) {
    const length = bytes + 1;
    if (info.length !== 1 + 2 * (4 + length) || info[0] !== 1) return null;
    const sizes = [view(info).getUint32(1), view(info).getUint32(5 + length)];
    if (sizes.some((size) => size !== length)) return null;
    return [info.subarray(5, 5 + length), info.subarray(9 + length)];
}

// The data key that is wrapped to this private key, or null if it is another recipient's.
async function ofRecipient({ curve, key }, wrapped, context) {
    const { name, bytes } = CURVES[curve];
    const both = points(wrapped.info, bytes);
    if (!both || wrapped.ciphertext.length !== 112) return null;
    const [, ephemeral] = both;
    const point = decompress(curve, ephemeral);
    if (!point) return null;
    const algorithm = { name: "ECDH", namedCurve: name };
    const other = await crypto.subtle.importKey("raw", point, algorithm, false, []);
    const secret = await crypto.subtle.deriveBits({ name: "ECDH", public: other }, key, bytes * 8);
    const { fixed, check, wrapping } = await agreed(curve, secret, both, context, wrapped.ciphertext.subarray(0, 32));
    if (!same(check, wrapped.ciphertext.subarray(32, 64))) return null;
    return unwrap(wrapping, ZERO_IV, fixed, wrapped.ciphertext.subarray(64));
}

// What two keys agree on for one data key: what is authenticated with it, a check, and the key that wraps it.
async function agreed(curve, secret, [recipient, ephemeral], context, nonce) {
    const fixed = concat(encoder.encode(`ecdh-key-derivation\0${curve}\0HMAC_SHA384\0`), ephemeral, recipient, new Uint8Array([0, 1, 0]), context);
    const mac = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-384" }, false, ["sign"]);
    const block = async (n) => new Uint8Array(await crypto.subtle.sign("HMAC", mac, concat(u32(n), fixed, new Uint8Array(1), nonce, u32(512))));
    const derived = concat(await block(1), await block(2));
    const wrapping = await crypto.subtle.importKey("raw", derived.subarray(32, 64), "AES-GCM", false, ["encrypt", "decrypt"]);
    return { fixed, check: derived.subarray(0, 32), wrapping };
}

const compressed = (point) => concat(new Uint8Array([2 + (point.at(-1) & 1)]), point.subarray(1, 49));

// A recipient's public key on P-384: the key, its compressed point, and its fingerprint.
export async function publicKey(pem) {
    const spki = Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (c) => c.charCodeAt(0));
    const key = await crypto.subtle.importKey("spki", spki, { name: "ECDH", namedCurve: "P-384" }, true, []);
    const point = compressed(new Uint8Array(await crypto.subtle.exportKey("raw", key)));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", point));
    return { key, point, fingerprint: `p384:${hex(digest.subarray(0, 16))}` };
}

// The data key, wrapped to this public key alone.
export async function wrapTo({ key, point }, dataKeyBytes, context) {
    const own = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-384" }, false, ["deriveBits"]);
    const ephemeral = compressed(new Uint8Array(await crypto.subtle.exportKey("raw", own.publicKey)));
    const secret = await crypto.subtle.deriveBits({ name: "ECDH", public: key }, own.privateKey, 384);
    const nonce = crypto.getRandomValues(new Uint8Array(32));
    const { fixed, check, wrapping } = await agreed("p384", secret, [point, ephemeral], context, nonce);
    const wrapped = await crypto.subtle.encrypt({ name: "AES-GCM", iv: ZERO_IV, additionalData: fixed }, wrapping, dataKeyBytes);
    return {
        provider: encoder.encode("raw-ecdh"),
        info: concat(new Uint8Array([1]), u32(point.length), point, u32(ephemeral.length), ephemeral),
        ciphertext: concat(nonce, check, new Uint8Array(wrapped)),
    };
}

// The data key that is wrapped to this item's key, or null.
async function ofItem({ id, key }, wrapped, context) {
    const name = encoder.encode(`item:${id}`);
    const info = concat(name, u32(128), u32(12));
    const fits = wrapped.info.length === info.length + 12 && same(wrapped.info.subarray(0, info.length), info);
    if (!fits || wrapped.ciphertext.length !== 48) return null;
    return unwrap(key, wrapped.info.subarray(info.length), context, wrapped.ciphertext);
}

// Answers a question that only the holder of this key can answer: an HMAC under the secret that it shares with the key of the
// question. What is authenticated begins as no key derivation of a sealed message does.
export async function proofOf({ curve, key }, { key: other, nonce }, subject) {
    const { name, bytes } = CURVES[curve];
    const [point, random] = [other, nonce].map((text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    const theirs = await crypto.subtle.importKey("raw", point, { name: "ECDH", namedCurve: name }, false, []);
    const secret = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, key, bytes * 8);
    const mac = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const asked = concat(encoder.encode(`camdock proof of possession v1\0${subject}\0`), random, point);
    return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.sign("HMAC", mac, asked))));
}

const decoder = new TextDecoder();

// The data key of a header, by a recipient's private key or an item's key; null if none of its keys is for it.
export async function dataKey(header, opener) {
    for (const wrapped of header.keys) {
        const provider = decoder.decode(wrapped.provider);
        let found = null;
        if (provider === "raw-ecdh" && opener.curve) found = await ofRecipient(opener, wrapped, header.contextBytes);
        if (provider === "camdock" && opener.id) found = await ofItem(opener, wrapped, header.contextBytes);
        if (found?.length === 32) return found;
    }
    return null;
}

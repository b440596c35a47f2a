// A recipient's private key out of its PEM file: PKCS#8, as `camdock keygen recipient` and OpenSSL write it, with or without a
// password. The key cannot be taken out of the browser's memory again, and nothing of the file is kept.
import { webCryptoName } from "./watch-keys.js";

const { Failure } = globalThis.camdockFrames;
const FILE_MAX = 64 << 10;
const ITERATIONS_MAX = 10_000_000;
const OID = {
    ec: "2a8648ce3d0201", p256: "2a8648ce3d030107", p384: "2b81040022",
    pbes2: "2a864886f70d01050d", pbkdf2: "2a864886f70d01050c",
};
const HASHES = {
    "2a864886f70d0207": "SHA-1", "2a864886f70d0209": "SHA-256", "2a864886f70d020a": "SHA-384", "2a864886f70d020b": "SHA-512",
};
// AES-CBC; WebCrypto has no 192 bits everywhere.
const CIPHERS = { "608648016503040102": 128, "60864801650304012a": 256 };

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// One element of DER with its children, where it has any.
function element(bytes, at = 0) {
    const short = () => new Failure("key_file");
    if (at + 2 > bytes.length) throw short();
    const tag = bytes[at];
    let length = bytes[at + 1];
    let from = at + 2;
    if (length & 0x80) {
        const count = length & 0x7f;
        if (count === 0 || count > 3 || from + count > bytes.length) throw short();
        length = bytes.subarray(from, from + count).reduce((sum, byte) => sum * 256 + byte, 0);
        from += count;
    }
    const end = from + length;
    if (end > bytes.length) throw short();
    const body = bytes.subarray(from, end);
    const parts = [];
    if (tag & 0x20) for (let next = 0; next < body.length; next = parts.at(-1).end) parts.push(element(body, next));
    return { tag, body, parts, end };
}

const oid = (part) => (part?.tag === 6 ? hex(part.body) : "");

function integer(part) {
    if (part?.tag !== 2 || part.body.length === 0 || part.body.length > 4 || part.body[0] & 0x80) throw new Failure("key_file");
    return part.body.reduce((sum, byte) => sum * 256 + byte, 0);
}

function octets(part) {
    if (part?.tag !== 4) throw new Failure("key_file");
    return part.body;
}

// The first block of the file that holds a key, with its kind.
function block(text) {
    const found = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;
    const blocks = [...text.matchAll(found)];
    const kinds = blocks.map(([, kind]) => kind);
    const chosen = blocks.find(([, kind]) => kind === "PRIVATE KEY" || kind === "ENCRYPTED PRIVATE KEY");
    if (chosen) {
        try {
            return { kind: chosen[1], der: Uint8Array.from(atob(chosen[2].replace(/\s/g, "")), (c) => c.charCodeAt(0)) };
        } catch {
            throw new Failure("key_file");
        }
    }
    if (kinds.some((kind) => kind.endsWith("PUBLIC KEY"))) throw new Failure("key_public");
    if (kinds.includes("EC PRIVATE KEY")) throw new Failure("key_sec1");
    throw new Failure("key_file");
}

async function read(file) {
    if (file.size > FILE_MAX) throw new Failure("key_file");
    return block(await file.text());
}

// Whether the file asks for a password.
export async function isLocked(file) {
    return (await read(file)).kind === "ENCRYPTED PRIVATE KEY";
}

// PBES2 with PBKDF2 and AES-CBC (RFC 8018), which is what OpenSSL writes.
async function decrypted(der, password) {
    const [scheme, data] = element(der).parts;
    const [name, parameters] = scheme?.parts ?? [];
    if (oid(name) !== OID.pbes2) throw new Failure("key_cipher");
    const [derivation, cipher] = parameters?.parts ?? [];
    if (oid(derivation?.parts[0]) !== OID.pbkdf2) throw new Failure("key_cipher");
    const [salt, iterations, ...rest] = derivation.parts[1]?.parts ?? [];
    const prf = rest.find((part) => part.tag === 0x30);
    const hash = prf ? HASHES[oid(prf.parts[0])] : "SHA-1";
    const bits = CIPHERS[oid(cipher?.parts[0])];
    if (!hash || !bits) throw new Failure("key_cipher");
    const count = integer(iterations);
    if (count === 0 || count > ITERATIONS_MAX) throw new Failure("key_cipher");
    const secret = await crypto.subtle.importKey("raw", new TextEncoder().encode(password), "PBKDF2", false, ["deriveKey"]);
    const by = { name: "PBKDF2", hash, salt: octets(salt), iterations: count };
    const key = await crypto.subtle.deriveKey(by, secret, { name: "AES-CBC", length: bits }, false, ["decrypt"]);
    try {
        const plain = await crypto.subtle.decrypt({ name: "AES-CBC", iv: octets(cipher.parts[1]) }, key, octets(data));
        return new Uint8Array(plain);
    } catch {
        throw new Failure("key_password");
    }
}

// The private key as the other parts of the page use it: its curve, and a key that only derives.
export async function readKey(file, password) {
    const { kind, der } = await read(file);
    const locked = kind === "ENCRYPTED PRIVATE KEY";
    if (locked && !password) throw new Failure("key_locked");
    const plain = locked ? await decrypted(der, password) : der;
    let algorithm;
    try {
        algorithm = element(plain).parts[1]?.parts ?? [];
    } catch {
        throw new Failure(locked ? "key_password" : "key_file");
    }
    const curve = ["p256", "p384"].find((name) => oid(algorithm[1]) === OID[name]);
    if (oid(algorithm[0]) !== OID.ec || !curve) throw new Failure(locked && algorithm.length === 0 ? "key_password" : "key_curve");
    try {
        const key = await crypto.subtle.importKey("pkcs8", plain, { name: "ECDH", namedCurve: webCryptoName(curve) }, false, ["deriveBits"]);
        return { curve, key };
    } catch {
        throw new Failure("key_file");
    } finally {
        plain.fill(0);
    }
}

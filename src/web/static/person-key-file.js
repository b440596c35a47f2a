// A person's own key: made here, on P-384. The private half leaves this page as a file alone, PKCS#8 under its owner's password;
// the public half and the words of its fingerprint are what the office gets to know.
const ITERATIONS = 600_000;
const OID = {
    pbes2: "2a864886f70d01050d", pbkdf2: "2a864886f70d01050c", sha256: "2a864886f70d0209", aes256: "60864801650304012a",
};
const encoder = new TextEncoder();
const unhex = (text) => Uint8Array.from(text.match(/../g), (byte) => parseInt(byte, 16));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// One element of DER; nothing here is longer than 64 KiB.
function der(tag, ...parts) {
    const body = parts.flatMap((part) => Array.from(part));
    const { length } = body;
    const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
    return Uint8Array.from([tag, ...size, ...body]);
}
const sequence = (...parts) => der(0x30, ...parts);
const oid = (name) => der(0x06, unhex(OID[name]));
const octets = (bytes) => der(0x04, bytes);

function pem(kind, bytes) {
    const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g);
    return `-----BEGIN ${kind}-----\n${lines.join("\n")}\n-----END ${kind}-----\n`;
}

// PBES2 with PBKDF2 and AES-256-CBC (RFC 8018), which OpenSSL opens, too.
async function locked(plain, password) {
    const [salt, iv] = [16, 16].map((length) => crypto.getRandomValues(new Uint8Array(length)));
    const secret = await crypto.subtle.importKey("raw", encoder.encode(password), "PBKDF2", false, ["deriveKey"]);
    const by = { name: "PBKDF2", hash: "SHA-256", salt, iterations: ITERATIONS };
    const key = await crypto.subtle.deriveKey(by, secret, { name: "AES-CBC", length: 256 }, false, ["encrypt"]);
    const data = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, plain));
    const count = der(0x02, [ITERATIONS >> 16, (ITERATIONS >> 8) & 0xff, ITERATIONS & 0xff]);
    const derivation = sequence(oid("pbkdf2"), sequence(octets(salt), count, sequence(oid("sha256"), [5, 0])));
    const scheme = sequence(oid("pbes2"), sequence(derivation, sequence(oid("aes256"), octets(iv))));
    return sequence(scheme, octets(data));
}

// 16 bits as a word of five letters (a proquint).
function word(bits) {
    const [consonants, vowels] = ["bdfghjklmnprstvz", "aiou"];
    return consonants[bits >> 12] + vowels[(bits >> 10) & 3] + consonants[(bits >> 6) & 15] + vowels[(bits >> 4) & 3] + consonants[bits & 15];
}

// The eight words of a fingerprint.
export const wordsOf = (fingerprint) => fingerprint.split(":")[1].match(/.{4}/g).map((four) => word(parseInt(four, 16))).join(" ");

// A new key: the file for its owner, the public half for the office, and the words of its fingerprint.
export async function makeKey(password) {
    const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-384" }, true, ["deriveBits"]);
    const [secret, spki, raw] = await Promise.all([
        crypto.subtle.exportKey("pkcs8", pair.privateKey), crypto.subtle.exportKey("spki", pair.publicKey), crypto.subtle.exportKey("raw", pair.publicKey),
    ]);
    const plain = new Uint8Array(secret);
    const file = pem("ENCRYPTED PRIVATE KEY", await locked(plain, password));
    plain.fill(0);
    const point = new Uint8Array(raw);
    const compressed = Uint8Array.from([2 + (point.at(-1) & 1), ...point.subarray(1, 49)]);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", compressed));
    return { file, key: pem("PUBLIC KEY", new Uint8Array(spki)), words: wordsOf(`p384:${hex(digest.subarray(0, 16))}`) };
}

// Answers the player's range requests: fetches the sealed frames that cover them and opens these. It keeps nothing, because the
// browser stops it whenever it likes: for each request it asks the page for the object, its key among it. On the recipients' page it
// also streams an opened original to the disk.
importScripts("/static/watch-frames.js");
const { Failure, openFrames } = globalThis.camdockFrames;
const ADDRESS = /^\/(?:watch\/[a-z0-9-]+|s\/[0-9a-f]{32})\/([0-9a-f-]{36})\/open\/(original|preview|storyboard)$/;
// A browser says nothing of the page that a saved file comes from: the page knows this number.
const SAVED = /^\/s\/[0-9a-f]{32}\/save\/([0-9a-f-]{36})$/;
// Bytes that are fetched and opened at a time, at most; the first fetch is of one frame.
const AHEAD_MAX = 4 << 20;
const FRAMES_MAX = 8;
const ANSWER_WITHIN = 5000;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
// A page that saves something says so again and again: a browser that hears nothing of it may stop this in the middle.
addEventListener("message", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
    const address = new URL(event.request.url);
    const found = ADDRESS.exec(address.pathname);
    if (found) event.respondWith(answer(event, { evidence: found[1], part: found[2], run: address.searchParams.get("run") }));
    const saved = SAVED.exec(address.pathname);
    if (saved) event.respondWith(save({ save: saved[1] }));
});

function ask(client, asked) {
    return new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        const late = setTimeout(() => resolve(null), ANSWER_WITHIN);
        port1.onmessage = (event) => {
            clearTimeout(late);
            port1.close();
            resolve(event.data);
        };
        client.postMessage({ ask: asked }, [port2]);
    });
}

// The bytes from `start` up to `end` that a player asks for; all of them where it asks for none.
function range(header, size) {
    if (header === null) return [0, size];
    const found = /^bytes=(\d+)-(\d*)$/.exec(header);
    if (!found) return null;
    const start = Number(found[1]);
    const end = found[2] === "" ? size : Math.min(Number(found[2]) + 1, size);
    return start < end ? [start, end] : null;
}

async function answer(event, asked) {
    const client = await clients.get(event.clientId);
    const object = client ? await ask(client, asked) : null;
    if (!object) return new Response(null, { status: 404 });
    const header = event.request.headers.get("range");
    const wanted = range(header, object.size);
    if (!wanted) return new Response(null, { status: 416, headers: { "content-range": `bytes */${object.size}` } });
    const [start, end] = wanted;
    const headers = {
        "content-type": object.type, "content-length": String(end - start), "accept-ranges": "bytes", "cache-control": "no-store",
    };
    if (header !== null) headers["content-range"] = `bytes ${start}-${end - 1}/${object.size}`;
    const body = new ReadableStream(opened(client, asked, object, start, end), { highWaterMark: 1 });
    return new Response(body, { status: header === null ? 200 : 206, headers });
}

// All of an original as a file. Whoever wants to save gets an error as no file at all, and one in the middle fails the download.
async function save(asked) {
    for (const client of await clients.matchAll({ type: "window" })) {
        const object = await ask(client, asked);
        if (!object) continue;
        const headers = {
            "content-type": "application/octet-stream", "content-length": String(object.size), "cache-control": "no-store",
            "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(object.name)}`,
        };
        const source = opened(client, asked, object, 0, object.size);
        return new Response(object.size === 0 ? "" : new ReadableStream(source, { highWaterMark: 1 }), { headers });
    }
    return new Response(null, { status: 204 });
}

// The plaintext from `start` up to `end`, frame by frame. A frame that does not open ends it before a byte of it is given out.
function opened(client, asked, object, start, end) {
    const cancelled = new AbortController();
    let at = start;
    let count = 1;
    return {
        async pull(controller) {
            const first = Math.floor(at / object.frameLength) + 1;
            const last = Math.min(first + count - 1, Math.floor((end - 1) / object.frameLength) + 1);
            try {
                const frames = await openFrames(object, first, last, cancelled.signal);
                for (const [n, frame] of frames.entries()) {
                    const begin = (first - 1 + n) * object.frameLength;
                    controller.enqueue(frame.subarray(Math.max(start - begin, 0), Math.min(end - begin, frame.length)));
                }
                at = last * object.frameLength;
                if (asked.save) client.postMessage({ saved: { ...asked, size: Math.min(at, end) } });
                if (at >= end) controller.close();
            } catch (error) {
                if (cancelled.signal.aborted) return;
                const failure = error instanceof Failure ? error : new Failure("lost");
                client.postMessage({ failed: { ...asked, code: failure.code, values: failure.values } });
                controller.error(failure);
            }
            const most = Math.max(1, Math.min(FRAMES_MAX, Math.floor(AHEAD_MAX / object.frameLength)));
            count = Math.min(count * 2, most);
        },
        cancel() {
            cancelled.abort();
            if (asked.save) client.postMessage({ failed: { ...asked, code: "cancelled", values: {} } });
        },
    };
}

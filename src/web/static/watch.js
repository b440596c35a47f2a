// The page that plays a sealed recording. The key file is read here and stays in this page's memory until it is locked, left or
// loaded again; the office hands out ciphertext alone.
import { bytes, element, languages, locale, text, translated } from "./common.js";
import { isLocked, readKey } from "./watch-key-file.js";
import { openObject, openWhole, openerOf } from "./watch-message.js";

const { Failure } = globalThis.camdockFrames;
const $ = (id) => document.getElementById(id);
const WORKER_WITHIN = 10_000;
const DESK_WITHIN = 15_000;
const [, , station, evidence] = location.pathname.split("/");
const api = `/api/watch/${station}/${evidence}`;
$("recording").href = `/recordings/${station}/${evidence}`;
// What a browser may be able to play, by the end of the file's name; what it cannot, it says itself.
const PLAYED = { mp4: "video/mp4", m4v: "video/mp4", mov: "video/mp4", mkv: "video/x-matroska", webm: "video/webm" };
const SHOWN = { jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png" };

// The item as the office gave it, once its view is published.
let item = null;
// Everything that opens anything: gone after `lock`.
let opener = null;
let opened = new Map();
// The part that is playing. A player of an earlier run gets nothing any more.
let playing = null;
let run = 0;
let failure = null;
let progress = null;

const ending = () => item.path.toLowerCase().split(".").at(-1);
const there = (part) => item.parts.some((found) => found.part === part);
const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "medium" }) : null);

function words({ code, values }) {
    if (code !== "refused") return [text(`watch.failed.${code}`, values), text(`watch.next.${code}`)];
    const { what, next } = translated(values.code, values.words);
    return [what || text("watch.failed.lost"), next].filter(Boolean);
}

function show() {
    $("failed").hidden = failure === null;
    $("failed").replaceChildren(...(failure ? words(failure) : []).map((line) => element("p", {}, line)));
    $("progress").textContent = progress ? text(progress) : "";
    $("closed").hidden = opener !== null;
    $("shown").hidden = opener === null;
    $("reason-row").hidden = item !== null;
    $("reason").required = item === null;
    $("open").disabled = progress !== null;
    if (!item || !opener) return;
    $("name").textContent = item.path;
    const missing = item.missing.map((part) => text("watch.missing", { part: text(`evidence.part.${part}`) }));
    const facts = [item.station, item.camera, item.officer && text("officer.officer", { name: item.officer }), time(item.recorded), bytes(item.size)];
    $("facts").textContent = [...facts, item.evidence, ...missing].filter(Boolean).join(" · ");
    $("playing").textContent = playing ? text(playing.instead ? "watch.instead" : `watch.plays.${playing.part}`) : "";
    $("sheet").alt = text("watch.sheet");
    $("picture").alt = text("watch.picture");
    $("sheet-title").hidden = $("sheet").hidden;
    const parts = choices();
    $("choice").replaceChildren(...parts.map((part) => {
        const button = element("button", { type: "button", "aria-pressed": String(playing?.part === part) }, text(`evidence.part.${part}`));
        button.addEventListener("click", () => attempt(() => play(part)));
        return button;
    }));
}

// The objects that can be looked at here, the best first. A name may say nothing of what is in a file: without a preview, the
// original of any video is tried.
function choices() {
    const likely = ending() in PLAYED || ending() in SHOWN || (item.kind === "video" && !there("preview"));
    const original = there("original") && likely;
    return [original && "original", there("preview") && "preview"].filter(Boolean);
}

const asFailure = (error) => (error instanceof Failure ? error : new Failure("unknown", { what: String(error) }));

// Does one thing at a time, and tells what keeps it from being done.
async function attempt(action) {
    failure = null;
    try {
        await action();
    } catch (error) {
        failure = asFailure(error);
    }
    progress = null;
    show();
}

function step(name) {
    progress = `watch.progress.${name}`;
    show();
}

// The item's key as the key desk sealed it to the person who looks: it is there soon after the act.
async function ownKey() {
    step("desk");
    for (const end = Date.now() + DESK_WITHIN; ;) {
        let response;
        try {
            response = await fetch(`${api}/key`, { cache: "no-store" });
            if (response.ok) return new Uint8Array(await response.arrayBuffer());
        } catch {
            throw new Failure("lost");
        }
        const code = response.headers.get("camdock-code") ?? "";
        const words = (await response.text()).trim();
        if (code !== "watch_key_waits" || Date.now() > end) throw new Failure("refused", { status: response.status, code, words });
        await new Promise((done) => setTimeout(done, 300));
    }
}

async function asked(request) {
    let response;
    try {
        response = await fetch(api, request);
    } catch {
        throw new Failure("lost");
    }
    if (response.status === 401) location.assign("/login");
    if (response.ok) return response.json();
    const code = response.headers.get("camdock-code") ?? "";
    throw new Failure("refused", { status: response.status, code, words: (await response.text()).trim() });
}

// The worker that opens what the player asks for. After a hard reload the page has none yet, and it takes the page over.
async function controlled() {
    const container = navigator.serviceWorker;
    if (!globalThis.isSecureContext || !container) throw new Failure("insecure");
    try {
        const registration = await container.register("/watch-worker.js", { scope: "/watch/" });
        const late = new Promise((_, refuse) => setTimeout(() => refuse(new Failure("no_worker")), WORKER_WITHIN));
        const ready = await Promise.race([container.ready, late]);
        if (container.controller) return;
        const taken = new Promise((done) => container.addEventListener("controllerchange", done, { once: true }));
        (ready.active ?? registration.active)?.postMessage({});
        if (!container.controller) await Promise.race([taken, late]);
    } catch (error) {
        throw error instanceof Failure ? error : new Failure("no_worker");
    }
}

async function open() {
    const file = $("key").files[0];
    if (!file) throw new Failure("key_none");
    step("key");
    const key = await readKey(file, $("password").value);
    await controlled();
    if (!item) {
        const reason = $("reason").value.trim();
        if (!reason) throw new Failure("reason_none");
        step("act");
        const headers = { "content-type": "application/json" };
        item = await asked({ method: "POST", headers, body: JSON.stringify({ reason }) });
    }
    step("opening");
    opener = await openerOf(item, key, ownKey);
    $("password").value = "";
    $("key").value = "";
    await Promise.all([play(choices()[0]), sheet()].map((done) => done.catch((error) => { failure ??= asFailure(error); })));
    $("lock").focus();
}

async function part(name) {
    if (!opened.has(name)) opened.set(name, await openObject(item, name, opener));
    return opened.get(name);
}

const address = (name) => `/watch/${station}/${evidence}/open/${name}?run=${run}`;

async function play(name, instead = false) {
    stop();
    if (!name) throw new Failure(item.kind === "video" ? "no_player" : "no_picture");
    await part(name);
    playing = { part: name, instead };
    const picture = name === "original" && ending() in SHOWN;
    const shown = $(picture ? "picture" : "player");
    shown.src = address(name);
    shown.hidden = false;
    show();
}

// Nothing of it is shown any more, and its player gets nothing more.
function stop() {
    run += 1;
    playing = null;
    for (const shown of [$("player"), $("picture")]) {
        shown.hidden = true;
        shown.removeAttribute("src");
    }
    $("player").load();
}

// The storyboard is a picture, opened whole before anything of it is shown.
async function sheet() {
    if (!there("storyboard")) return;
    await part("storyboard");
    $("sheet").src = address("storyboard");
    $("sheet").hidden = false;
}

function lock() {
    stop();
    opener = null;
    opened = new Map();
    failure = null;
    $("sheet").hidden = true;
    $("sheet").removeAttribute("src");
    show();
    $("key").focus();
}

// The worker asks for an object, or says why a frame of one was not opened.
function fromWorker({ data, ports }) {
    if (data.ask) {
        const { part: name, run: of } = data.ask;
        const object = of === String(run) || name === "storyboard" ? opened.get(name) : null;
        const type = name === "storyboard" ? "image/jpeg" : name === "preview" ? "video/mp4" : PLAYED[ending()] ?? SHOWN[ending()] ?? PLAYED.mp4;
        ports[0].postMessage(object && opener ? { ...object, type } : null);
    } else if (data.failed && opener) {
        const { part: name, run: of, code, values } = data.failed;
        if (name === "storyboard") $("sheet").hidden = true;
        else if (of === String(run)) stop();
        failure = new Failure(code, values);
        show();
    }
}

// The browser cannot play it: the preview does, where there is one.
function unplayable() {
    if (!playing || failure) return;
    const from = playing.part;
    if (from === "original" && there("preview")) attempt(() => play("preview", true));
    else attempt(async () => {
        stop();
        throw new Failure("no_player");
    });
}

$("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(open);
});
$("key").addEventListener("change", () => attempt(async () => {
    const file = $("key").files[0];
    $("password-row").hidden = true;
    if (file && await isLocked(file)) $("password-row").hidden = false;
}));
$("lock").addEventListener("click", lock);
$("player").addEventListener("error", unplayable);
$("picture").addEventListener("error", unplayable);
navigator.serviceWorker?.addEventListener("message", fromWorker);
navigator.serviceWorker?.startMessages();

languages(show).then(() => attempt(async () => {
    try {
        item = await asked({ headers: { accept: "application/json" } });
    } catch (error) {
        // Without a view that is published, the page asks for the reason.
        if (error.values?.code !== "watch_not_granted") throw error;
    }
}));

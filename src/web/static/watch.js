// The page that plays a sealed recording. The key file is read here and stays in this page's memory until it is locked, left or
// loaded again; the office hands out ciphertext alone.
import { bytes, element, languages, locale, text } from "./common.js";
import { apiOf, asFailure, asked, ownKey, viewedBefore, words } from "./watch-asking.js";
import { isLocked, readKey } from "./watch-key-file.js";
import { openObject, openWhole, openerOf } from "./watch-message.js";

const { Failure } = globalThis.camdockFrames;
const $ = (id) => document.getElementById(id);
const WORKER_WITHIN = 10_000;
const [, , station, evidence] = location.pathname.split("/");
const api = apiOf(station, evidence);
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
    jumps();
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

async function deskKey() {
    step("desk");
    return ownKey(api);
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
        item = await asked(api, { reason });
    }
    step("opening");
    opener = await openerOf(item, key, deskKey);
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

const clock = (ms) => [ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");

// Each picture of the storyboard leads the player to its time. One of them is in the page's order; arrows lead to the others.
function jumps() {
    const { naturalWidth: width, naturalHeight: height, hidden } = $("sheet");
    const cues = item.cues.filter((cue) => cue.width > 0 && cue.height > 0 && cue.x + cue.width <= width && cue.y + cue.height <= height);
    $("cues").hidden = hidden || $("player").hidden || cues.length === 0;
    const drawn = `${locale()} ${width} ${cues.length}`;
    if ($("cues").hidden || $("cues").dataset.drawn === drawn) return;
    $("cues").dataset.drawn = drawn;
    $("cues").replaceChildren(...cues.map((cue, n) => {
        const button = element("button", { type: "button", tabindex: n === 0 ? "0" : "-1", "aria-label": text("watch.jump", { time: clock(cue.start_ms) }), title: clock(cue.start_ms) });
        const place = { left: cue.x / width, top: cue.y / height, width: cue.width / width, height: cue.height / height };
        for (const [side, part] of Object.entries(place)) button.style[side] = `${part * 100}%`;
        button.addEventListener("click", () => {
            $("player").currentTime = cue.start_ms / 1000;
            $("player").scrollIntoView({ block: "nearest" });
        });
        return button;
    }));
}

function between(event) {
    const all = [...$("cues").children];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || !all[to]) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
}

function lock() {
    stop();
    opener = null;
    opened = new Map();
    failure = null;
    $("sheet").hidden = $("cues").hidden = true;
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
        if (name === "storyboard") $("sheet").hidden = $("cues").hidden = true;
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
$("sheet").addEventListener("load", () => { if (item) jumps(); });
$("cues").addEventListener("keydown", between);
$("picture").addEventListener("error", unplayable);
navigator.serviceWorker?.addEventListener("message", fromWorker);
navigator.serviceWorker?.startMessages();

languages(show).then(() => attempt(async () => {
    // Without a view that is published, the page asks for the reason; one of the storyboard alone, from the wall, is none of all of it.
    const viewed = await viewedBefore(api);
    const whole = (viewed?.parts ?? []).some(({ part }) => part === "original" || part === "preview");
    item = whole ? viewed : null;
}));

// The page of somebody outside with whom recordings were shared. The key file is read here and stays in this page's memory until it
// is locked, left or loaded again; before it is proven that the key is here, this page is told nothing of the share.
import { bytes, element, has, languages, locale, text } from "./common.js";
import { asFailure } from "./watch-asking.js";
import { isLocked, readKey } from "./watch-key-file.js";
import { proofOf } from "./watch-keys.js";
import { openerOfShare } from "./watch-message.js";
import { Player, controlled } from "./watch-player.js";

const { Failure, openFrames } = globalThis.camdockFrames;
const $ = (id) => document.getElementById(id);
const number = location.pathname.split("/")[2];
const api = `/api/shares/${number}`;
const FRAMES_AT_A_TIME = 8;
// A browser may stop a worker that hears nothing of its page for so long.
const PING = 10_000;

// The share as its office tells it, and the key that opens it: both gone after `lock`.
let share = null;
let key = null;
let failure = null;
let progress = null;
// What is being saved, or was: its state is a text of the page.
let saving = null;
const player = new Player({ video: $("player"), picture: $("picture"), sheet: $("sheet") }, (told) => {
    failure = told ?? failure;
    show();
});

const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) : null);

// What a stranger can do about it: who sent the link knows the rest.
function words({ code, values }) {
    const own = code === "refused" ? values.code : code;
    const what = [`recipient.failed.${own}`, `watch.failed.${own}`].find(has) ?? "recipient.failed.share_away";
    return [text(what, values), text(has(`recipient.next.${own}`) ? `recipient.next.${own}` : "recipient.next.other")];
}

const row = (name, ...content) => [element("dt", {}, text(name)), element("dd", {}, ...content)];

function recorded(item) {
    const from = time(item.recorded_from);
    const until = time(item.recorded_until);
    return from && until ? text("recipient.between", { from, until }) : from;
}

function listed(item) {
    const beside = ["preview", "storyboard"].filter((part) => item[part]).map((part) => text(`evidence.part.${part}`));
    const facts = [recorded(item), bytes(item.size), item.station, ...beside].filter(Boolean).join(" · ");
    const button = element("button", { type: "button" }, text("recipient.show"));
    button.setAttribute("aria-label", text("recipient.show_one", { name: item.name }));
    button.disabled = progress !== null;
    button.addEventListener("click", () => attempt(() => open(item)));
    const shown = player.item?.evidence === item.id ? { "data-shown": "" } : {};
    return element("li", shown, element("b", {}, item.name), element("p", {}, facts),
        element("p", {}, `${text("recipient.digest")}: `, element("code", {}, item.sha256)), element("div", {}, button));
}

function show() {
    $("failed").hidden = failure === null;
    $("failed").replaceChildren(...(failure ? words(failure) : []).map((line) => element("p", {}, line)));
    $("progress").textContent = progress ? text(progress) : "";
    $("closed").hidden = share !== null;
    $("share").hidden = $("lock").hidden = share === null;
    $("shown").hidden = share === null || player.opener === null;
    $("open").disabled = progress !== null;
    if (!share) return;
    $("facts-of-share").replaceChildren(
        ...row("recipient.from", `${share.by}, ${share.office}`), ...row("recipient.why", share.reason),
        ...row("recipient.to", [share.to.name, share.to.organisation].filter(Boolean).join(", ")),
        ...row("recipient.made", time(share.made_at)), ...row("recipient.until", time(share.until)));
    // Whoever is on a button stays there.
    const at = [...$("items").querySelectorAll("button")].indexOf(document.activeElement);
    $("items").replaceChildren(...share.items.map(listed));
    if (at >= 0) $("items").querySelectorAll("button")[at]?.focus();
    if (player.opener) showItem();
}

function showItem() {
    const { item, playing } = player;
    $("name").textContent = item.path;
    $("playing").textContent = playing ? text(playing.instead ? "watch.instead" : `watch.plays.${playing.part}`) : "";
    $("sheet").alt = text("watch.sheet");
    $("picture").alt = text("watch.picture");
    $("sheet-title").hidden = $("sheet").hidden;
    const parts = player.choices();
    $("choice").replaceChildren(...parts.map((part) => {
        const button = element("button", { type: "button", "aria-pressed": String(playing?.part === part) }, text(`evidence.part.${part}`));
        button.addEventListener("click", () => attempt(() => player.play(part)));
        return button;
    }));
    const { state, done, of } = saving ?? {};
    $("saving").textContent = saving ? text(`recipient.saving.${state}`, { done: bytes(done), of: bytes(of) }) : "";
    $("save").disabled = state === "runs";
    const name = fileName(item.path);
    Object.assign($("sealed-original"), { href: `${item.sealed}/original`, download: `${name}.sealed` });
    Object.assign($("sealed-key"), { href: `${api}/items/${item.evidence}/key`, download: `${name}.item-key` });
}

// Does one thing, and tells what keeps it from being done.
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
    progress = `recipient.progress.${name}`;
    show();
}

async function ask(address, body) {
    let response;
    const request = body === null ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    try {
        response = await fetch(`${api}${address}`, { ...request, cache: "no-store" });
        if (response.ok) return body === null ? new Uint8Array(await response.arrayBuffer()) : await response.json();
    } catch {
        throw new Failure("lost");
    }
    throw new Failure("refused", { code: response.headers.get("camdock-code") ?? "share_away" });
}

// Proves that the key is here; only then does the office's side say what the share is.
async function enter() {
    const file = $("key").files[0];
    if (!file) throw new Failure("key_none");
    step("key");
    const chosen = await readKey(file, $("password").value);
    // Keys for shares are on P-384 alone.
    if (chosen.curve !== "p384") throw new Failure("refused", { code: "share_closed" });
    await controlled("/s/");
    step("proof");
    const question = await ask("/challenge", {});
    const mac = await proofOf(chosen, question, number);
    share = await ask("/proof", { challenge: question.challenge, mac });
    key = chosen;
    $("password").value = "";
    $("key").value = "";
    progress = null;
    show();
    $("items").querySelector("button")?.focus();
}

// Takes an item: it is entered before anything of it comes.
async function open(item) {
    if (player.item?.evidence !== item.id) saving = null;
    step("taking");
    const parts = await ask(`/items/${item.id}`, {});
    step("opening");
    const message = await ask(`/items/${item.id}/key`, null);
    const kind = item.media_type.startsWith("video/") ? "video" : "other";
    const opened = {
        evidence: item.id, station: item.station, path: item.name, kind, size: item.size, parts, sealed: `/shared/${number}/${item.id}`,
    };
    const opener = await openerOfShare(opened, number, share.to.fingerprint, key, message);
    await player.show(opened, `/s/${number}/${item.id}`, opener);
    progress = null;
    show();
    $("name").focus();
}

// A name that every system takes, and that hides nothing of its ending.
const fileName = (name) => name.replace(/[\p{Cc}\p{Cf}\\/:*?"<>|]+/gu, "_").replace(/^[.\s]+/, "_").slice(-120) || "recording";

function saved(state, done) {
    if (!saving) return;
    Object.assign(saving, { state, done });
    clearInterval(state === "runs" ? 0 : saving.ping);
    showItem();
}

// To the disk as a stream: straight into a chosen file where the browser can, else as a download that the worker feeds.
async function save() {
    const { item } = player;
    const picker = globalThis.showSaveFilePicker;
    let file = null;
    if (picker) {
        try {
            file = await picker.call(globalThis, { suggestedName: fileName(item.path) });
        } catch (error) {
            if (error.name === "AbortError") return;
            throw error;
        }
    }
    const object = await player.part("original");
    if (object.size !== item.size) throw new Failure("other_size");
    saving = { id: crypto.randomUUID(), object: { ...object, name: fileName(item.path) }, state: "runs", done: 0, of: object.size };
    showItem();
    if (file) return write(file, object);
    saving.ping = setInterval(() => navigator.serviceWorker.controller?.postMessage({}), PING);
    element("a", { href: `/s/${number}/save/${saving.id}` }).click();
}

async function write(file, object) {
    const to = await file.createWritable();
    const { id } = saving;
    try {
        let done = 0;
        for (let first = 1; first <= object.frames; first += FRAMES_AT_A_TIME) {
            const frames = await openFrames(object, first, Math.min(first + FRAMES_AT_A_TIME - 1, object.frames));
            for (const frame of frames) {
                await to.write(frame);
                done += frame.length;
            }
            if (saving?.id !== id || !key) throw new Failure("cancelled");
            saved("runs", done);
        }
        if (done !== object.size) throw new Failure("truncated");
        await to.close();
        saved("done", done);
    } catch (error) {
        // What is not whole never becomes the file.
        await to.abort().catch(() => {});
        saved("failed", 0);
        throw error;
    }
}

// The worker asks for what it saves, and tells how far it is.
function fromWorker({ data, ports }) {
    const of = data.ask?.save ?? data.saved?.save ?? data.failed?.save;
    if (!of) return;
    const known = saving?.id === of && key;
    if (data.ask) ports[0].postMessage(known ? saving.object : null);
    else if (known && data.saved) saved(data.saved.size === saving.of ? "done" : "runs", data.saved.size);
    else if (known && data.failed && saving.state !== "done") {
        saved("failed", 0);
        failure = new Failure(data.failed.code, data.failed.values);
        show();
    }
}

function lock() {
    player.lock();
    if (saving) clearInterval(saving.ping);
    [share, key, failure, saving] = [null, null, null, null];
    fetch(`${api}/leave`, { method: "POST" }).catch(() => {});
    show();
    $("key").focus();
}

$("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(enter);
});
$("key").addEventListener("change", () => attempt(async () => {
    const file = $("key").files[0];
    $("password-row").hidden = true;
    if (file && await isLocked(file)) $("password-row").hidden = false;
}));
$("save").addEventListener("click", () => attempt(save));
$("lock").addEventListener("click", lock);
navigator.serviceWorker?.addEventListener("message", fromWorker);
languages(show);

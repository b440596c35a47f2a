// Shares: what the address names is shared here, and ended. The office seals nothing: the key desk does, once the log says it. Where
// there is none, a key that opens the recordings seals them in this page; it stays in its memory until that is done.
import { element, languages, number, text } from "./common.js";
import { ask, endOf, fail, inDays, time } from "./outside-ask.js";
import { apiOf, asFailure, asked, ownKey, viewedBefore, words } from "./watch-asking.js";
import { isLocked, readKey } from "./watch-key-file.js";
import { itemKey, sealToShare } from "./watch-message.js";

const { Failure } = globalThis.camdockFrames;

const $ = (id) => document.getElementById(id);
// `?item=STATION/ID`, once for each recording.
const items = new URLSearchParams(location.search).getAll("item").map((item) => item.split("/"));
let rows = [];
let recipients = [];
let failure = null;
let done = null;
let made = [];
// Why the newest were shared: opening their keys here asks for it again.
let reason = "";

const unsealed = () => made.filter((share) => share.published && share.sealed < share.items.length);

async function attempt(action) {
    failure = null;
    done = null;
    try {
        await action();
    } catch (error) {
        if (!Array.isArray(error)) throw error;
        failure = error;
    }
    try {
        [rows, { recipients }] = await Promise.all([ask("/api/shares"), ask("/api/outsiders")]);
    } catch (error) {
        if (!Array.isArray(error)) throw error;
        failure ??= error;
    }
    show();
}

async function share() {
    const button = $("share").querySelector("button");
    button.disabled = true;
    try {
        const to = Array.from($("to").selectedOptions, (option) => option.value);
        const named = items.map(([station, evidence]) => ({ station, evidence }));
        reason = $("reason").value;
        made = await ask("/api/shares", { items: named, to, until: endOf($("until").value), reason });
        $("share").reset();
        $("until").value = inDays(30);
    } finally {
        button.disabled = false;
    }
}

// Opens the item's key with the chosen one, and puts it into the store sealed to the recipient alone.
async function seal(share, { station, evidence }, chosen) {
    const api = apiOf(station, evidence);
    const item = await viewedBefore(api) ?? await asked(api, { reason });
    const bytes = await itemKey(item, chosen, () => ownKey(api));
    const { fingerprint } = rows.find((row) => row.share === share.share);
    const message = await sealToShare(bytes, item, share.share, share.to_key, fingerprint);
    bytes.fill(0);
    await ask("/api/shares/key", { share: share.share, evidence, message: btoa(String.fromCharCode(...message)) });
}

async function sealHere() {
    const button = $("here").querySelector("button");
    button.disabled = true;
    try {
        const file = $("key").files[0];
        if (!globalThis.isSecureContext) throw new Failure("insecure");
        if (!file) throw new Failure("key_none");
        const chosen = await readKey(file, $("password").value);
        for (const share of unsealed()) {
            for (const item of share.items) await seal(share, item, chosen);
            share.sealed = share.items.length;
        }
        $("here").reset();
        $("password-row").hidden = true;
    } catch (error) {
        throw Array.isArray(error) ? error : [null, words(asFailure(error)).join(" ")];
    } finally {
        button.disabled = false;
    }
}

async function end() {
    const ended = await ask("/api/shares/end", { share: $("which").value, reason: $("why").value });
    done = [ended.repeated ? "recording.decided_before" : ended.published ? "recording.decided" : "recording.decided_waits", ended.entry];
    $("end").reset();
}

const name = (row) => row.name === null ? row.fingerprint : `${row.name}, ${row.organisation}`;
const recording = ({ station, evidence }) => element("div", {}, element("a", { href: `/recordings/${station}/${evidence}` }, evidence), ` · ${station}`);

// The link of a share that was just made, and whether everything of it can be opened yet.
function link(share) {
    const row = rows.find((row) => row.share === share.share);
    const state = !share.published ? "waits" : share.sealed < share.items.length ? "unsealed" : "ready";
    const values = { name: row ? name(row) : "", n: number(share.items.length), sealed: number(share.sealed) };
    const lines = [element("p", {}, text(`shares.made.${state}`, values)), element("p", {}, element("code", {}, share.link))];
    if (share.link.startsWith("/")) lines.push(element("p", { class: "hint" }, text("shares.no_address")));
    return element("li", {}, ...lines);
}

function line(row) {
    const state = row.ended ? text("shares.state.ended", { at: time(row.ended) }) : text(`shares.state.${row.published ? "open" : "waits"}`);
    return element("tr", { "data-share": row.share },
        element("th", { scope: "row" }, name(row), element("div", {}, element("code", {}, row.link))),
        element("td", {}, ...row.items.map(recording)), element("td", {}, time(row.until)), element("td", {}, row.by), element("td", {}, state));
}

function show() {
    document.title = text("shares.title");
    fail($("failed"), failure);
    $("done").textContent = done ? text(done[0], { n: number(done[1]) }) : "";
    $("links").replaceChildren(...made.map(link));
    $("here").hidden = unsealed().length === 0;
    $("new").hidden = items.length === 0;
    $("items").replaceChildren(...items.map(([station, evidence]) => element("li", {}, recording({ station, evidence }))));
    const chosen = new Set(Array.from($("to").selectedOptions, (option) => option.value));
    const able = recipients.filter((it) => it.published && new Date(it.until) > new Date());
    $("to").replaceChildren(...able.map((it) => {
        const option = element("option", { value: it.fingerprint }, `${it.name}, ${it.organisation}`);
        option.selected = chosen.has(it.fingerprint);
        return option;
    }));
    $("rows").replaceChildren(...rows.map(line));
    const open = rows.filter((row) => !row.ended);
    $("end").hidden = open.length === 0;
    $("which").replaceChildren(...open.map((row) => element("option", { value: row.share }, `${name(row)} · ${time(row.made_at)}`)));
}

$("share").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(share);
});
$("here").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(sealHere);
});
$("key").addEventListener("change", async () => {
    const file = $("key").files[0];
    $("password-row").hidden = !file || !await isLocked(file).catch(() => false);
});
$("end").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(end);
});
$("until").value = inDays(30);
languages(show).then(() => attempt(async () => {}));

// Shares: what the address names is shared here, and ended. The office seals nothing: the key desk does, once the log says it.
import { element, languages, number, text } from "./common.js";
import { ask, endOf, fail, inDays, time } from "./outside-ask.js";

const $ = (id) => document.getElementById(id);
// `?item=STATION/ID`, once for each recording.
const items = new URLSearchParams(location.search).getAll("item").map((item) => item.split("/"));
let rows = [];
let recipients = [];
let failure = null;
let done = null;
let made = [];

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
        made = await ask("/api/shares", { items: named, to, until: endOf($("until").value), reason: $("reason").value });
        $("share").reset();
        $("until").value = inDays(30);
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
$("end").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(end);
});
$("until").value = inDays(30);
languages(show).then(() => attempt(async () => {}));

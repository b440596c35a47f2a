// Recordings of all stations. It changes nothing. The whole search is in the page's address, with times of UTC, so that it means
// the same to whoever is sent it.
import { bytes, element, languages, number, text, translated } from "./common.js";
import { time } from "./custody.js";
import { link, marks, packOrder } from "./recordings.js";

const $ = (id) => document.getElementById(id);
const form = $("form");
const LIMITED = 40;
let shown = [];
let next = null;
let reached = null;
let asked = 0;
let behind = [];
let mayDecide = false;

// What stands in the form, as the address has it.
function query() {
    const fields = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...fields]) if (!value.trim()) fields.delete(name);
    for (const name of ["from", "to"]) {
        const moment = new Date(fields.get(name) ?? NaN);
        if (fields.has(name)) fields.set(name, Number.isNaN(moment.getTime()) ? fields.get(name) : `${moment.toISOString().slice(0, 16)}Z`);
    }
    return fields;
}

// What stands in the address, as the form has it: a day of UTC begins or ends at an hour of the reader's own.
function fill() {
    const given = new URLSearchParams(location.search);
    for (const [name, value] of given) {
        const field = form.elements.namedItem(name);
        if (!field) continue;
        if (!["from", "to"].includes(name)) field.value = value;
        else {
            const parts = /^(\d{4,}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d))?)?/.exec(value);
            if (!parts) continue;
            const [, day, hour, minute] = parts;
            const end = name === "to";
            const moment = new Date(`${day}T${hour ?? (end ? "23" : "00")}:${minute ?? (end ? "59" : "00")}:00Z`);
            if (Number.isNaN(moment.getTime())) continue;
            const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
            field.value = local.toISOString().slice(0, 16);
        }
    }
}

function fail(code, message) {
    const { what, next: step } = translated(code, message);
    $("failed").textContent = text("evidence.failed", { why: step ? `${what} ${step}` : what });
    $("failed").hidden = false;
}

async function ask(fields) {
    try {
        const response = await fetch(`/api/find?${fields}`, { headers: { accept: "application/json" } });
        if (response.status === 401) location.assign("/login");
        if (!response.ok) {
            fail(response.headers.get("camdock-code"), (await response.text()).trim());
            return null;
        }
        $("failed").hidden = true;
        return await response.json();
    } catch {
        $("failed").textContent = text("today.lost");
        $("failed").hidden = false;
        return null;
    }
}

// A long search answers in parts, some of them empty: it goes on until there is something to show.
async function find(further) {
    const turn = ++asked;
    const fields = query();
    if (!further) {
        history.replaceState(null, "", `?${fields}`);
        shown = [];
        next = null;
        reached = null;
    }
    const wanted = shown.length + 50;
    for (let part = 0; part < LIMITED && shown.length < wanted; part += 1) {
        const place = next ? [["after", next]] : [];
        const found = await ask(new URLSearchParams([...fields, ...place, ["limit", wanted - shown.length]]));
        if (turn !== asked) return;
        if (!found) break;
        shown.push(...found.recordings);
        if (!next) behind = found.behind;
        mayDecide = found.may_decide;
        next = found.next;
        reached = found.searched_to;
        draw();
        if (!next) break;
    }
    draw();
}

function sidecar(file) {
    const states = file.findings.length > 0 || file.undecided || !file.stored_at ? marks(file) : [];
    return element("div", { class: "sidecar" }, link(file), ...states);
}

// What people wrote on it, as they wrote it.
function tags({ tags, held }) {
    const said = ["incident", "category", "exhibit"].map((name) => tags[name]).filter(Boolean);
    if (tags.restricted) said.push(text("recording.restricted"));
    if (held) said.push(text("recording.held"));
    return said.length > 0 ? element("div", { class: "sidecar" }, said.join(" · ")) : null;
}

function row(recording) {
    const flagged = recording.flagged || recording.sidecars.some((file) => file.flagged);
    return element("tr", { "data-evidence": recording.evidence },
        element("td", {}, ...marks(recording)),
        element("td", {}, link(recording), tags(recording), flagged ? element("span", { class: "flag" }, `⚑ ${text("evidence.flagged")}`) : null, ...recording.sidecars.map(sidecar)),
        element("td", { class: "number" }, bytes(recording.bytes)),
        element("td", {}, time(recording.camera_time)),
        element("td", {}, recording.officer ?? "–"),
        element("td", {}, recording.camera ?? text("evidence.unknown_camera")),
        element("td", {}, recording.station));
}

function draw() {
    $("rows").replaceChildren(...shown.map(row));
    $("more").hidden = !next;
    const n = number(shown.length);
    const key = !next ? "all" : reached ? "reached" : "further";
    $("count").textContent = text(`find.count.${key}`, { n, time: time(reached) });
    $("behind").hidden = behind.length === 0;
    $("behind").textContent = text("find.behind", { stations: behind.join(", ") });
    const fields = query();
    for (const format of ["csv", "json"]) $(format).href = `/export/find?${new URLSearchParams([...fields, ["format", format]])}`;
    $("wall").href = `/find/wall?${fields}`;
    // A share has at most a hundred items with their sidecars.
    const items = shown.reduce((sum, recording) => sum + 1 + recording.sidecars.length, 0);
    $("share").hidden = !mayDecide || items === 0 || items > 100;
    $("share").href = `/shares?${new URLSearchParams(shown.map(({ station, evidence }) => ["item", `${station}/${evidence}`]))}`;
    const packing = mayDecide ? packOrder(shown) : null;
    $("packing").hidden = !packing;
    $("order").textContent = packing ?? "";
    document.title = text("find.title");
}

form.addEventListener("submit", (event) => { event.preventDefault(); find(false); });
$("more").addEventListener("click", () => find(true));
fill();
languages(draw).then(() => find(false));

// The evidence managers' page. It changes nothing. The search is in the page's address, so it can be bookmarked and shared.
import { bytes, element, languages, locale, number, text, translated } from "./common.js";
import { describe, logged, time } from "./custody.js";

const $ = (id) => document.getElementById(id);
const form = $("form");
const failed = $("failed");
let next = null;
let shown = [];
let days = [];
let problems = null;
let counted = null;
let opened = null;

// Days are those of UTC.
const dayOf = (day) => new Date(`${day}T00:00:00Z`).toLocaleDateString(locale(), { dateStyle: "medium", timeZone: "UTC" });

async function ask(path) {
    try {
        const response = await fetch(path, { headers: { accept: "application/json" } });
        if (response.status === 401) location.assign("/login");
        if (!response.ok) {
            fail(response.headers.get("camdock-code"), (await response.text()).trim());
            return null;
        }
        failed.hidden = true;
        return await response.json();
    } catch {
        fail(null, "this station does not answer");
        return null;
    }
}

function fail(code, message) {
    const { what, next, english } = translated(code, message);
    failed.replaceChildren(text("evidence.failed", { why: next ? sentences(what, next) : what }), ...(code ? logged(english) : []));
    failed.hidden = false;
}

const sentences = (first, second) => `${first}${/[.!?]$/.test(first) ? "" : "."} ${second}`;

// The reason for an item's quarantine.
const quarantine = (reason) => translated(null, reason).what;

function query() {
    const fields = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...fields]) if (!value.trim()) fields.delete(name);
    return fields;
}

function mark(item) {
    if (item.quarantine && !item.decision) return "quarantine";
    if (["stored", "released"].includes(item.state)) return "stored";
    return item.state === "pulling" ? "reading" : "secured";
}

function opener(item) {
    const open = element("button", { type: "button", "data-open": item.evidence }, item.path);
    open.addEventListener("click", () => show(item.evidence));
    return open;
}

// Camera, docking and name without its ending: what a recording has in common with its sidecars.
const recordingOf = (item) => JSON.stringify([item.camera, item.docked, item.path.replace(/\.[^./]*$/, "")]);

// Each recording with the sidecars that are shown, too; a sidecar that is in another state of decision stands alone.
function recordings(items) {
    const leads = new Map(items.filter((item) => item.kind === "video").map((item) => [recordingOf(item), { item, sidecars: [] }]));
    const rows = [];
    for (const item of items) {
        const lead = leads.get(recordingOf(item));
        if (item.kind === "sidecar" && lead && mark(lead.item) === mark(item) && lead.item.decision === item.decision) lead.sidecars.push(item);
        else rows.push(lead?.item === item ? lead : { item, sidecars: [] });
    }
    return rows;
}

function row({ item, sidecars }) {
    const kind = mark(item);
    const open = opener(item);
    const flag = item.flagged ? element("span", { class: "flag" }, `⚑ ${text("evidence.flagged")}`) : null;
    const states = [element("span", { class: "mark", "data-mark": kind }, text(`evidence.states.${kind}`))];
    if (item.decision) states.push(element("div", {}, text(`evidence.decision.${item.decision}`)));
    return element("tr", { "data-evidence": item.evidence },
        element("td", {}, ...states),
        element("td", {}, open, flag, ...sidecars.map((sidecar) => element("div", { class: "sidecar" }, opener(sidecar))), item.quarantine && !item.decision ? element("div", {}, quarantine(item.quarantine)) : null),
        element("td", { class: "number" }, bytes(item.bytes)),
        element("td", {}, time(item.camera_time)),
        element("td", {}, item.officer ?? "–"),
        element("td", {}, item.camera ?? text("evidence.unknown_camera")));
}

function draw() {
    $("rows").replaceChildren(...recordings(shown).map(row));
    $("more").hidden = !next;
    if (counted) {
        $("count").textContent = text(counted.more ? "evidence.count_more" : "evidence.count", { n: number(counted.n), shown: number(shown.length) });
    }
    const fields = query();
    for (const format of ["csv", "json"]) $(format).href = `/export/evidence?${new URLSearchParams([...fields, ["format", format]])}`;
}

async function find() {
    const fields = query();
    history.replaceState(null, "", `?${fields}`);
    const found = await ask(`/api/evidence?${fields}`);
    if (!found) return;
    shown = found.items;
    next = found.next;
    counted = { n: found.count, more: found.more_than_count };
    draw();
}

async function more() {
    const found = await ask(`/api/evidence?${new URLSearchParams([...query(), ["after", next]])}`);
    if (!found) return;
    shown.push(...found.items);
    next = found.next;
    draw();
}

function moment(entry) {
    const bad = ["item.quarantined", "item.failed"].includes(entry.event) || (["camera.undocked", "session.ended"].includes(entry.event) && !entry.data.complete);
    return element("li", { class: bad ? "bad" : "" },
        element("time", { datetime: entry.time }, `${time(entry.time)} · ${text("evidence.entry", { n: number(entry.entry) })}`),
        ...describe(entry, opened.item.evidence),
        element("details", {}, element("summary", {}, text("evidence.exact")), element("pre", { tabindex: "0" }, JSON.stringify(entry, null, 1))));
}

function drawItem() {
    const { item, proof, custody } = opened;
    // A list that is not complete must say so.
    const missing = [];
    const whole = { shown: number(custody.length), n: number(opened.entries), id: item.evidence };
    if (custody.length < opened.entries) missing.push(text("evidence.cut", whole));
    if (opened.searched < proof.log_entries) {
        missing.push(text("evidence.behind", { all: number(proof.log_entries), n: number(opened.searched), id: item.evidence }));
    }
    $("cut").hidden = !missing.length;
    $("cut").replaceChildren(...missing.map((words) => element("p", {}, words)));
    $("further").hidden = !opened.next;
    $("item-title").textContent = item.path;
    const list = element("dl");
    const fact = (name, value) => value && list.append(element("dt", {}, text(`evidence.${name}`)), element("dd", {}, value));
    fact("state", text(`evidence.states.${mark(item)}`));
    if (item.quarantine) fact("quarantine", element("div", {}, quarantine(item.quarantine), ...logged(translated(null, item.quarantine).english)));
    fact("decided", item.decision && text(`evidence.decision.${item.decision}`));
    fact("flagged", item.flagged && text("evidence.flagged"));
    fact("officer", item.officer);
    fact("camera", item.camera ?? text("evidence.unknown_camera"));
    fact("bay", item.bay);
    fact("size", `${bytes(item.bytes)} (${number(item.bytes)} B)`);
    fact("recorded", time(item.camera_time));
    fact("docked", time(item.docked));
    fact("stored_at", item.stored_at && time(item.stored_at));
    fact("id", element("code", {}, item.evidence));
    fact("sha256", item.sha256 && element("code", {}, item.sha256));
    const proofs = ["sealed", "stored"].map((step) => {
        const state = proof[step] === null ? "waiting" : proof[step] ? "proven" : "wrong";
        return text(`evidence.proof.${step}_${state}`);
    });
    fact("verified", element("span", { id: "proof" }, `${proofs.join(" · ")} · ${text("evidence.proof.when", { n: number(proof.log_entries) })}`));
    $("facts").replaceChildren(list);
    $("custody").replaceChildren(...custody.map(moment));
    const parts = ["original", ...custody.filter((e) => e.event === "item.previewed" && e.data.outcome === "made").map((e) => e.data.part)];
    $("open").replaceChildren(element("p", {}, text("evidence.open_hint")), ...parts.map((part) => {
        const which = part === "original" ? "" : ` --part ${part}`;
        return element("p", {}, `${text(`evidence.part.${part}`)}: `, element("code", {}, `camdock open ${item.evidence}${which} --key KEY.pem -o FILE`));
    }));
}

async function show(id) {
    const told = await ask(`/api/evidence/${encodeURIComponent(id)}`);
    if (!told) return;
    opened = told;
    drawItem();
    if (!$("item").open) $("item").showModal();
}

async function further() {
    const { item, custody, next } = opened;
    const told = await ask(`/api/evidence/${encodeURIComponent(item.evidence)}?after=${next}`);
    if (!told || opened.item.evidence !== item.evidence || opened.next !== next) return;
    opened = { ...told, custody: [...custody, ...told.custody] };
    drawItem();
}

function drawDays() {
    $("day-rows").replaceChildren(...days.map((day) => {
        const cells = ["sessions", "seen", "held", "sealed", "stored", "missing", "interrupted"].map((name) => {
            const bad = ["missing", "interrupted"].includes(name) && day[name] > 0;
            return element("td", bad ? { class: "bad" } : {}, bad ? `⚠ ${number(day[name])}` : number(day[name]));
        });
        return element("tr", {}, element("td", {}, dayOf(day.day)), element("td", {}, day.camera ?? text("evidence.unknown_camera")), element("td", {}, day.officers || "–"), ...cells);
    }));
    const range = new URLSearchParams(new FormData($("day-form")));
    for (const format of ["csv", "json"]) $(`days-${format}`).href = `/export/completeness?${new URLSearchParams([...range, ["format", format]])}`;
}

async function findDays() {
    const told = await ask(`/api/completeness?${new URLSearchParams(new FormData($("day-form")))}`);
    if (!told) return;
    days = told.days;
    $("day-from").value = told.from;
    $("day-to").value = told.to;
    drawDays();
}

function drawProblems() {
    if (!problems) return;
    const list = [];
    const add = (words, more, action) => {
        const node = element("li", { class: "bad" }, element("b", {}, `⚠ ${words}`), ...[more ?? []].flat().map((part) => element("div", {}, part)));
        if (action) {
            const button = element("button", { type: "button" }, text("evidence.show"));
            button.addEventListener("click", action);
            node.append(button);
        }
        list.push(node);
    };
    const said = ({ code, reason, next_step: step }) => {
        const { what, next, english } = translated(code, reason);
        return [sentences(what, next ?? step), ...logged(english && sentences(reason, step))];
    };
    if (problems.undecided) add(text("evidence.problem.undecided", { n: number(problems.undecided) }), text("evidence.problem.undecided_next"), () => { form.reset(); $("state").value = "quarantine"; tab("search"); find(); });
    if (problems.missing) add(text("evidence.problem.missing", { n: number(problems.missing) }), text("evidence.problem.missing_next"), () => tab("days"));
    if (problems.store) add(text("evidence.problem.store", { code: problems.store.code }), said(problems.store));
    for (const [id, alarm] of Object.entries(problems.alarms)) add(text("evidence.problem.alarm", { code: alarm.code }), said(alarm), () => show(id));
    for (const [bay, wiping] of Object.entries(problems.wiping)) add(text("evidence.problem.wiping", { bay, code: wiping.code }), said(wiping));
    if (!problems.clock.synchronised) add(text("evidence.problem.clock"), text("evidence.problem.clock_next"));
    const verified = problems.verification;
    if (verified && !verified.ok) add(text("evidence.problem.verified_wrong", { n: number(verified.findings), when: time(verified.time) }), text("evidence.problem.verified_next"));
    const report = problems.completeness;
    const gaps = report ? Object.values(report.gaps).reduce((sum, n) => sum + n, 0) : 0;
    if (gaps) add(text("evidence.problem.gaps", { n: number(gaps), when: time(report.time) }), text("evidence.problem.gaps_next"));
    if (!list.length) list.push(element("li", {}, `✓ ${text("evidence.problem.none")}`));
    if (problems.waiting) list.push(element("li", {}, text("evidence.problem.waiting", { n: number(problems.waiting), since: time(problems.oldest_unstored) })));
    if (!verified) list.push(element("li", { id: "verified" }, text("evidence.problem.verified_never")));
    else if (verified.ok) list.push(element("li", { id: "verified" }, `✓ ${text("evidence.problem.verified", { when: time(verified.time) })}`));
    if (!report) list.push(element("li", { id: "gaps" }, text("evidence.problem.gaps_never")));
    else if (!gaps) list.push(element("li", { id: "gaps" }, `✓ ${text("evidence.problem.gaps_none", { when: time(report.time) })}`));
    $("problems").replaceChildren(...list);
    document.title = `${problems.station} – ${text("evidence.title")}`;
}

function tab(name) {
    for (const other of ["search", "days"]) {
        $(other).hidden = other !== name;
        $(`tab-${other}`).setAttribute("aria-pressed", String(other === name));
    }
    if (name === "days") findDays();
}

async function refreshProblems() {
    const told = await ask("/api/problems");
    if (told) problems = told;
    drawProblems();
}

form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
$("day-form").addEventListener("submit", (event) => { event.preventDefault(); findDays(); });
$("more").addEventListener("click", more);
$("further").addEventListener("click", further);
$("close").addEventListener("click", () => $("item").close());
$("tab-search").addEventListener("click", () => tab("search"));
$("tab-days").addEventListener("click", () => tab("days"));
for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (field) field.value = value;
}
languages(() => { draw(); drawDays(); drawProblems(); if (opened) drawItem(); }).then(() => { refreshProblems(); find(); });
// Each request is an access in the custody log, so a page that is not visible makes none.
setInterval(() => { if (document.visibilityState === "visible") refreshProblems(); }, 15000);

// The office's page: what needs somebody, and how each station stands. People who may decide explain gaps here.
import { element, languages, locale, number, text, translated } from "./common.js";
import { link } from "./recordings.js";

const $ = (id) => document.getElementById(id);
const EVERY = 30_000;
// The search that lists what a matter counts.
const SEARCHED = {
    office_object_missing: "missing", office_object_foreign: "foreign", office_object_size: "wrong_size", office_object_covered: "covered",
    office_object_unlocked: "unlocked", office_object_checksum: "checksum", office_items_undecided: "undecided", office_items_waiting: "waiting",
};
let shown = null;
let failure = null;

const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) : "–");

async function load() {
    try {
        const response = await fetch("/api/today", { headers: { accept: "application/json" } });
        if (response.status === 401) location.assign("/login");
        if (response.ok) {
            shown = await response.json();
            failure = null;
        } else failure = [response.headers.get("camdock-code"), (await response.text()).trim()];
    } catch {
        failure = [null, null];
    }
    show();
}

function example(station, finding) {
    const whose = [finding.officer && text("officer.officer", { name: finding.officer }), finding.camera];
    const since = text("today.since", { time: time(finding.since) });
    // Only an item that the log has sealed has a path, and a page.
    const item = finding.path ? [link({ ...finding, station }), " · "] : [];
    return element("li", {}, ...item, [...whose, since].filter(Boolean).join(" · "), element("br"), element("code", {}, finding.key), element("br"), finding.what);
}

// A gap, and the form that explains it. A reason that somebody is typing is not lost when the page asks again.
const typed = new Map();
let said = null;

function gap(station, it) {
    const { what } = translated(it.code, it.what);
    const whose = [it.officer && text("officer.officer", { name: it.officer }), it.camera, it.since && text("today.since", { time: time(it.since) })];
    const node = element("li", {}, what, element("br"), whose.filter(Boolean).join(" · "), element("br"), element("code", {}, it.gap));
    if (what !== it.what) node.append(element("div", { lang: "en" }, it.what));
    if (!shown.may_decide) return node;
    const key = `${station} ${it.gap}`;
    const field = element("input", { maxlength: "500", required: "", "aria-label": text("today.gap_reason", { gap: it.gap }), placeholder: text("recording.reason") });
    field.value = typed.get(key) ?? "";
    field.addEventListener("input", () => typed.set(key, field.value));
    const form = element("form", { class: "fields" }, element("div", {}, field), element("div", {}, element("button", { type: "submit" }, text("today.explain"))));
    form.addEventListener("submit", (event) => { event.preventDefault(); explain(station, it.gap, key, form); });
    node.append(form);
    return node;
}

async function explain(station, name, key, form) {
    const button = form.querySelector("button");
    form.querySelector("input").blur();
    button.disabled = true;
    try {
        const body = JSON.stringify({ gap: name, reason: typed.get(key) ?? "" });
        const response = await fetch(`/api/gaps/${station}`, { method: "POST", headers: { "content-type": "application/json" }, body });
        if (response.status === 401) location.assign("/login");
        if (!response.ok) {
            const { what, next } = translated(response.headers.get("camdock-code"), (await response.text()).trim());
            said = next ? `${what} ${next}` : what;
        } else {
            const done = await response.json();
            typed.delete(key);
            said = text(`recording.${done.repeated ? "decided_before" : done.published ? "decided" : "decided_waits"}`, { n: number(done.entry) });
        }
    } catch {
        said = text("today.lost");
    }
    button.disabled = false;
    await load();
}

// What stays open stays open when the page is drawn anew.
const opened = new Set();

function examples(found) {
    const one = found.code === "office_gaps" ? gap : example;
    const list = element("ul", {}, ...found.examples.map((it) => one(found.station, it)));
    const details = element("details", {}, element("summary", {}, text("today.examples")), list);
    const key = `${found.station} ${found.code}`;
    details.open = opened.has(key);
    details.addEventListener("toggle", () => (details.open ? opened.add(key) : opened.delete(key)));
    return details;
}

function matter(found) {
    const { what, next } = translated(found.code, found.what);
    const item = element("li", { class: "bad" }, element("b", {}, found.station), element("p", {}, what));
    if (found.count) item.append(element("p", {}, text("today.count", { n: number(found.count) })));
    // In another language the office's own words follow: they name what was seen.
    if (what !== found.what) item.append(element("p", { lang: "en" }, found.what));
    item.append(element("p", {}, element("strong", {}, next ?? found.next)));
    if (found.examples.length > 0) item.append(examples(found));
    const state = SEARCHED[found.code];
    if (state) {
        const search = new URLSearchParams({ station: found.station, state });
        item.append(element("p", {}, element("a", { href: `/find?${search}` }, text("today.find"))));
    }
    item.append(element("p", {}, text("officer.code", { code: found.code })));
    return item;
}

function station(row) {
    const bucket = row.bucket ?? {};
    const open = shown.matters.filter((found) => found.station === row.station).length;
    const state = !row.looked_at ? "today.unseen" : open > 0 ? "today.open" : "today.fine";
    return element("tr", {},
        element("th", { scope: "row" }, row.station),
        element("td", { class: open > 0 || !row.looked_at ? "bad" : "" }, text(state, { n: number(open) })),
        element("td", {}, time(bucket.last_entry)),
        element("td", { class: "number" }, number(row.cosigned_entries ?? 0)),
        element("td", { class: "number" }, number(bucket.items ?? 0)),
        element("td", { class: "number" }, number(bucket.objects ?? 0)),
        element("td", { class: "number" }, bucket.gaps_at ? text("today.gaps_known", { n: number(bucket.gaps), explained: number(bucket.gaps_explained) }) : "–"),
        element("td", {}, time(bucket.listed)));
}

function show() {
    $("failed").hidden = failure === null;
    if (failure) {
        const [code, words] = failure;
        $("failed").textContent = words === null ? text("today.lost") : translated(code, words).what;
    }
    if (!shown) return;
    $("office").textContent = shown.office;
    $("shares").hidden = !shown.may_decide;
    $("at").textContent = text("today.at", { time: time(shown.at) });
    // Nothing is drawn over a field that somebody types into.
    if (!$("matters").contains(document.activeElement) || document.activeElement.tagName !== "INPUT") $("matters").replaceChildren(...shown.matters.map(matter));
    $("said").hidden = !said;
    $("said").textContent = said ?? "";
    $("fine").hidden = shown.matters.length > 0;
    $("fine").textContent = text("today.nothing");
    $("stations").replaceChildren(...shown.stations.map(station));
}

languages(show).then(load);
// Looking is on record: a page that nobody sees does not ask.
setInterval(() => { if (document.visibilityState === "visible") load(); }, EVERY);
// Somebody comes back to it.
addEventListener("focus", load);

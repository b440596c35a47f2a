// Who saw what in a month, and why, out of the office's log. It changes nothing.
import { element, languages, locale, number, text, translated } from "./common.js";

const $ = (id) => document.getElementById(id);
// A page that is to be printed ends somewhere; the file has all.
const MOST = 20_000;
let looks = [];
let next = null;
let shown = "";
let failure = null;

const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "short", timeStyle: "medium" }) : "–");

async function load() {
    const month = $("month").value.trim() || new Date().toISOString().slice(0, 7);
    const found = [];
    failure = null;
    next = null;
    try {
        do {
            const fields = new URLSearchParams({ month });
            if (next !== null) fields.set("after", next);
            const response = await fetch(`/api/looks?${fields}`, { headers: { accept: "application/json" } });
            if (response.status === 401) location.assign("/login");
            if (!response.ok) {
                failure = [response.headers.get("camdock-code"), (await response.text()).trim()];
                break;
            }
            const page = await response.json();
            found.push(...page.looks);
            next = page.next;
        } while (next !== null && found.length < MOST);
    } catch {
        failure = [null, null];
    }
    if (!failure) {
        looks = found;
        shown = month;
        $("month").value = month;
        history.replaceState(null, "", `?${new URLSearchParams({ month })}`);
    }
    draw();
}

function how({ act, part }) {
    const words = text(`looks.act.${act}`);
    const what = words === `looks.act.${act}` ? act : words;
    return part ? `${what} (${text(`evidence.part.${part}`)})` : what;
}

function draw() {
    $("failed").hidden = failure === null;
    if (failure) {
        const [code, words] = failure;
        $("failed").textContent = words === null ? text("today.lost") : translated(code, words).what;
    }
    document.title = `${text("looks.title")} ${shown}`;
    $("list-title").textContent = shown;
    $("csv").href = `/export/looks?${new URLSearchParams({ month: shown, format: "csv" })}`;
    $("count").textContent = text(next === null ? "looks.count" : "looks.more", { n: number(looks.length) });
    $("rows").replaceChildren(...looks.map((look) => element("tr", {},
        element("td", {}, time(look.time)),
        element("td", {}, look.operator ?? "–"),
        element("td", {}, element("a", { href: `/recordings/${look.station}/${look.evidence}` }, look.path ?? look.evidence), element("div", {}, `${look.station} · ${time(look.camera_time)}`)),
        element("td", {}, how(look)),
        element("td", {}, look.reason ?? text("looks.no_reason")),
        element("td", { class: "number" }, number(look.entry)))));
}

$("form").addEventListener("submit", (event) => {
    event.preventDefault();
    load();
});
$("print").addEventListener("click", () => print());
$("month").value = new URLSearchParams(location.search).get("month") ?? "";
languages(draw).then(load);

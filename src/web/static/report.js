// A quarter in figures, made to be printed. It changes nothing.
import { bytes, element, languages, locale, number, text, translated } from "./common.js";

const $ = (id) => document.getElementById(id);
let shown = null;
let failure = null;

const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) : "–");
const decimal = (n) => new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 }).format(n);

function value(name, n) {
    if (n === null) return text("report.unknown");
    if (name.endsWith("_bytes")) return bytes(n);
    if (name.endsWith("_seconds")) return text("report.seconds", { n: decimal(n) });
    if (name === "money_saved") return `${decimal(n)} ${shown.capacity.currency}`;
    return decimal(n);
}

async function load() {
    const fields = new URLSearchParams(location.search);
    const quarter = fields.get("quarter") ?? "";
    try {
        const response = await fetch(`/api/report?${new URLSearchParams({ quarter })}`, { headers: { accept: "application/json" } });
        if (response.status === 401) location.assign("/login");
        if (response.ok) {
            shown = await response.json();
            failure = null;
            $("quarter").value = shown.quarter;
        } else failure = [response.headers.get("camdock-code"), (await response.text()).trim()];
    } catch {
        failure = [null, null];
    }
    draw();
}

function draw() {
    $("failed").hidden = failure === null;
    if (failure) {
        const [code, words] = failure;
        $("failed").textContent = words === null ? text("today.lost") : translated(code, words).what;
    }
    if (!shown) return;
    document.title = `${text("report.title")} ${shown.quarter}`;
    $("json").href = `/api/report?quarter=${shown.quarter}`;
    $("json").download = `${shown.office}-${shown.quarter}.json`;
    $("force-title").textContent = `${shown.office} – ${shown.quarter}`;
    $("made").textContent = text("report.made", { from: time(shown.from), to: time(shown.to), made: time(shown.made) });
    $("figures").replaceChildren(...shown.formulas.map(({ figure, formula }) => element("tr", {},
        element("th", { scope: "row" }, text(`report.name.${figure}`)),
        element("td", { class: "number" }, value(figure, shown.force[figure])),
        element("td", { lang: "en" }, formula))));
    const { store_bytes: store, store_full: full } = shown.capacity;
    $("full").textContent = store === null ? text("report.full_unknown") : full ? text("report.full", { time: time(full) }) : text("report.full_never");
    $("not-read").hidden = shown.not_read.length === 0;
    $("not-read").textContent = text("report.not_read", { stations: shown.not_read.join(", ") });
    $("stations").replaceChildren(...shown.stations.map((row) => {
        const range = row.first_entry === null ? "–" : text("report.entries", { first: number(row.first_entry), last: number(row.last_entry), read: number(row.entries_read) });
        return line(row.station, row.figures, range);
    }));
    $("units-section").hidden = shown.units.length === 0;
    $("units").replaceChildren(...shown.units.map((row) => line(row.unit, row.figures, row.stations.join(", ") || "–")));
    $("classes").replaceChildren(
        ...classes(text("report.all"), shown.classes),
        ...shown.units.flatMap((row) => classes(text("report.of_unit", { unit: row.unit }), row.classes)),
        ...shown.stations.flatMap((row) => classes(row.station, row.classes)));
    $("class-range").textContent = text("report.class_range", { n: number(shown.office_entries_read) });
    $("class-formulas").replaceChildren(...shown.class_formulas.flatMap(({ figure, formula }) => [
        element("dt", {}, text(`report.name.${figure}`)), element("dd", { lang: "en" }, formula)]));
}

// A station or a unit in the figures that a reader compares.
function line(name, of, last) {
    const cell = (figure) => element("td", { class: "number" }, value(figure, of[figure]));
    return element("tr", {}, element("th", { scope: "row" }, name),
        cell("recordings"), cell("hours"), cell("dock_to_safe_seconds"), cell("dock_to_stored_seconds"), cell("added_bytes"),
        element("td", { class: "number" }, text("today.gaps_known", { n: number(of.gaps_open), explained: number(of.gaps_explained) })),
        element("td", {}, last));
}

function classes(name, rows) {
    return rows.map((of) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, of.class ?? text("report.no_class")),
        ...["recordings", "files", "stored_bytes"].map((figure) => element("td", { class: "number" }, value(figure, of[figure])))));
}

$("form").addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", `?${new URLSearchParams({ quarter: $("quarter").value.trim() })}`);
    load();
});
$("print").addEventListener("click", () => print());
languages(draw).then(load);

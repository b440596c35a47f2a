// Entries of a custody log in words.
import { bytes, element, locale, number, text, translated } from "./common.js";

export const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "medium" }) : "–");

// The original English wording, shown below its translation.
export function logged(english) {
    if (!english) return [];
    const [before, after] = text("evidence.logged", { reason: "\n" }).split("\n");
    return [element("div", { class: "logged" }, before, element("span", { lang: "en" }, english), after)];
}

// One entry of the custody log in words.
export function describe(entry, evidence) {
    const data = entry.data;
    const camera = data.camera ?? text("evidence.unknown_camera");
    const officer = data.officer ?? text("evidence.no_officer");
    const wiped = entry.event === "camera.wiped" ? data.files.find((file) => file.evidence === evidence) : null;
    const { what, english } = wiped?.reason ? { english: wiped.reason } : reasonOf(entry);
    const gone = entry.event === "item.held" ? [...(data.files ?? []), data].find((file) => file.evidence === evidence && file.disposed) : null;
    const values = { ...data, code: data.code ?? wiped?.code, reason: what, camera, officer, size: bytes(data.size ?? 0), count: number(data.missing_count ?? 0), modified: time(data.modified), original: data.derived?.from, act: number(gone?.disposed.index ?? 0), office: gone?.disposed.log };
    let key = entry.event;
    if (key === "import.declared" && data.derived) key = "import.derived";
    if (key === "item.sealed" && data.import) key = "item.imported";
    if (["camera.undocked", "session.ended", "import.ended"].includes(key)) key += data.complete ? ".complete" : ".early";
    if (gone) key = "item.held_disposed";
    if (key === "camera.docked" && data.at_start) key = "camera.found";
    if (key === "item.previewed") key += `.${data.outcome}.${data.part}`;
    if (key === "camera.wiped") key += data.stage === "begun" ? ".begun" : !wiped ? ".other" : wiped.wiped ? ".deleted" : ".left";
    if (key === "operator.action") key += `.${data.action}`;
    const words = text(`custody_event.${key}`, values);
    return [words === `custody_event.${key}` ? text("custody_event.other", { event: entry.event }) : words, ...remarks(data), ...logged(english)];
}

// What nobody can see in a preview. What concerns the whole recording stands beside its storyboard.
function remarks(data) {
    const whole = data.part === "storyboard" ? data.probe?.remarks : null;
    return [...(data.remarks ?? []), ...(whole ?? [])].map(({ code, n }) =>
        element("div", { class: "remark" }, `⚠ ${text(`remark.${code}`, { n: number(n), size: bytes(n), seconds: number(Math.round(n / 100) / 10) })}`));
}

// An entry's reason in the page's language, to be used within a sentence. Text that people wrote is not translated.
function reasonOf(entry) {
    const { reason, code } = entry.data;
    if (reason === undefined || entry.event === "operator.action") return { what: reason };
    const { what, english } = translated(code, reason);
    return { what: english && code ? what.replace(/\.$/, "") : what, english };
}

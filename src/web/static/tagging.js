// An officer tags the recordings of the docked camera, after the badge was scanned (a scanner is a keyboard) or typed.
import { bytes, element, language, locale, number, text, translated } from "./common.js";

const IDLE = 90000; // milliseconds; then the next officer must not find this one's list
const KEYS = [..."1234567890", ..."ABCDEFGHIJKLMNOPQRSTUVWXYZ", "-", "/", " ", "⌫"];
let open = null;

async function ask(path, body) {
    const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).catch(() => null);
    if (response?.ok) return { found: await response.json() };
    return { why: response ? translated("", (await response.text()).trim()).what : text("tagging.no_answer") };
}

function length(recording) {
    if (recording.milliseconds === null) return `${text("tagging.no_length")} (${bytes(recording.bytes)})`;
    const seconds = Math.round(recording.milliseconds / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
}

function words(recording) {
    const time = recording.time ? new Date(recording.time).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "medium" }) : text("tagging.no_time");
    const parts = [time, length(recording)];
    if (recording.flagged) parts.push(`⚑ ${text("tagging.flagged")}`);
    if (recording.incident) parts.push(`${text("tagging.incident")} ${recording.incident}`);
    if (recording.category) parts.push(recording.category);
    return parts.join(" · ");
}

const field = (name, input) => element("label", {}, element("span", {}, text(`tagging.${name}`)), input);
const button = (words, more = {}) => element("button", { type: "button", ...more }, words);

// Letters and digits to touch; whoever has a keyboard need not pass through them.
function keypad(input) {
    const keys = KEYS.map((key) => {
        const node = button(key === " " ? "␣" : key, { tabindex: "-1", "aria-hidden": "true" });
        node.addEventListener("click", () => { input.value = key === "⌫" ? input.value.slice(0, -1) : input.value + key; });
        return node;
    });
    return element("div", { class: "keypad" }, ...keys);
}

// `bay` is the view of the docked camera; `categories` are those of the station.
export function tag(bay, categories) {
    close();
    const badge = element("input", { id: "tag-badge", autocomplete: "off", maxlength: "64", required: "" });
    const error = element("p", { class: "wrong", role: "alert" });
    const done = element("p", { role: "status" });
    const list = element("div", { class: "list", role: "group", "aria-label": text("tagging.recordings") });
    const incident = element("input", { id: "tag-incident", autocomplete: "off", maxlength: "200" });
    const category = element("select", { id: "tag-category" }, element("option", { value: "" }, text("tagging.as_it_is")), ...categories.map((name) => element("option", {}, name)));
    const first = element("form", { id: "tag-who" }, field("badge", badge), element("button", {}, text("tagging.show")));
    const second = element("form", { id: "tag-what", hidden: "" }, list,
        ...(categories.length ? [field("category", category)] : []), field("incident", incident), keypad(incident),
        element("button", { id: "tag-save" }, text("tagging.save")));
    const end = button(text("tagging.close"), { id: "tag-close" });
    const dialog = element("dialog", { class: "tagging", "aria-labelledby": "tag-title", lang: language },
        element("h2", { id: "tag-title" }, text("tagging.title", { bay: bay.bay })), first, error, second, done, end);
    const at = { bay: bay.bay, session: bay.session };
    let timer = null;
    const awake = () => { clearTimeout(timer); timer = setTimeout(close, IDLE); };
    const say = (why, what = "") => { error.textContent = why ?? ""; done.textContent = what; };

    async function show() {
        const { found, why } = await ask("/api/dock/recordings", { ...at, badge: badge.value });
        if (why) { say(why); badge.select(); return false; }
        const chosen = new Set([...list.querySelectorAll(":checked")].map((box) => box.value));
        list.replaceChildren(...found.recordings.map((recording) => {
            const box = element("input", { type: "checkbox", value: recording.evidence });
            box.checked = chosen.has(recording.evidence);
            return element("label", {}, box, element("span", {}, words(recording)));
        }));
        if (found.more) list.append(element("p", {}, text("tagging.more", { n: number(found.recordings.length) })));
        if (!found.recordings.length) list.append(element("p", {}, text("tagging.none")));
        return true;
    }
    first.addEventListener("submit", async (event) => {
        event.preventDefault();
        say();
        if (!await show()) return;
        first.hidden = true;
        second.hidden = false;
        (list.querySelector("input") ?? end).focus();
    });
    second.addEventListener("submit", async (event) => {
        event.preventDefault();
        say();
        const evidence = [...list.querySelectorAll(":checked")].map((box) => box.value);
        const { found, why } = await ask("/api/dock/tags", { ...at, badge: badge.value, evidence, incident: incident.value, category: category.value });
        if (why) { say(why); return; }
        await show();
        say("", text("tagging.saved", { n: number(found.tagged) }));
        end.focus();
    });
    end.addEventListener("click", close);
    dialog.addEventListener("close", () => { clearTimeout(timer); dialog.remove(); if (open?.dialog === dialog) open = null; });
    for (const kind of ["keydown", "pointerdown"]) dialog.addEventListener(kind, awake);
    document.body.append(dialog);
    open = { dialog, bay: bay.bay, session: bay.session };
    dialog.showModal();
    badge.focus();
    awake();
}

export function close() { open?.dialog.close(); }

// Ends it when the camera has left, and when nobody knows whether it has.
export function follow(bays, fresh) {
    if (open && (!fresh || bays.get(open.bay)?.session !== open.session)) close();
}

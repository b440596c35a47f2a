// One recording: its facts, its custody as a story, its objects, and what was recorded around it. It changes nothing.
import { bytes, element, languages, locale, number, text, translated } from "./common.js";
import { describe, time } from "./custody.js";
import { link, marks, packOrder } from "./recordings.js";

const $ = (id) => document.getElementById(id);
const [, , station, evidence] = location.pathname.split("/");
let view = null;
let custody = [];
let acts = [];
let filled = false;
const TAGS = ["incident", "category", "exhibit"];

async function ask(from) {
    try {
        const response = await fetch(`/api/recordings/${station}/${evidence}?from=${from}`, { headers: { accept: "application/json" } });
        if (response.status === 401) location.assign("/login");
        $("failed").hidden = response.ok;
        if (response.ok) return await response.json();
        const { what, next } = translated(response.headers.get("camdock-code"), (await response.text()).trim());
        $("failed").textContent = text("evidence.failed", { why: next ? `${what} ${next}` : what });
    } catch {
        $("failed").textContent = text("today.lost");
        $("failed").hidden = false;
    }
    return null;
}

async function load(from) {
    const told = await ask(from);
    if (!told) return;
    if (from === 0) {
        custody = [];
        acts = told.acts;
    }
    view = told;
    custody.push(...told.custody);
    draw();
}

// A station says what it likes: an entry whose fields make no sense is shown as it is.
function words(entry) {
    try {
        return describe(entry, evidence);
    } catch {
        return [text("custody_event.other", { event: entry.event })];
    }
}

function moment(told) {
    const place = text("evidence.entry", { n: number(told.entry) });
    if (!told.proven || !told.content) {
        const words = told.proven ? text("recording.unreadable") : text("recording.unproven");
        return element("li", { class: "bad" }, element("div", {}, place), element("strong", {}, words), told.why ? element("div", { class: "logged", lang: "en" }, told.why) : null);
    }
    const entry = told.content;
    const early = ["camera.undocked", "session.ended", "import.ended"].includes(entry.event) && !entry.data?.complete;
    const bad = early || ["item.quarantined", "item.failed"].includes(entry.event);
    return element("li", { class: bad ? "bad" : "" },
        element("time", { datetime: entry.time }, `${time(entry.time)} · ${place} · ✓ ${text("recording.proven")}`),
        ...words(entry),
        element("details", {}, element("summary", {}, text("evidence.exact")), element("pre", { tabindex: "0" }, JSON.stringify(entry, null, 1))));
}

// What the office did, in words. What a person wrote stands as it was written.
function act({ entry, content, reason, text: note }) {
    const data = content.data ?? {};
    const said = TAGS.filter((name) => data[name]).map((name) => `${text(`recording.tags.${name}`)} ${data[name]}`);
    if (data.restricted) said.push(text("recording.restricted"));
    const tags = said.join(", ") || text("recording.tags.none");
    let key = content.event;
    if (key === "quarantine.decided") key += data.accepted ? ".accepted" : ".rejected";
    if (key === "hold.placed" && data.not_held?.length > 0) key = "hold.partly";
    if (key === "operator.action") key += `.${data.action}`;
    const words = text(`office_act.${key}`, { operator: data.operator, officer: data.officer, object: data.key, share: data.share, to: data.to, tags, objects: number(data.objects?.length ?? 0), missed: data.not_held?.join(", "), hold: number(data.hold?.index ?? 0), class: data.class, proposed_by: data.proposed_by, approved_by: data.approved_by, until: data.until ? time(data.until) : "" });
    const what = words === `office_act.${key}` ? text("custody_event.other", { event: content.event }) : words;
    return element("li", {},
        element("time", { datetime: content.time }, `${time(content.time)} · ${text("recording.office_entry", { n: number(entry) })}`), what,
        note ? element("div", {}, text("recording.note", { note })) : null,
        reason ? element("div", {}, text("recording.because", { reason })) : null,
        element("details", {}, element("summary", {}, text("evidence.exact")), element("pre", { tabindex: "0" }, JSON.stringify(content, null, 1))));
}

// Whether it is evidence is asked where its station was in doubt, or somebody has decided already.
function choices(item) {
    const decided = acts.some((act) => act.content.event === "quarantine.decided");
    for (const name of ["accept", "reject"]) $("decision").querySelector(`[value=${name}]`).disabled = !item.undecided && !decided;
    if ($("decision").selectedOptions[0]?.disabled ?? true) $("decision").value = "reassign";
    $("officer-row").hidden = $("decision").value !== "reassign";
    $("officer").required = !$("officer-row").hidden;
    $("decision").querySelector("[value=restrict]").disabled = item.tags.restricted === true;
    $("decision").querySelector("[value=unrestrict]").disabled = !item.tags.restricted;
    $("decision").querySelector("[value=lift_hold]").disabled = !item.held;
    $("decision").querySelector("[value=classify]").disabled = view.classes.length === 0;
    $("class-row").hidden = $("decision").value !== "classify";
    $("hold-row").hidden = $("decision").value !== "lift_hold";
    for (const row of document.querySelectorAll(".tag-row")) row.hidden = $("decision").value !== "tag";
}

async function decide() {
    const kind = $("decision").value;
    const tags = Object.fromEntries(TAGS.map((name) => [name, $(name).value.trim()]));
    if ($("note").value.trim()) tags.text = $("note").value.trim();
    const restricted = { restrict: true, unrestrict: false }[kind];
    const decision = restricted !== undefined ? { tag: { restricted } } : kind === "reassign" ? { reassign: $("officer").value.trim() } : kind === "tag" ? { tag: tags } : kind === "classify" ? { classify: { class: $("class").value } } : kind === "lift_hold" ? { lift_hold: { hold: Number($("which-hold").value) || null } } : kind;
    const body = JSON.stringify({ decision, reason: $("reason").value });
    const button = $("decide").querySelector("button");
    button.disabled = true;
    try {
        const response = await fetch(`/api/decisions/${station}/${evidence}`, { method: "POST", headers: { "content-type": "application/json" }, body });
        if (response.status === 401) location.assign("/login");
        if (!response.ok) {
            const { what, next } = translated(response.headers.get("camdock-code"), (await response.text()).trim());
            $("decided").textContent = next ? `${what} ${next}` : what;
            return;
        }
        const done = await response.json();
        $("decided").textContent = text(`recording.${done.repeated ? "decided_before" : done.published ? "decided" : "decided_waits"}`, { n: number(done.entry) });
        if (!done.published) return;
        $("decide").reset();
        filled = false;
        await load(0);
    } catch {
        $("decided").textContent = text("today.lost");
    } finally {
        button.disabled = false;
    }
}

function finding(found) {
    const { what } = translated(found.code, found.what);
    const original = what === found.what ? null : element("div", { class: "logged", lang: "en" }, found.what);
    return element("div", {}, element("span", { class: "mark", "data-mark": "bad" }, what), original, found.since ? element("div", {}, text("today.since", { time: time(found.since) })) : null);
}

function object(it) {
    const state = it.findings.length > 0 ? it.findings.map(finding) : [text(it.log_entry === null ? "recording.unnamed" : "recording.in_order")];
    const lock = it.lock ? text("recording.locked", { mode: it.lock.mode, until: time(it.lock.until) }) : "–";
    return element("tr", {},
        element("th", { scope: "row" }, it.name), element("td", {}, ...state),
        element("td", { class: "number" }, it.bytes === null ? "–" : bytes(it.bytes)), element("td", {}, lock),
        element("td", {}, it.version ? element("code", {}, it.version) : "–"), element("td", {}, it.checksum ? element("code", {}, it.checksum) : "–"));
}

const named = (file) => element("span", {}, link(file), ` · ${time(file.camera_time ?? file.sealed_at)} · ${file.officer ?? text("evidence.no_officer")} · ${file.camera ?? text("evidence.unknown_camera")}`);

function facts(list, rows) {
    for (const [name, ...value] of rows) {
        if (value.every((part) => !part)) continue;
        list.append(element("dt", {}, text(name)), element("dd", {}, ...value.filter(Boolean)));
    }
    return list;
}

function stay(kept) {
    if (!kept.by_rule) return text("recording.kept_lock");
    return kept.until ? text("recording.kept_until", { until: time(kept.until) }) : text("recording.kept_open");
}

function draw() {
    if (!view) return;
    const { recording, checkpoint, kept } = view;
    const item = recording;
    document.title = `${item.path} – ${text("recording.title")}`;
    $("facts-title").textContent = item.path;
    $("watch").hidden = !(item.kind === "video" && item.stored_at);
    $("watch").href = `/watch/${station}/${evidence}`;
    $("share").hidden = !(view.may_decide && item.stored_at);
    $("share").href = `/shares?item=${station}/${evidence}`;
    const packing = view.may_decide && packOrder([item]);
    $("facts").replaceChildren(facts(element("dl"), [
        ["evidence.state", ...marks(item)],
        ["find.flagged", item.flagged && text("evidence.flagged")],
        ["recording.sidecar_of", item.recording && element("a", { href: `/recordings/${station}/${item.recording}` }, item.recording)],
        ["recording.sidecars", ...recording.sidecars.map((file) => element("div", {}, link(file), " ", ...marks(file)))],
        ["recording.class", kept?.class && text(kept.classified ? "recording.class_said" : "recording.class_first", { class: kept.class })],
        ["recording.kept", kept && stay(kept), kept?.until && kept.review && element("div", {}, text("recording.kept_review"))],
        ["recording.locked_until", kept?.locked && time(kept.locked)],
        ["recording.restricted", recording.tags.restricted && text("recording.restricted_to")],
        ["recording.held", item.held && text("recording.held_until")],
        ...TAGS.map((name) => [`recording.tags.${name}`, recording.tags[name]]),
        ["evidence.officer", item.officer],
        ["recording.source", item.source],
        ["recording.original", item.derived_from && (view.originals.length ? "" : element("code", {}, item.derived_from)), ...view.originals.map((file) => element("div", {}, link(file), ` · ${file.station}`))],
        ["recording.copies", ...view.copies.map((file) => element("div", {}, link(file), ` · ${file.station} · ${file.source ?? ""}`))],
        ["evidence.camera", item.source ? null : item.camera ?? text("evidence.unknown_camera")],
        ["today.station", item.station],
        ["evidence.size", `${bytes(item.bytes)} (${number(item.bytes)} B)`],
        ["evidence.recorded", item.camera_time && time(item.camera_time)],
        ["recording.sealed_at", time(item.sealed_at)],
        ["evidence.stored_at", item.stored_at && time(item.stored_at)],
        ["evidence.id", element("code", {}, item.evidence)],
        ["find.pack", packing && element("details", {}, element("summary", {}, text("find.pack_how")), element("pre", { tabindex: "0" }, packing))],
    ]));
    const at = new Date(item.camera_time ?? item.sealed_at).getTime();
    const minute = (moment) => `${new Date(moment).toISOString().slice(0, 16)}Z`;
    const search = Number.isNaN(at) ? "" : new URLSearchParams({ from: minute(at - 600_000), to: minute(at + 600_000) });
    $("around").replaceChildren(facts(element("dl"), [
        ["recording.before", view.before ? named(view.before) : "–"],
        ["recording.after", view.after ? named(view.after) : "–"],
        ["recording.others", ...(view.at_that_time.length ? view.at_that_time.map((file) => element("div", {}, named(file))) : ["–"])],
    ]), element("p", {}, element("a", { href: `/find?${search}` }, text("recording.everywhere"))));
    $("proof").textContent = checkpoint
        ? text("recording.under", { n: number(checkpoint.entries), time: time(checkpoint.cosigned_at) })
        : text("recording.no_checkpoint");
    $("cut").hidden = !view.problem;
    if (view.problem) $("cut").textContent = text("recording.cut", { why: translated(...view.problem).what });
    $("custody").replaceChildren(...custody.map(moment));
    $("acts").replaceChildren(...acts.map(act));
    $("no-acts").hidden = acts.length > 0;
    $("deciding").hidden = !view.may_decide;
    if (!filled) for (const name of TAGS) $(name).value = recording.tags[name] ?? "";
    filled = true;
    if ($("class").options.length === 0) $("class").append(...view.classes.map((name) => element("option", { value: name }, name)));
    choices(item);
    $("further").hidden = view.next === null;
    $("looked").textContent = text("recording.looked", { listed: time(view.listed), swept: time(view.swept) });
    $("objects").replaceChildren(...view.objects.map(object));
}

$("decision").addEventListener("change", () => choices(view.recording));
$("decide").addEventListener("submit", (event) => {
    event.preventDefault();
    decide();
});
$("further").addEventListener("click", () => load(view.next));
languages(draw).then(() => load(0));

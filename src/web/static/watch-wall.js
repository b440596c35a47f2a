// The storyboards of a search: the search is in the address, as on the page Find. The reason is asked once; each storyboard that is
// opened is entered in the office's log by itself, before anything of it comes here. The key stays in this page's memory.
import { element, languages, locale, number, text, translated } from "./common.js";
import { apiOf, asFailure, asked, ownKey, viewedBefore, words } from "./watch-asking.js";
import { isLocked, readKey } from "./watch-key-file.js";
import { openObject, openWhole, openerOf } from "./watch-message.js";

const { Failure } = globalThis.camdockFrames;
const $ = (id) => document.getElementById(id);
const PAGE = 12;
const AT_A_TIME = 3;
// Everything that opens anything: gone after `lock`.
let key = null;
let reason = "";
let cards = [];
let next = null;
let ended = false;
let failure = null;
let searchFailed = null;

const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) : "–");

function show() {
    document.title = text("wall.title");
    const told = searchFailed ? [translated(...searchFailed).what] : failure ? words(failure) : [];
    $("failed").hidden = told.length === 0;
    $("failed").replaceChildren(...told.map((line) => element("p", {}, line)));
    $("closed").hidden = key !== null;
    $("lock").hidden = key === null;
    $("more").hidden = !next;
    $("count").textContent = ended ? text(`find.count.${next ? "further" : "all"}`, { n: number(cards.length) }) : "";
    for (const card of cards) draw(card);
}

// What is said of a recording, and its storyboard once it is open.
function draw(card) {
    const { recording, image } = card;
    const name = element("a", { href: `/watch/${recording.station}/${recording.evidence}` }, recording.path);
    const facts = [time(recording.camera_time ?? recording.sealed_at), recording.officer, recording.camera ?? text("evidence.unknown_camera"), recording.station];
    const flag = recording.flagged ? element("strong", {}, `⚑ ${text("evidence.flagged")}`) : null;
    const state = card.failure ? words(card.failure)[0] : text(`wall.state.${card.state}`);
    card.node.replaceChildren(...[
        element("div", {}, name, " ", flag), element("div", { class: "hint" }, facts.filter(Boolean).join(" · ")),
        image ?? element("p", { class: card.failure ? "failed" : "empty" }, state),
    ]);
    if (image) image.alt = text("wall.sheet", { path: recording.path });
}

async function find() {
    const fields = new URLSearchParams(location.search);
    if (next) fields.set("after", next);
    fields.set("limit", String(PAGE));
    searchFailed = null;
    try {
        const response = await fetch(`/api/find?${fields}`, { headers: { accept: "application/json" } });
        if (response.status === 401) location.assign("/login");
        if (!response.ok) searchFailed = [response.headers.get("camdock-code"), (await response.text()).trim()];
        else {
            const found = await response.json();
            const videos = found.recordings.filter((recording) => recording.kind === "video");
            const added = videos.map((recording) => ({ recording, node: element("li", { "data-evidence": recording.evidence }), state: recording.stored_at ? "closed" : "not_stored", image: null, failure: null }));
            cards.push(...added);
            $("wall").append(...added.map((card) => card.node));
            next = found.next;
            ended = true;
        }
    } catch {
        searchFailed = [null, text("today.lost")];
    }
    show();
    await openAll();
}

// The storyboards that wait, a few at a time, in the order of the search.
async function openAll() {
    const waiting = () => (key === null ? undefined : cards.find((card) => card.state === "closed" && !card.failure));
    const worker = async () => {
        for (let card = waiting(); card; card = waiting()) await openOne(card);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

async function openOne(card) {
    const { station, evidence } = card.recording;
    const api = apiOf(station, evidence);
    const opener = key;
    card.state = "opening";
    draw(card);
    try {
        const shows = (item) => item?.parts.some(({ part }) => part === "storyboard");
        const viewed = await viewedBefore(api);
        const item = shows(viewed) ? viewed : await asked(api, { reason, part: "storyboard" });
        if (!shows(item)) card.state = "none";
        else {
            const object = await openObject(item, "storyboard", await openerOf(item, opener, () => ownKey(api)));
            const bytes = await openWhole(object);
            // It was locked meanwhile: nothing of it is shown.
            if (key !== opener) card.state = "closed";
            else {
                card.image = element("img", { src: URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })) });
                card.state = "open";
            }
        }
    } catch (error) {
        const found = asFailure(error);
        // A recording without a storyboard is none to be called for.
        if (found.values?.code === "watch_not_stored") card.state = "none";
        else card.failure = found;
    }
    draw(card);
}

async function open() {
    const file = $("key").files[0];
    if (!file) throw new Failure("key_none");
    reason = $("reason").value.trim();
    if (!reason) throw new Failure("reason_none");
    key = await readKey(file, $("password").value);
    $("password").value = "";
    $("key").value = "";
    show();
    $("lock").focus();
    await openAll();
}

function lock() {
    key = null;
    for (const card of cards) {
        if (card.image) URL.revokeObjectURL(card.image.src);
        card.image = null;
        card.failure = null;
        if (card.state === "open") card.state = "closed";
    }
    show();
    $("key").focus();
}

async function attempt(action) {
    failure = null;
    try {
        await action();
    } catch (error) {
        failure = asFailure(error);
    }
    show();
}

$("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(open);
});
$("key").addEventListener("change", () => attempt(async () => {
    const file = $("key").files[0];
    $("password-row").hidden = true;
    if (file && await isLocked(file)) $("password-row").hidden = false;
}));
$("lock").addEventListener("click", lock);
$("more").addEventListener("click", () => attempt(find));
$("list").href = `/find${location.search}`;
languages(show).then(() => attempt(find));

// The page that plays a sealed recording. The key file is read here and stays in this page's memory until it is locked, left or
// loaded again; the office hands out ciphertext alone.
import { bytes, element, languages, locale, text } from "./common.js";
import { apiOf, asFailure, asked, ownKey, viewedBefore, words } from "./watch-asking.js";
import { isLocked, readKey } from "./watch-key-file.js";
import { openerOf } from "./watch-message.js";
import { Player, controlled } from "./watch-player.js";

const { Failure } = globalThis.camdockFrames;
const $ = (id) => document.getElementById(id);
const [, , station, evidence] = location.pathname.split("/");
const api = apiOf(station, evidence);
$("recording").href = `/recordings/${station}/${evidence}`;
// The item as the office gave it, once its view is published.
let item = null;
let failure = null;
let progress = null;
// It alone holds what opens anything, until it is locked.
const player = new Player({ video: $("player"), picture: $("picture"), sheet: $("sheet") }, (told) => {
    failure = told ?? failure;
    show();
});

const time = (given) => (given ? new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "medium" }) : null);

function show() {
    $("failed").hidden = failure === null;
    $("failed").replaceChildren(...(failure ? words(failure) : []).map((line) => element("p", {}, line)));
    $("progress").textContent = progress ? text(progress) : "";
    $("closed").hidden = player.opener !== null;
    $("shown").hidden = player.opener === null;
    $("reason-row").hidden = item !== null;
    $("reason").required = item === null;
    $("open").disabled = progress !== null;
    if (!item || !player.opener) return;
    const { playing } = player;
    $("name").textContent = item.path;
    const missing = item.missing.map((part) => text("watch.missing", { part: text(`evidence.part.${part}`) }));
    const facts = [item.station, item.camera, item.officer && text("officer.officer", { name: item.officer }), time(item.recorded), bytes(item.size)];
    $("facts").textContent = [...facts, item.evidence, ...missing].filter(Boolean).join(" · ");
    $("playing").textContent = playing ? text(playing.instead ? "watch.instead" : `watch.plays.${playing.part}`) : "";
    $("sheet").alt = text("watch.sheet");
    $("picture").alt = text("watch.picture");
    $("sheet-title").hidden = $("sheet").hidden;
    jumps();
    const parts = player.choices();
    $("choice").replaceChildren(...parts.map((part) => {
        const button = element("button", { type: "button", "aria-pressed": String(playing?.part === part) }, text(`evidence.part.${part}`));
        button.addEventListener("click", () => attempt(() => player.play(part)));
        return button;
    }));
}

// Does one thing at a time, and tells what keeps it from being done.
async function attempt(action) {
    failure = null;
    try {
        await action();
    } catch (error) {
        failure = asFailure(error);
    }
    progress = null;
    show();
}

function step(name) {
    progress = `watch.progress.${name}`;
    show();
}

async function deskKey() {
    step("desk");
    return ownKey(api);
}

async function open() {
    const file = $("key").files[0];
    if (!file) throw new Failure("key_none");
    step("key");
    const key = await readKey(file, $("password").value);
    await controlled("/watch/");
    if (!item) {
        const reason = $("reason").value.trim();
        if (!reason) throw new Failure("reason_none");
        step("act");
        item = await asked(api, { reason });
    }
    step("opening");
    const opener = await openerOf(item, key, deskKey);
    $("password").value = "";
    $("key").value = "";
    await player.show(item, `/watch/${station}/${evidence}`, opener);
    $("lock").focus();
}

const clock = (ms) => [ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");

// Each picture of the storyboard leads the player to its time. One of them is in the page's order; arrows lead to the others.
function jumps() {
    const { naturalWidth: width, naturalHeight: height, hidden } = $("sheet");
    const cues = item.cues.filter((cue) => cue.width > 0 && cue.height > 0 && cue.x + cue.width <= width && cue.y + cue.height <= height);
    $("cues").hidden = hidden || $("player").hidden || cues.length === 0;
    const drawn = `${locale()} ${width} ${cues.length}`;
    if ($("cues").hidden || $("cues").dataset.drawn === drawn) return;
    $("cues").dataset.drawn = drawn;
    $("cues").replaceChildren(...cues.map((cue, n) => {
        const button = element("button", { type: "button", tabindex: n === 0 ? "0" : "-1", "aria-label": text("watch.jump", { time: clock(cue.start_ms) }), title: clock(cue.start_ms) });
        const place = { left: cue.x / width, top: cue.y / height, width: cue.width / width, height: cue.height / height };
        for (const [side, part] of Object.entries(place)) button.style[side] = `${part * 100}%`;
        button.addEventListener("click", () => {
            $("player").currentTime = cue.start_ms / 1000;
            $("player").scrollIntoView({ block: "nearest" });
        });
        return button;
    }));
}

function between(event) {
    const all = [...$("cues").children];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || !all[to]) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
}

function lock() {
    player.lock();
    failure = null;
    $("cues").hidden = true;
    show();
    $("key").focus();
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
$("sheet").addEventListener("load", () => { if (player.opener) jumps(); });
$("cues").addEventListener("keydown", between);

languages(show).then(() => attempt(async () => {
    // Without a view that is published, the page asks for the reason; one of the storyboard alone, from the wall, is none of all of it.
    const viewed = await viewedBefore(api);
    const whole = (viewed?.parts ?? []).some(({ part }) => part === "original" || part === "preview");
    item = whole ? viewed : null;
}));

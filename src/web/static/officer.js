// The officers' page. It never shows a state that the station has not confirmed within the last seconds.
import { bytes, element, has, icon, language, languages, locale, number, text } from "./common.js";

const SILENCE = 4000; // milliseconds; the station sends something at least every 1.5 s
const main = document.getElementById("bays");
const announcements = document.getElementById("announcements");
const bays = new Map();
const tiles = new Map();
let lastMessage = 0;
let fresh = null; // not known yet
let feed = null;
let texts = false;
let greeted = false;
const announced = new Map();
let categories = null; // what officers may choose from when they tag; null: they do not
let tagging = null; // the module for it, loaded when it is first needed

async function tag(name) {
    tagging ??= await import("./tagging.js").catch(() => null);
    const bay = bays.get(name);
    if (bay?.session && fresh) tagging?.tag(bay, categories);
}

function left(seconds) {
    if (seconds === null || seconds === undefined) return text("officer.left_unknown");
    if (seconds < 90) return text("officer.left_soon");
    const minutes = Math.round(seconds / 60);
    if (minutes < 90) return text("officer.left_minutes", { n: number(minutes) });
    return text("officer.left_hours", { n: new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(minutes / 60) });
}

// The station describes the exact problem in English; other languages have one text for each code.
function problem(bay, kind) {
    const given = kind === "what" ? bay.reason : bay.next_step;
    const key = `problem.${bay.code}.${kind}`;
    return language !== "en" && has(key) ? text(key) : given;
}

function tile(bay) {
    const state = fresh ? bay.state : "unknown";
    // Everything on it was taken; what is left to decide is no matter of the officer who waits.
    const free = state === "needs_attention" && bay.code === "quarantine";
    const headline = free ? "in_quarantine" : state;
    const id = `bay-${encodeURIComponent(bay.bay)}`;
    const people = [];
    if (bay.officer) people.push(text("officer.officer", { name: bay.officer }));
    if (bay.camera) people.push(bay.camera.split("/").slice(1).join("/"));
    const node = element("article", { class: "tile", "data-state": state, "aria-labelledby": `${id}-name ${id}-state`, "data-bay": bay.bay, ...(free ? { "data-free": "" } : {}) },
        element("div", { class: "who" },
            element("h2", { class: "bay", id: `${id}-name` }, element("span", { class: "off-screen" }, `${text("officer.bay")} `), bay.bay),
            element("div", { class: "person" }, people.join(" · "))),
        element("div", { class: "state" }, icon(free ? "safe_to_remove" : state), element("span", { id: `${id}-state` }, text(`state.${headline}`))));
    const add = (kind, words) => words && node.append(element("p", { class: kind }, words));
    if (state === "reading") {
        const listing = bay.files_total === 0;
        const bar = element("progress", { "aria-label": text("officer.progress", { bay: bay.bay }) });
        if (!listing) {
            bar.max = Math.max(bay.bytes_total, 1);
            bar.value = bay.bytes_total ? bay.bytes_done : 1;
        }
        node.append(bar);
        add("counts", listing ? text("officer.listing") : text("officer.counts", {
            done: number(bay.files_done), total: number(bay.files_total), bytes: bytes(bay.bytes_done), of: bytes(bay.bytes_total),
        }));
        if (!listing) add("hint", left(bay.seconds_left));
    } else if (state === "waiting_for_witness") {
        add("hint", text("officer.witness_hint"));
        add("counts", text("officer.witness_counts", { files: number(bay.files), bytes: bytes(bay.bytes) }));
    } else if (state === "safe_to_remove") {
        add("hint", text("officer.safe_hint"));
        add("counts", text("officer.safe_counts", { files: number(bay.files), bytes: bytes(bay.bytes), waiting: number(bay.waiting_for_store) }));
    } else if (state === "wiping") {
        add("hint", text("officer.wiping_hint"));
        add("counts", text("officer.files_counts", { done: number(bay.files), total: number(bay.files) }));
    } else if (state === "all_stored") {
        add("hint", text("officer.stored_hint"));
        add("counts", text("officer.stored_counts", { files: number(bay.files), bytes: bytes(bay.bytes) }));
    } else if (state === "needs_attention" || state === "not_recognised") {
        add("next", problem(bay, "next"));
        add("what", problem(bay, "what"));
        if (bay.files_total) add("counts", text("officer.files_counts", { done: number(bay.files_done), total: number(bay.files_total) }));
        if (bay.code) add("code", text("officer.code", { code: bay.code }));
    } else if (state === "unknown") {
        add("hint", text("officer.unknown_hint"));
    }
    if (bay.disposed && fresh) add("counts", text("officer.disposed_counts", { files: number(bay.disposed) }));
    if (fresh && categories && bay.session && bay.officer && ["reading", "waiting_for_witness", "safe_to_remove", "all_stored", "needs_attention"].includes(state)) {
        const button = element("button", { type: "button", class: "tag-it" }, text("tagging.open"));
        button.addEventListener("click", () => tag(bay.bay));
        node.append(button);
    }
    return node;
}

function draw(names) {
    for (const name of names) {
        const bay = bays.get(name);
        const old = tiles.get(name);
        if (!bay) {
            old?.remove();
            tiles.delete(name);
            continue;
        }
        const node = tile(bay);
        tiles.set(name, node);
        if (old) {
            const focused = old.contains(document.activeElement);
            old.replaceWith(node);
            if (focused) node.querySelector(".tag-it")?.focus();
        }
        else {
            const order = (a, b) => a.localeCompare(b, undefined, { numeric: true });
            const after = [...tiles.keys()].filter((other) => order(other, name) > 0).sort(order)[0];
            main.insertBefore(node, after === undefined ? null : tiles.get(after));
        }
    }
    const count = bays.size;
    main.querySelector(".none")?.remove();
    if (count === 0 && fresh) {
        main.append(element("div", { class: "none" }, text("officer.none"), element("p", {}, text("officer.none_hint"))));
    }
    const [many, columns] = count <= 2 ? [1, Math.max(count, 1)] : count <= 6 ? [2, count <= 4 ? 2 : 3] : count <= 20 ? [3, 5] : [4, 8];
    main.dataset.many = many;
    main.style.setProperty("--columns", columns);
    tagging?.follow(bays, fresh);
}

const all = () => draw([...new Set([...bays.keys(), ...tiles.keys()])]);

// Takes bays over and announces all changes to screen readers at once, except those of the first message.
function take(views, silent) {
    const news = [];
    for (const view of views) {
        bays.set(view.bay, view);
        if (announced.get(view.bay) === view.state) continue;
        announced.set(view.bay, view.state);
        news.push(`${text("officer.bay")} ${view.bay}: ${text(`state.${view.state}`)}`);
    }
    if (news.length && !silent) announcements.textContent = news.join(". ");
}

function lost(is) {
    if (fresh === !is) return;
    fresh = !is;
    document.body.classList.toggle("stale", is);
    document.getElementById("lost").hidden = !is;
    // A screen reader must not find the last announcement either.
    if (is) announcements.textContent = "";
    all();
}

function listen() {
    feed?.close();
    feed = new EventSource("/events");
    const current = feed;
    const received = () => { lastMessage = performance.now(); };
    feed.addEventListener("hello", (event) => {
        received();
        const message = JSON.parse(event.data);
        document.getElementById("station").textContent = message.station;
        document.getElementById("version").textContent = `CamDock ${message.version}`;
        document.title = `${message.station} – CamDock`;
        categories = message.tagging;
        bays.clear();
        take(message.bays, !greeted);
        greeted = true;
        lost(false);
        all();
    });
    feed.addEventListener("bays", (event) => {
        received();
        const message = JSON.parse(event.data);
        take(message.bays, false);
        for (const name of message.gone) {
            bays.delete(name);
            announced.delete(name);
        }
        draw([...message.bays.map((view) => view.bay), ...message.gone]);
    });
    feed.addEventListener("alive", () => { received(); });
    feed.addEventListener("error", async () => {
        lost(true);
        // The browser reconnects automatically, unless the station answered with an error: then only a new feed helps.
        if (current !== feed || current.readyState !== EventSource.CLOSED) return;
        const response = await fetch("/events", { method: "HEAD" }).catch(() => null);
        if (response && [401, 403].includes(response.status)) location.assign("/login");
        setTimeout(listen, 1000);
    });
}

setInterval(() => {
    if (performance.now() - lastMessage > SILENCE) {
        lost(true);
        // A new connection begins with the current state of every bay.
        lastMessage = performance.now();
        if (texts) listen();
    }
    document.getElementById("clock").textContent = new Date().toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
}, 500);
document.getElementById("full").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {});
});
lastMessage = performance.now();
function begin() {
    // Without its texts a page could only show keys.
    languages(all).then(() => { texts = true; listen(); }, () => { lost(true); setTimeout(begin, 2000); });
}
begin();

// The page of people's own keys: one's own, and for those who may confirm them everybody's.
import { element, languages, locale, number, text, translated } from "./common.js";
import { makeKey, wordsOf } from "./person-key-file.js";

const $ = (id) => document.getElementById(id);
let view = null;
let made = null;
let failure = null;
let done = null;

const time = (given) => new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
const stations = (names) => (names === null ? text("keys.all") : names.join(", "));
const roles = (names) => names.map((name) => text(`keys.role.${name}`)).join(", ");

async function ask(address, body) {
    let response;
    try {
        const request = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
        response = await fetch(address, request ?? { headers: { accept: "application/json" } });
    } catch {
        throw [null, text("today.lost")];
    }
    if (response.status === 401) location.assign("/login");
    const said = await response.text();
    if (!response.ok) throw [response.headers.get("camdock-code"), said.trim()];
    return said ? JSON.parse(said) : null;
}

async function attempt(action) {
    failure = null;
    done = null;
    try {
        await action();
        view = await ask("/api/keys");
    } catch (error) {
        if (!Array.isArray(error)) throw error;
        failure = error;
    }
    show();
}

async function make() {
    const key = await makeKey($("password").value);
    const name = (view.person ?? "camdock").replace(/[^\p{L}\p{N}._-]+/gu, "-");
    const file = $("file");
    file.href = URL.createObjectURL(new Blob([key.file], { type: "application/x-pem-file" }));
    file.download = `${name}.key.pem`;
    file.click();
    await ask("/api/keys", { key: key.key });
    made = key.words;
    $("make").reset();
}

async function decide(person, verdict, reason) {
    const decided = await ask("/api/keys/decide", { person, verdict, reason });
    done = [decided.published ? "recording.decided" : "recording.decided_waits", decided.entry];
}

function waits(enrolment, at) {
    const input = (name, key) => {
        const field = element("input", { id: `${name}-${at}`, required: "", maxlength: "500", autocomplete: "off" });
        return [field, element("div", { class: "row" }, element("label", { for: `${name}-${at}` }, text(key)), field)];
    };
    const [words, wordsRow] = input("words", "keys.words");
    const [reason, reasonRow] = input("reason", "watch.reason");
    const form = element("form", {}, wordsRow, reasonRow, element("div", { class: "act" }, element("button", { type: "submit" }, text("keys.confirm"))));
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        attempt(() => decide(enrolment.person, { confirm: { words: words.value } }, reason.value));
    });
    const facts = [roles(enrolment.roles), stations(enrolment.stations), enrolment.peer, time(enrolment.at)].join(" · ");
    return element("li", {}, element("b", {}, enrolment.person), element("p", {}, facts), form);
}

function holder(it) {
    const entry = it.published ? number(it.entry) : text("recording.decided_waits", { n: number(it.entry) });
    return element("tr", {}, element("th", { scope: "row" }, it.person), element("td", {}, wordsOf(it.fingerprint)),
        element("td", {}, roles(it.roles)), element("td", {}, stations(it.stations)), element("td", {}, entry));
}

function show() {
    $("failed").hidden = failure === null;
    if (failure) {
        const { what, next } = translated(...failure);
        $("failed").textContent = next ? `${what} ${next}` : what;
    }
    $("done").textContent = done ? text(done[0], { n: number(done[1]) }) : "";
    if (!view) return;
    const state = view.waits ? "waits" : view.own ? "confirmed" : "none";
    $("own").textContent = text(`keys.state.${state}`, { name: view.person ?? "", words: view.own ? wordsOf(view.own.fingerprint) : "" });
    $("made").hidden = made === null;
    $("words").textContent = made ?? "";
    $("waiting-part").hidden = $("book-part").hidden = !view.decides;
    if (!view.decides) return;
    const { waiting, holders } = view.book;
    $("nobody").hidden = waiting.length > 0;
    $("waiting").replaceChildren(...waiting.map(waits));
    $("book").replaceChildren(...holders.map(holder));
    $("remove").hidden = holders.length === 0;
    $("whose").replaceChildren(...holders.map((it) => element("option", {}, it.person)));
}

$("make").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(make);
});
$("remove").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
        await decide($("whose").value, "remove", $("why").value);
        $("remove").reset();
    });
});
languages(show).then(() => attempt(async () => {}));

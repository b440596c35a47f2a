// Recipients outside: invited by a link, and confirmed by the words of the key that they made behind it.
import { element, languages, number, text } from "./common.js";
import { ask, endOf, fail, inDays, time } from "./outside-ask.js";
import { wordsOf } from "./person-key-file.js";

const $ = (id) => document.getElementById(id);
let book = null;
let failure = null;
let done = null;

async function attempt(action) {
    failure = null;
    done = null;
    try {
        await action();
        book = await ask("/api/outsiders");
    } catch (error) {
        if (!Array.isArray(error)) throw error;
        failure = error;
    }
    show();
}

async function invite() {
    const invited = await ask("/api/outsiders/invite", { name: $("name").value.trim(), hours: Number($("hours").value) });
    $("link").textContent = new URL(invited.path, location.origin).href;
    $("invited").hidden = false;
    $("invite").reset();
}

async function decide(verdict, reason) {
    const decided = await ask("/api/outsiders/decide", { verdict, reason });
    if (decided) done = [decided.published ? "recording.decided" : "recording.decided_waits", decided.entry];
}

function field(name, key, more) {
    const input = element("input", { id: name, required: "", maxlength: "500", autocomplete: "off", ...more });
    return [input, element("div", { class: "row" }, element("label", { for: name }, text(key)), input)];
}

function withdraw(invitation) {
    const button = element("button", { type: "button", "aria-label": `${text("outsiders.withdraw")}: ${invitation.name}` }, text("outsiders.withdraw"));
    button.addEventListener("click", () => attempt(() => decide({ withdraw: { number: invitation.number } }, "-")));
    return button;
}

function waits(invitation, at) {
    const { sent } = invitation;
    const made = text("outsiders.made", { by: invitation.by, at: time(invitation.at), number: invitation.number });
    if (!sent) {
        return element("li", {}, element("b", {}, invitation.name), element("p", {}, made, " ", text("outsiders.unused", { until: time(invitation.ends) })),
            element("div", { class: "act" }, withdraw(invitation)));
    }
    const [words, wordsRow] = field(`words-${at}`, "keys.words");
    const [until, untilRow] = field(`until-${at}`, "outsiders.until", { type: "date", value: inDays(365) });
    const [reason, reasonRow] = field(`reason-${at}`, "watch.reason");
    const form = element("form", {}, wordsRow, untilRow, reasonRow,
        element("div", { class: "act" }, element("button", { type: "submit" }, text("keys.confirm")), " ", withdraw(invitation)));
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        const verdict = { admit: { number: invitation.number, words: words.value, until: endOf(until.value) } };
        attempt(() => decide(verdict, reason.value));
    });
    const facts = [sent.organisation, sent.peer, time(sent.at)].join(" · ");
    return element("li", {}, element("b", {}, sent.name), element("p", {}, facts), element("p", {}, made), form);
}

function recipient(it) {
    const entry = it.published ? number(it.entry) : text("recording.decided_waits", { n: number(it.entry) });
    return element("tr", {}, element("th", { scope: "row" }, it.name), element("td", {}, it.organisation), element("td", {}, wordsOf(it.fingerprint)),
        element("td", {}, time(it.until)), element("td", {}, it.by), element("td", {}, entry));
}

function show() {
    document.title = text("outsiders.title");
    fail($("failed"), failure);
    $("done").textContent = done ? text(done[0], { n: number(done[1]) }) : "";
    if (!book) return;
    $("nobody").hidden = book.invitations.length > 0;
    $("waiting").replaceChildren(...book.invitations.map(waits));
    $("book").replaceChildren(...book.recipients.map(recipient));
    $("remove").hidden = book.recipients.length === 0;
    $("whose").replaceChildren(...book.recipients.map((it) => element("option", { value: it.fingerprint }, `${it.name}, ${it.organisation}`)));
}

$("invite").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(invite);
});
$("remove").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
        await decide({ remove: { fingerprint: $("whose").value } }, $("why").value);
        $("remove").reset();
    });
});
languages(show).then(() => attempt(async () => {}));

// The page behind an invitation. The link's secret stands behind the `#`, so no request's address has it.
import { languages, text } from "./common.js";
import { ask, fail, time } from "./outside-ask.js";
import { makeKey } from "./person-key-file.js";

const $ = (id) => document.getElementById(id);
const secret = location.hash.slice(1);
let facts = null;
let failure = null;
let made = null;
let busy = false;

async function attempt(action) {
    failure = null;
    busy = true;
    show();
    try {
        await action();
    } catch (error) {
        if (!Array.isArray(error)) throw error;
        failure = error;
    } finally {
        busy = false;
    }
    show();
}

async function look() {
    facts = await ask("/enrol/invitation", { secret });
    $("name").value = facts.name;
}

async function make() {
    const name = $("name").value.trim();
    const key = await makeKey($("password").value);
    // The public half first: a file whose key nobody knows would only mislead its owner.
    await ask("/enrol", { secret, name, organisation: $("organisation").value.trim(), key: key.key });
    const file = $("file");
    file.href = URL.createObjectURL(new Blob([key.file], { type: "application/x-pem-file" }));
    file.download = `${name.replace(/[^\p{L}\p{N}._-]+/gu, "-")}.key.pem`;
    file.click();
    made = key.words;
    $("make").reset();
}

function show() {
    document.title = text("enrol.title");
    fail($("failed"), failure);
    $("make").hidden = facts === null || made !== null;
    $("make").querySelector("button").disabled = busy;
    $("from").hidden = facts === null || made !== null;
    $("made").hidden = made === null;
    $("words").textContent = made ?? "";
    if (!facts) return;
    const values = { by: facts.by, office: facts.office, until: time(facts.ends) };
    $("from").textContent = text("enrol.from", values);
    $("say").textContent = text("enrol.say", values);
}

$("make").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!busy) attempt(make);
});
// Another link that is opened in the same tab is another page.
addEventListener("hashchange", () => location.reload());
languages(show).then(() => attempt(look));

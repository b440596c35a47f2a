// Texts, languages and numbers, for all pages. Nothing here ever becomes markup: only text nodes.
let texts = {};
export let language = "en";
const LANGUAGES = { en: "English", de: "Deutsch" };

function preferredLanguage() {
    const requested = new URLSearchParams(location.search).get("lang");
    let kept = null;
    try { kept = localStorage.getItem("camdock-language"); } catch { /* no storage: the station's language */ }
    return [requested, kept, document.documentElement.lang, "en"].find((l) => l in LANGUAGES);
}

// The reader's own way to write numbers and dates within the page's language: `en-GB` for a British browser.
export const locale = () => navigator.languages.find((l) => l.split("-")[0] === language) ?? language;

function lookUp(key) {
    let at = texts;
    for (const part of key.split(".")) at = at && typeof at === "object" ? at[part] : undefined;
    return typeof at === "string" ? at : undefined;
}

export const has = (key) => lookUp(key) !== undefined;

export function text(key, values = {}) {
    return (lookUp(key) ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// The translation of a fixed English sentence of the station; undefined where there is none.
function translateSentence(english) {
    for (const [pattern, words] of Object.entries(texts.sentence ?? {})) {
        const names = [];
        const escaped = pattern.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
        const source = escaped.replace(/\{(\w+)\}/g, (_, name) => { names.push(name); return "(.+)"; });
        const found = new RegExp(`^${source}$`, "s").exec(english);
        if (found) return words.replace(/\{(\w+)\}/g, (_, name) => found[names.indexOf(name) + 1] ?? "");
    }
    return undefined;
}

// A problem in the page's language: by its code, else by its sentence. `english` is the wording in the log, where it differs.
export function translated(code, english) {
    if (language === "en") return { what: english };
    const what = lookUp(`problem.${code}.what`) ?? translateSentence(english);
    return what === undefined ? { what: english } : { what, next: lookUp(`problem.${code}.next`), english };
}

export async function loadTexts(chosen) {
    const response = await fetch(`/text/${document.documentElement.dataset.texts ?? ""}${chosen}.json`);
    if (!response.ok) throw new Error("no texts");
    texts = await response.json();
    language = chosen;
    document.documentElement.lang = chosen;
    for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
    for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text(node.dataset.label));
}

// Shows the choice of languages and loads the preferred one; `then` runs now and after every change.
export async function languages(then) {
    const group = document.getElementById("languages");
    const choose = async (chosen, keep) => {
        await loadTexts(chosen);
        if (keep) try { localStorage.setItem("camdock-language", chosen); } catch { /* for this visit only */ }
        group.setAttribute("aria-label", text("language_choice"));
        for (const button of group.children) button.setAttribute("aria-pressed", String(button.lang === chosen));
        then();
    };
    group.replaceChildren();
    for (const [code, name] of Object.entries(LANGUAGES)) {
        const button = document.createElement("button");
        button.type = "button";
        button.lang = code;
        button.textContent = name;
        button.addEventListener("click", () => choose(code, true));
        group.append(button, " ");
    }
    await choose(preferredLanguage(), false);
}

export const number = (n) => new Intl.NumberFormat(locale()).format(n);

export function bytes(n) {
    let unit = 0;
    while (n >= 1000 && unit < 5) { n /= 1000; unit += 1; }
    const digits = unit > 0 && n < 100 ? 1 : 0;
    const shown = new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n);
    return `${shown} ${["B", "kB", "MB", "GB", "TB", "PB"][unit]}`;
}

export function element(name, properties = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
        if (key === "class") node.className = value;
        else node.setAttribute(key, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
}

export function icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(space, "use");
    use.setAttribute("href", `#i-${name}`);
    svg.append(use);
    return svg;
}

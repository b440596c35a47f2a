// What the pages about people outside ask of the office: JSON there, JSON back.
import { locale, text, translated } from "./common.js";

export const time = (given) => new Date(given).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });

// Throws [code, words] where it is refused.
export async function ask(address, body) {
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

// Shows why something was refused, or nothing.
export function fail(box, failure) {
    box.hidden = failure === null;
    if (!failure) return;
    const { what, next } = translated(...failure);
    box.textContent = next ? `${what} ${next}` : what;
}

// The end of a day of the reader's own, as the office gets it.
export const endOf = (day) => new Date(`${day}T23:59:59`).toISOString();

// So many days from now, as a field for days has it.
export function inDays(days) {
    const at = new Date(Date.now() + days * 86_400_000);
    return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

// What the pages that open recordings ask of the office, and how they tell what kept them from it.
import { text, translated } from "./common.js";

const { Failure } = globalThis.camdockFrames;
const DESK_WITHIN = 15_000;

export const apiOf = (station, evidence) => `/api/watch/${station}/${evidence}`;

export const asFailure = (error) => (error instanceof Failure ? error : new Failure("unknown", { what: String(error) }));

export function words({ code, values }) {
    if (code !== "refused") return [text(`watch.failed.${code}`, values), text(`watch.next.${code}`)];
    const { what, next } = translated(values.code, values.words);
    return [what || text("watch.failed.lost"), next].filter(Boolean);
}

async function refusal(response) {
    const code = response.headers.get("camdock-code") ?? "";
    return new Failure("refused", { status: response.status, code, words: (await response.text()).trim() });
}

// The item as the office gives it: once its view is published, where a reason is given; else if it was viewed already.
export async function asked(api, view) {
    let response;
    const headers = view ? { "content-type": "application/json" } : { accept: "application/json" };
    try {
        response = await fetch(api, view ? { method: "POST", headers, body: JSON.stringify(view) } : { headers });
    } catch {
        throw new Failure("lost");
    }
    if (response.status === 401) location.assign("/login");
    if (response.ok) return response.json();
    throw await refusal(response);
}

// The same without a reason; null where there is no view yet.
export async function viewedBefore(api) {
    try {
        return await asked(api, null);
    } catch (error) {
        if (error.values?.code !== "watch_not_granted") throw error;
        return null;
    }
}

// The item's key as the key desk sealed it to the person who looks: it is there soon after the act.
export async function ownKey(api) {
    for (const end = Date.now() + DESK_WITHIN; ;) {
        let response;
        try {
            response = await fetch(`${api}/key`, { cache: "no-store" });
            if (response.ok) return new Uint8Array(await response.arrayBuffer());
        } catch {
            throw new Failure("lost");
        }
        const failure = await refusal(response);
        if (failure.values.code !== "watch_key_waits" || Date.now() > end) throw failure;
        await new Promise((done) => setTimeout(done, 300));
    }
}

// Plays one recording that was opened here, for the office's watching page and for the recipients' page: the original where the
// browser can, else the preview, and the storyboard beside it. The keys stay in the page: the service worker asks for them.
import { asFailure } from "./watch-asking.js";
import { openObject } from "./watch-message.js";

const { Failure } = globalThis.camdockFrames;
const WORKER_WITHIN = 10_000;
// What a browser may be able to play, by the end of the file's name; what it cannot, it says itself.
const PLAYED = { mp4: "video/mp4", m4v: "video/mp4", mov: "video/mp4", mkv: "video/x-matroska", webm: "video/webm" };
const SHOWN = { jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png" };

// The worker that opens what the player asks for. After a hard reload the page has none yet, and it takes the page over.
export async function controlled(scope) {
    const container = navigator.serviceWorker;
    if (!globalThis.isSecureContext || !container) throw new Failure("insecure");
    try {
        const registration = await container.register("/watch-worker.js", { scope });
        const late = new Promise((_, refuse) => setTimeout(() => refuse(new Failure("no_worker")), WORKER_WITHIN));
        const ready = await Promise.race([container.ready, late]);
        if (container.controller) return;
        const taken = new Promise((done) => container.addEventListener("controllerchange", done, { once: true }));
        (ready.active ?? registration.active)?.postMessage({});
        if (!container.controller) await Promise.race([taken, late]);
    } catch (error) {
        throw error instanceof Failure ? error : new Failure("no_worker");
    }
}

export class Player {
    // The nodes that show it; `told` hears of each failure, and of `null` when only what is shown has changed.
    constructor({ video, picture, sheet }, told) {
        Object.assign(this, { video, picture, sheet, told, item: null, opener: null, opened: new Map(), playing: null, run: 0 });
        for (const shown of [video, picture]) shown.addEventListener("error", () => this.unplayable());
        navigator.serviceWorker?.addEventListener("message", (event) => this.hear(event));
        navigator.serviceWorker?.startMessages();
    }

    // Shows this item, whose objects the worker opens below `base`, with what opens them.
    async show(item, base, opener) {
        this.lock();
        Object.assign(this, { item, base, opener });
        const both = [this.play(this.choices()[0]), this.showSheet()];
        await Promise.all(both.map((done) => done.catch((error) => this.told(asFailure(error)))));
    }

    ending() {
        return this.item.path.toLowerCase().split(".").at(-1);
    }

    has(part) {
        return this.item.parts.some((found) => found.part === part);
    }

    // The objects that can be looked at here, the best first. A name may say nothing of what is in a file: without a preview, the
    // original of any video is tried.
    choices() {
        const likely = this.ending() in PLAYED || this.ending() in SHOWN || (this.item.kind === "video" && !this.has("preview"));
        const original = this.has("original") && likely;
        return [original && "original", this.has("preview") && "preview"].filter(Boolean);
    }

    async part(name) {
        if (!this.opened.has(name)) this.opened.set(name, await openObject(this.item, name, this.opener));
        return this.opened.get(name);
    }

    address(name) {
        return `${this.base}/open/${name}?run=${this.run}`;
    }

    async play(name, instead = false) {
        this.stop();
        if (!name) throw new Failure(this.item.kind === "video" ? "no_player" : "no_picture");
        const { item } = this;
        await this.part(name);
        if (this.item !== item) return;
        this.playing = { part: name, instead };
        const picture = name === "original" && this.ending() in SHOWN;
        const shown = picture ? this.picture : this.video;
        shown.src = this.address(name);
        shown.hidden = false;
        this.told(null);
    }

    // Nothing of it is shown any more, and its player gets nothing more.
    stop() {
        this.run += 1;
        this.playing = null;
        for (const shown of [this.video, this.picture]) {
            shown.hidden = true;
            shown.removeAttribute("src");
        }
        this.video.load();
    }

    // The storyboard is a picture, opened whole before anything of it is shown.
    async showSheet() {
        if (!this.has("storyboard")) return;
        const { item } = this;
        await this.part("storyboard");
        if (this.item !== item) return;
        this.sheet.src = this.address("storyboard");
        this.sheet.hidden = false;
    }

    lock() {
        this.stop();
        this.opener = null;
        this.opened = new Map();
        this.sheet.hidden = true;
        this.sheet.removeAttribute("src");
    }

    // The worker asks for an object, or says why a frame of one was not opened.
    hear({ data, ports }) {
        const { part: name, run: of, evidence } = data.ask ?? data.failed ?? {};
        if (!name || !this.opener || evidence !== this.item.evidence) {
            if (data.ask?.part) ports[0].postMessage(null);
            return;
        }
        if (data.ask) {
            const object = of === String(this.run) || name === "storyboard" ? this.opened.get(name) : null;
            const end = this.ending();
            const type = name === "storyboard" ? "image/jpeg" : name === "preview" ? "video/mp4" : PLAYED[end] ?? SHOWN[end] ?? PLAYED.mp4;
            ports[0].postMessage(object ? { ...object, type } : null);
            return;
        }
        if (name === "storyboard") this.sheet.hidden = true;
        else if (of === String(this.run)) this.stop();
        this.told(new Failure(data.failed.code, data.failed.values));
    }

    // The browser cannot play it: the preview does, where there is one.
    async unplayable() {
        if (!this.playing) return;
        const from = this.playing.part;
        try {
            if (from === "original" && this.has("preview")) return await this.play("preview", true);
            this.stop();
            throw new Failure("no_player");
        } catch (error) {
            return this.told(asFailure(error));
        }
    }
}

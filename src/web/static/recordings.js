// What the office's pages show of a file wherever it is named.
import { element, text } from "./common.js";

// Its names are text, whatever a station says.
export const link = (file) => element("a", { href: `/recordings/${file.station}/${file.evidence}` }, file.path);

export function marks(file) {
    const states = file.findings.map((finding) => ["bad", finding]);
    if (file.derived_from) states.push(["quarantine", "copy"]);
    else if (file.source) states.push(["secured", "imported"]);
    if (file.undecided) states.push(["quarantine", "undecided"]);
    if (!file.stored_at) states.push(["secured", "waiting"]);
    else if (file.findings.length === 0) states.push(["stored", "stored"]);
    return states.map(([look, state]) => element("div", {}, element("span", { class: "mark", "data-mark": look }, text(`find.states.${state}`))));
}

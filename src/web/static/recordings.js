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

// The order for a court pack of these and their sidecars, as it is given on the office's machine: a key that opens recordings
// belongs to that command, and not to this page. Null where there are none, or more than one pack takes.
export function packOrder(recordings) {
    const files = recordings.flatMap((recording) => [recording, ...recording.sidecars]).filter((file) => file.stored_at);
    if (files.length === 0 || files.length > 100) return null;
    const restricted = recordings.some((recording) => recording.tags.restricted) ? " --restricted" : "";
    return `camdock office pack ${files.map((file) => file.evidence).join(" ")} --key KEY.pem -o FOLDER --zip${restricted} --operator 'NAME' --reason 'WHY'`;
}

import { languages, text } from "./common.js";

const wrong = document.getElementById("wrong");
languages(() => {
    const why = { "#wrong": "login.wrong", "#wait": "login.wait" }[location.hash];
    wrong.hidden = !why;
    if (why) wrong.textContent = text(why);
});

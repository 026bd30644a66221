// The opened photo: the overlay follows its slider at once, and another diagnosis is drawn as soon as it is chosen, in
// place, so that a keyboard can go on through the list.
"use strict";

document.documentElement.classList.add("scripted");

const form = document.getElementById("saliency");
const drawn = document.getElementById("drawn");
const fade = () => document.getElementById("overlay").setAttribute("opacity", form.elements.opacity.value / 100);
let asked = 0;

form.elements.opacity.addEventListener("input", fade);
form.elements.class.addEventListener("change", async () => {
  asked += 1;
  const own = asked;
  const reply = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
  if (!reply?.ok) return; // the button asks again, and shows what is wrong
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  if (own !== asked) return; // a later choice counts
  drawn.replaceChildren(...page.getElementById("drawn").children);
  fade();
});

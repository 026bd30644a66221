// The opened photo: the overlay follows its slider at once, and another diagnosis is drawn as soon as it is chosen.
"use strict";

document.documentElement.classList.add("scripted");

const form = document.getElementById("saliency");
const overlay = document.getElementById("overlay");

form.elements.opacity.addEventListener("input", (event) => overlay.setAttribute("opacity", event.target.value / 100));
form.elements.class.addEventListener("change", () => form.submit());

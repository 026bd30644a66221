// The figures follow the slider and the other fields at once; without this script a button asks for them.
"use strict";

document.documentElement.classList.add("scripted");

const form = document.getElementById("points");

form.addEventListener("input", async () => {
  const asked = new URLSearchParams(new FormData(form)).toString();
  const reply = await fetch(`${form.action}?${asked}`).catch(() => null);
  if (!reply?.ok || asked !== new URLSearchParams(new FormData(form)).toString()) return; // moved on meanwhile
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  document.getElementById("figures").replaceWith(page.getElementById("figures"));
});

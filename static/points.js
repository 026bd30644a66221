// The figures follow the slider and the other fields at once; without this script a button asks for them.
"use strict";

document.documentElement.classList.add("scripted");

const form = document.getElementById("points");
const asked = () => new URLSearchParams(new FormData(form)).toString();

form.addEventListener("input", async (event) => {
  const query = asked();
  const reply = await fetch(`${form.action}?${query}`).catch(() => null);
  if (!reply?.ok) return;
  const html = await reply.text();
  if (query !== asked()) return; // moved on meanwhile
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const part of document.querySelectorAll(".follows")) {
    // What the reader holds stays; another source has another slider.
    if (!part.contains(event.target)) part.replaceChildren(...page.getElementById(part.id).childNodes);
  }
  history.replaceState(null, "", `?${asked()}`); // so that a reload shows the same, as another language does:
  for (const link of document.querySelectorAll(".languages a")) link.search = asked();
});

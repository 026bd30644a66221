// The answer's page, and those that explain a problem. All of it can be read without this script.
"use strict";

document.documentElement.classList.add("scripted");

const printButton = document.getElementById("print"); // none on a page that explains a problem
if (printButton) {
  printButton.hidden = false;
  printButton.addEventListener("click", () => window.print());
}

// The photo stays in this browser only if the visitor asks for it.
const keep = document.getElementById("keep"); // on the answer's page only
if (keep) {
  keep.hidden = false;
  const form = document.getElementById("keep-form");
  const date = document.getElementById("keep-date");
  date.value = date.max = spots.day(new Date());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const state = document.getElementById("keep-state");
    try {
      const picture = await spots.redraw(document.querySelector(".seen img"));
      await spots.add({ spot: document.getElementById("keep-name").value.trim(), date: date.value, picture });
      state.textContent = keep.dataset.textKept;
      form.hidden = true;
      state.focus(); // a button that is hidden loses the focus to nowhere
    } catch {
      state.textContent = keep.dataset.textNotKept;
    }
  });
}

// In a page that a script put in place, `autofocus` may not fire; where it does, it does so before the next frame.
requestAnimationFrame(() => requestAnimationFrame(() => {
  if (document.activeElement === document.body) document.querySelector("h1").focus();
}));

// The answer's page, and those that explain a problem. All of it can be read without this script.
"use strict";

document.documentElement.classList.add("scripted");

function start() {
  const printButton = document.getElementById("print"); // on the letter only
  if (printButton) {
    printButton.hidden = false;
    printButton.addEventListener("click", () => window.print());
  }
  const keep = document.getElementById("keep"); // on the answer's page only
  if (keep) startKeeping(keep);
}

// The photo stays in this browser only if the visitor asks for it.
function startKeeping(keep) {
  keep.hidden = false;
  const form = document.getElementById("keep-form");
  const date = document.getElementById("keep-date");
  date.value = date.max = spots.day(new Date());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const state = document.getElementById("keep-state");
    const said = { spot: document.getElementById("keep-name").value.trim(), date: date.value };
    try {
      await spots.add({ ...said, picture: await spots.redraw(document.querySelector(".seen img")) });
      state.textContent = keep.dataset.textKept;
      form.hidden = true;
      state.focus(); // a button that is hidden loses the focus to nowhere
    } catch {
      state.textContent = keep.dataset.textNotKept;
    }
  });
}

// The same answer in another language, say, takes the place of this one. Were it a page after this one, "back" would lead
// to an answer that the browser no longer has; and where the connection breaks, this one stays.
let asked = 0;
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-in-place]")) return;
  event.preventDefault();
  const address = event.submitter?.getAttribute("formaction") ?? form.action;
  const body = new FormData(form);
  if (event.submitter?.name) body.append(event.submitter.name, event.submitter.value);
  document.body.classList.add("waiting");
  asked += 1;
  const own = asked;
  const reply = await fetch(address, { method: "POST", body }).catch(() => null);
  const page = new DOMParser().parseFromString((await reply?.text().catch(() => "")) ?? "", "text/html");
  if (own !== asked) return; // on a slow line who waits may choose again, and the later choice counts
  document.body.classList.remove("waiting");
  if (!page.querySelector("article.answer")) return window.alert(document.querySelector("[data-text-failed]").dataset.textFailed);
  document.documentElement.lang = page.documentElement.lang;
  document.title = page.title;
  document.body.replaceWith(page.body);
  history.replaceState(null, "", address);
  window.scrollTo(0, 0);
  document.querySelector("h1").focus({ preventScroll: true });
  start();
});

start();

// In a page that a script put in place, `autofocus` may not fire; where it does, it does so before the next frame.
requestAnimationFrame(() => requestAnimationFrame(() => {
  if (document.activeElement === document.body) document.querySelector("h1").focus();
}));

// The answers that a page carries go to the next page and leave nothing behind on this device. A browser writes the
// fields of a form that it sent to its disk, here the photo and all that was said of it; files it leaves out. And for
// whoever reopens a closed page it sends the form again, unless the page was asked for by its address alone.
"use strict";

const SEALED = ["answer", "case", "detail", "failed"];

document.addEventListener("formdata", ({ target, formData }) => {
  if (target.enctype !== "multipart/form-data") return; // others send the names of files alone
  for (const name of SEALED) {
    const values = formData.getAll(name);
    formData.delete(name);
    for (const value of values) formData.append(name, new File([value], name));
  }
});

history.replaceState(null, "", window.location.href);

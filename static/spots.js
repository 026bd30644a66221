// The visitor's own photos, in this browser and nowhere else: a small database with one record a photo.
"use strict";

const SPOT_PHOTO_PX = 1200; // longest side of a kept photo

const spots = {
  // Opens the database; rejects where the browser keeps nothing, as in some private windows.
  open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open("skin-check", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("photos", { keyPath: "id", autoIncrement: true });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  },

  async run(mode, work) {
    const database = await spots.open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction("photos", mode);
        const request = work(transaction.objectStore("photos"));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  },

  // A photo is {id, spot, date, picture}: a name, a day as 2026-11-30, and a JPEG as a Blob.
  all: () => spots.run("readonly", (store) => store.getAll()),
  // Adds all or, where the device is too full for one, none.
  add(...photos) {
    navigator.storage?.persist?.(); // or the browser may delete them as it likes
    return spots.run("readwrite", (store) => photos.map((photo) => store.add(photo)));
  },
  remove: (id) => spots.run("readwrite", (store) => store.delete(id)),
  removeAll: () => spots.run("readwrite", (store) => store.clear()),

  // Draws a file or an image anew, smaller and without what the camera wrote into it; rejects what is no picture.
  async redraw(source) {
    const picture = await createImageBitmap(source, { imageOrientation: "from-image" });
    const scale = Math.min(1, SPOT_PHOTO_PX / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return new Promise((resolve, reject) => {
      canvas.toBlob((drawn) => (drawn ? resolve(drawn) : reject(new Error("no picture"))), "image/jpeg", 0.9);
    });
  },

  // The day in the visitor's own time zone, as 2026-11-30.
  day(time) {
    const two = (number) => String(number).padStart(2, "0");
    return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  },
};

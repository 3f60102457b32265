"use strict";
// Verdicts of a page in a folder: one append-only record per row in this browser's IndexedDB.
(function (R) {
  const NAME = "wsvad-review";
  let base = null;
  let known = 0;
  let writing = 0;

  const open = () =>
    new Promise((resolve, reject) => {
      if (!window.indexedDB) return reject(new Error("this browser has no IndexedDB"));
      const wish = indexedDB.open(NAME, 1);
      wish.onupgradeneeded = () => {
        const store = wish.result.createObjectStore("verdicts", { keyPath: "verdict_id" });
        store.createIndex("review_id", "review_id");
      };
      wish.onsuccess = () => resolve(wish.result);
      wish.onerror = () => reject(wish.error || new Error("cannot open IndexedDB"));
      wish.onblocked = () => reject(new Error("IndexedDB is blocked by another tab"));
    });

  const rows = () =>
    new Promise((resolve, reject) => {
      const index = base.transaction("verdicts").objectStore("verdicts").index("review_id");
      const wish = index.getAll(R.doc.review_id);
      wish.onsuccess = () => resolve(wish.result);
      wish.onerror = () => reject(wish.error);
    });
  const count = () =>
    new Promise((resolve, reject) => {
      const wish = base.transaction("verdicts").objectStore("verdicts").index("review_id").count(R.doc.review_id);
      wish.onsuccess = () => resolve(wish.result);
      wish.onerror = () => reject(wish.error);
    });

  // Acknowledged only when the transaction is complete.
  const add = (records, local) =>
    new Promise((resolve, reject) => {
      const change = base.transaction("verdicts", "readwrite", { durability: "strict" });
      const store = change.objectStore("verdicts");
      for (const record of records) store.put({ ...record, review_id: R.doc.review_id, local, from: record.review_id });
      change.oncomplete = resolve;
      change.onabort = change.onerror = () => reject(change.error || new Error("the transaction was aborted"));
    });

  const plain = ({ local, from, ...record }) => ({ ...record, review_id: from || record.review_id });

  async function read() {
    const found = await rows();
    known = found.length;
    found.sort((a, b) => (a.time_utc < b.time_utc ? -1 : 1));
    let fresh = 0;
    for (const row of found) fresh += R.take([plain(row)], row.local);
    if (fresh) R.changed();
  }

  async function look() {
    if (document.visibilityState !== "visible" || !base) return;
    if ((await count()) !== known) await read();
  }

  R.keepStatic = {
    async start() {
      try {
        base = await open();
        await read();
        base.onversionchange = () => base.close();
      } catch (error) {
        base = null;
        R.ui.unkept = `Verdicts cannot be stored in this browser (${error.message}). Export them before closing the page.`;
      }
      window.addEventListener("storage", (event) => event.key === "wsvad-review:written" && look());
      document.addEventListener("visibilitychange", look);
      window.addEventListener("focus", look);
      setInterval(look, 5000);
      window.addEventListener("beforeunload", (event) => {
        if (writing || (R.ui.unkept && R.records().length > (R.ui.exported || 0))) event.preventDefault();
      });
    },
    async write(records, mine = true) {
      R.take(records, mine);
      R.changed();
      if (!base) return;
      writing += records.length;
      try {
        await add(records, mine);
        known += records.length;
        R.keep("written", Date.now()); // notifies other tabs immediately
      } catch (error) {
        R.ui.unkept = `A verdict could not be stored (${error.message}). Export the verdicts before closing the page.`;
        R.changed();
      } finally {
        writing -= records.length;
      }
    },
    pending: () => 0,
  };
})(window.Review);

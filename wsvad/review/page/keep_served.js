"use strict";
// Verdicts of a served page: posted until the server acknowledges them; unsent ones survive a reload.
(function (R) {
  let waiting = [];
  let refused = [];
  let busy = false;
  let tries = 0;
  let next = 0;
  let timer = null;
  const place = () => "pending:" + R.doc.review_id + ":" + R.reviewer();
  const save = () => {
    if (!R.keep(place(), waiting)) R.ui.unkept = "This browser cannot store unsent verdicts: keep the page open until they are sent.";
  };

  async function flush() {
    if (busy) return;
    busy = true;
    clearTimeout(timer);
    while (waiting.length) {
      const record = waiting[0];
      try {
        const stored = await (await R.post("api/verdicts", record)).json();
        R.take([stored && stored.verdict_id ? stored : record], true);
        tries = 0;
        R.ui.offline = null;
      } catch (error) {
        const final = error.status && error.status >= 400 && error.status < 500 && ![401, 403, 408, 425, 429].includes(error.status);
        if (!final) {
          tries += 1;
          R.ui.offline = error.status ? error.message : "the server cannot be reached";
          timer = setTimeout(flush, Math.min(30000, 500 * 2 ** tries));
          break;
        }
        refused.push({ record, why: error.message });
        R.ui.refused = refused;
      }
      waiting = waiting.filter((other) => other.verdict_id !== record.verdict_id);
      save();
    }
    busy = false;
    R.changed();
  }

  async function poll() {
    if (document.visibilityState !== "visible") return;
    try {
      const found = await (await R.ask(`api/verdicts?since=${next}`)).json();
      next = found.next;
      const mine = R.reviewer();
      const ours = (record) => record.review_id === R.doc.review_id || R.byId.has(record.event_id) || (!record.event_id && R.byContent.has(record.content_id));
      const fresh = found.verdicts.filter(ours); // missed spans stay valid for other models
      R.take(fresh.filter((record) => record.reviewer === mine), true);
      R.take(fresh.filter((record) => record.reviewer !== mine), false);
      if (!waiting.length) R.ui.offline = null;
      else flush();
    } catch (error) {
      R.ui.offline = error.status ? error.message : "the server cannot be reached";
    }
    R.changed();
  }

  R.keepServed = {
    async start() {
      waiting = R.setting(place(), []);
      R.take(waiting, true);
      await poll();
      flush();
      setInterval(poll, R.pollMs || 15000);
      document.addEventListener("visibilitychange", poll);
      window.addEventListener("online", flush);
      window.addEventListener("beforeunload", (event) => waiting.length && event.preventDefault());
    },
    async write(records) {
      R.take(records, true);
      waiting.push(...records);
      save();
      R.changed();
      await flush();
    },
    pending: () => waiting.length,
    retry: flush,
  };
})(window.Review);

"use strict";
// The document: read from the page (static) or requested from the server, and prepared for lists and filters.
(function (R) {
  R.mode = document.body.dataset.mode;
  const HEAVY = ["curve", "gaps", "heat", "neighbours", "truth"];

  R.ask = async (path, options = {}) => {
    const headers = { "X-WSVAD-Request": "1", ...(options.body ? { "Content-Type": "application/json" } : {}) };
    const answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options, headers });
    if (!answer.ok) {
      const error = new Error(await said(answer));
      error.status = answer.status;
      throw error;
    }
    return answer;
  };
  R.post = (path, value) => R.ask(path, { method: "POST", body: JSON.stringify(value) });

  async function said(answer) {
    const text = (await answer.text().catch(() => "")).slice(0, 300);
    try {
      const value = JSON.parse(text);
      return `${answer.status}: ${value.error || value.message || value.detail || text}`;
    } catch {
      return `${answer.status} ${answer.statusText}`;
    }
  }

  R.load = async () => {
    const found =
      R.mode === "static"
        ? JSON.parse(R.by("review-data").textContent)
        : await (await R.ask("api/review")).json();
    if (found.format !== 1) throw new Error(`this page supports format 1, but the data has format ${found.format}`);
    R.doc = found;
    R.byId = new Map();
    R.blind = false;
    R.days = new Set();
    found.events.forEach((event, index) => {
      event.index = index;
      R.byId.set(event.id, event);
      R.blind = R.blind || event.kind === "control";
      if (event.day) R.days.add(event.day);
    });
    R.days = [...R.days].sort();
    R.byContent = new Map();
    for (const event of found.events) {
      if (!R.byContent.has(event.content_id)) R.byContent.set(event.content_id, []);
      R.byContent.get(event.content_id).push(event);
    }
    return found;
  };

  const NOBODY = { name: "unknown camera", purpose: null, retention_days: null, legal_hold: false, time_zone: null };
  R.camera = (event) => R.doc.cameras[event.camera] || NOBODY;

  // Curves and heat map of one event; a static page parses them when the event is opened.
  const read = new Map();
  R.more = (event) => {
    if (R.mode !== "static") return event;
    const part = R.doc.part;
    const number = Math.floor(event.index / part);
    if (!read.has(number)) read.set(number, JSON.parse(R.by(`review-part-${number}`).textContent));
    const found = read.get(number)[event.index % part];
    for (const name of HEAVY) if (!(name in event)) event[name] = found[name] ?? null;
    return event;
  };

  // Media links expire after minutes. The first failure requests new links; a second failure soon after is reported.
  const asked = new Map();
  const renew = (event, fresh) => {
    for (const name of ["strip", "poster", "clip", "heat"]) if (name in fresh) event[name] = fresh[name];
  };
  R.renew = async (event) => {
    if (R.mode !== "served") return false;
    if (Date.now() - (asked.get(event.id) || 0) < 30000) return false;
    asked.set(event.id, Date.now());
    try {
      const fresh = await (await R.post("api/media", { event_id: event.id })).json();
      renew(event, fresh);
      event.renewed = (event.renewed || 0) + 1;
      R.changed();
      return true;
    } catch {
      return false;
    }
  };

  R.cut = async (event) => {
    renew(event, await (await R.post("api/clip", { event_id: event.id })).json());
    R.changed();
  };

  // Boxes as fractions of the picture: [x1, y1, x2, y2]
  R.shares = (event) => {
    const boxes = event.boxes && event.boxes.length ? event.boxes : event.box ? [event.box] : [];
    if (!event.width || !event.height) return [];
    const { width: w, height: h } = event;
    return boxes.map((box) => [box[0] / w, box[1] / h, box[2] / w, box[3] / h]);
  };

  // Text for the search, in lower case; built on first use.
  R.hay = (event) => {
    if (event.hay === undefined) {
      const words = [event.name, event.video_id, R.camera(event).name, event.day, event.id, ...(event.notes || [])];
      event.hay = words.filter(Boolean).join("\n").toLowerCase();
    }
    return event.hay;
  };
})(window.Review);

"use strict";
// Verdicts are append-only records; the current verdicts are derived from them here.
(function (R) {
  R.VERDICTS = [
    { value: "true", key: "1", name: "True", long: "a real event", icon: "check" },
    { value: "false", key: "2", name: "False", long: "nothing worth a look", icon: "cross" },
    { value: "unsure", key: "3", name: "Unsure", long: "not decidable", icon: "question" },
    { value: "missed", key: "4", name: "Missed", long: "an event that was not found", icon: "plus" },
  ];
  R.verdictName = (value) => (R.VERDICTS.find((verdict) => verdict.value === value) || { name: value }).name;

  const log = new Map(); // verdict_id -> record, in the order of arrival
  const placed = new Map(); // verdict_id -> id of the matching event, or null
  const own = new Set(); // verdict_ids written in this browser
  let folded = null;
  R.UNNAMED = "unnamed"; // reviewer until a name is entered
  R.version = 0; // incremented with the log, so that lists know when to update

  R.take = (records, mine = false) => {
    let fresh = 0;
    for (const record of records) {
      if (mine) own.add(record.verdict_id);
      const known = log.get(record.verdict_id);
      if (known && known.reviewer === record.reviewer && known.time_utc === record.time_utc) continue;
      log.set(record.verdict_id, record); // the server sets reviewer and time
      fresh += 1;
    }
    if (fresh) {
      folded = null;
      R.version += 1;
    }
    return fresh;
  };
  R.takeFromDocument = () => {
    const there = R.doc.events.filter((event) => event.verdict);
    for (const event of there) placed.set(event.verdict.verdict_id, event.id);
    R.take(there.map((event) => event.verdict), true);
  };

  // The event of a record: by its id, otherwise the event in the same content with the largest overlap.
  // The record itself stays unchanged for exports.
  R.placeOf = (record) => {
    if (!record.event_id) return null;
    if (!placed.has(record.verdict_id)) placed.set(record.verdict_id, R.byId.has(record.event_id) ? record.event_id : nearest(record));
    return placed.get(record.verdict_id);
  };
  const nearest = (record) => {
    let [best, most] = [null, 0];
    for (const event of R.byContent.get(record.content_id) || []) {
      const shared = Math.min(event.end_s, record.end_s) - Math.max(event.start_s, record.start_s);
      if (shared > most) [best, most] = [event.id, shared];
    }
    return best;
  };
  R.records = () => [...log.values()];
  R.ownRecord = (record) => own.has(record.verdict_id) || (Boolean(record.reviewer) && record.reviewer === R.reviewer());

  R.reviewer = () => (R.mode === "served" ? R.doc.reviewer || "" : R.setting("reviewer", ""));

  const later = (a, b) => !a || a.time_utc <= b.time_utc; // at equal times, the later arrival wins

  function fold() {
    const mine = new Map();
    const others = new Map();
    const gone = new Set();
    const same = (a, b) => a.reviewer === b.reviewer || a.reviewer === R.UNNAMED || (R.ownRecord(a) && R.ownRecord(b));
    for (const record of log.values()) {
      const before = log.get(record.supersedes);
      // a reviewer can only supersede own records
      if (before && before !== record && same(before, record)) gone.add(before.verdict_id);
    }
    const missed = [];
    for (const record of log.values()) {
      if (gone.has(record.verdict_id)) continue;
      if (!record.event_id) {
        if (record.verdict === "missed") missed.push(record);
        continue;
      }
      const id = R.placeOf(record);
      if (!id) continue;
      if (R.ownRecord(record)) {
        if (later(mine.get(id), record)) mine.set(id, record);
        continue;
      }
      const there = others.get(id) || new Map();
      if (later(there.get(record.reviewer), record)) there.set(record.reviewer, record);
      others.set(id, there);
    }
    return { mine, others, missed };
  }
  const now = () => (folded = folded || fold());

  const standing = (record) => (record && record.verdict !== "withdrawn" ? record : null);
  R.latest = (event) => now().mine.get(event.id) || null; // including withdrawals
  R.verdict = (event) => standing(R.latest(event));
  R.others = (event) => [...(now().others.get(event.id) || new Map()).values()].filter(standing);
  R.missedIn = (event) => now().missed.filter((record) => record.content_id === event.content_id);
  R.missedAll = () => now().missed;

  R.judged = () => {
    let count = 0;
    for (const [id, record] of now().mine) if (standing(record) && R.byId.has(id)) count += 1;
    return count;
  };

  // With control spans, scores are hidden before the verdict, because they would reveal the answer.
  R.hidden = (event) => R.blind && !R.verdict(event);

  R.makeRecord = (fields) => ({
    format: 1,
    verdict_id: R.uuid(),
    review_id: R.doc.review_id,
    event_id: null,
    content_id: null,
    video_id: null,
    camera: null,
    start_s: null,
    end_s: null,
    verdict: "unsure",
    note: "",
    reviewer: R.reviewer() || R.UNNAMED,
    time_utc: new Date().toISOString(),
    model: R.doc.source.model,
    kind: "event",
    supersedes: null,
    ...fields,
  });
})(window.Review);

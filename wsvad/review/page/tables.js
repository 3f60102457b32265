"use strict";
// Events and verdicts as CSV (RFC 4180) and JSON.
(function (R) {
  // Text cells that a spreadsheet would treat as formulas get an apostrophe; numbers stay numbers.
  const defused = (text) => (/^[\s\u0000-\u001f]*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]/u.test(text) ? "'" + text : text);
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    const text = defused(String(value));
    return /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replace(/"/g, '""')}"` : text;
  };
  R.csv = (columns, rows) => [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((line) => line.map(cell).join(",") + "\r\n").join("");

  const EVENT = ["event_id", "kind", "camera", "day", "start_utc", "end_utc", "video_id", "content_id", "name", "start_s", "end_s",
    "peak_s", "start_frame", "end_frame", "score", "high", "low", "excess", "continues", "group", "x1", "y1", "x2", "y2",
    "verdict", "note", "reviewer", "time_utc"];
  const VERDICT = ["format", "verdict_id", "review_id", "event_id", "content_id", "video_id", "camera", "start_s", "end_s", "verdict",
    "note", "reviewer", "time_utc", "model", "kind", "supersedes"];

  const eventRow = (event) => {
    const [x1, y1, x2, y2] = event.box || [];
    const { verdict, note, reviewer, time_utc } = R.verdict(event) || {};
    return { ...event, event_id: event.id, camera: R.camera(event).name, x1, y1, x2, y2, verdict, note, reviewer, time_utc };
  };

  R.eventsCsv = (events) => R.csv(EVENT, events.map(eventRow));
  R.eventsJson = (events) => {
    const rows = events.map((event) => {
      const row = eventRow(event);
      const chosen = EVENT.filter((column) => !["x1", "y1", "x2", "y2"].includes(column)).map((column) => [column, row[column] ?? null]);
      return { ...Object.fromEntries(chosen), box: event.box || null };
    });
    return JSON.stringify({ format: 1, kind: "wsvad-events", review_id: R.doc.review_id, source: R.doc.source, settings: R.doc.settings, events: rows }, null, 1);
  };
  R.verdictsCsv = () => R.csv(VERDICT, R.records());
  R.verdictsJson = () => JSON.stringify({ format: 1, kind: "wsvad-verdicts", review_id: R.doc.review_id, verdicts: R.records() }, null, 1);
})(window.Review);

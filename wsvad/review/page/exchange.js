"use strict";
// Export and import of files.
(function (R) {
  const name = (what, ending) => {
    const night = R.doc.source.night;
    const made = new Date().toISOString().slice(0, 16).replace(/[-:]/g, "");
    return `wsvad-${what}${R.isNumber(night) ? `-night${night}` : ""}-${made}.${ending}`;
  };

  R.exportFile = (what, format, events) => {
    const csv = format === "csv";
    const type = csv ? "text/csv;charset=utf-8" : "application/json";
    const text = what === "events" ? (csv ? R.eventsCsv(events) : R.eventsJson(events)) : csv ? R.verdictsCsv() : R.verdictsJson();
    if (what === "verdicts") R.ui.exported = R.records().length;
    R.download(name(what, format), type, text);
    R.announce(`${what === "events" ? R.plural(events.length, "event") : R.plural(R.records().length, "verdict record")} exported as ${format.toUpperCase()}.`);
  };

  R.exportCase = async (events) => {
    const ids = events.map((event) => event.id);
    if (R.mode === "static") {
      R.download(name("case", "json"), "application/json", JSON.stringify({ format: 1, kind: "wsvad-case", review_id: R.doc.review_id, event_ids: ids }, null, 1));
      return;
    }
    const blob = await (await R.post("api/case", { event_ids: ids })).blob();
    const url = URL.createObjectURL(blob);
    const link = document.createElement("a");
    Object.assign(link, { href: url, download: name("case", "zip") });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };

  const WORDS = ["true", "false", "unsure", "missed", "withdrawn"];
  const fits = (record) =>
    record && typeof record === "object" && typeof record.verdict_id === "string" && WORDS.includes(record.verdict) &&
    typeof record.time_utc === "string" && !Number.isNaN(Date.parse(record.time_utc)) && typeof record.content_id === "string" &&
    R.isNumber(record.start_s) && R.isNumber(record.end_s) && (record.event_id === null || typeof record.event_id === "string");

  // Returns {added, elsewhere, before}; throws errors with messages for the user.
  R.importText = async (text) => {
    let found;
    try {
      found = JSON.parse(text);
    } catch {
      throw new Error("This is not a JSON file.");
    }
    if (!found || found.kind !== "wsvad-verdicts" || !Array.isArray(found.verdicts)) throw new Error("This file contains no exported verdicts (kind wsvad-verdicts).");
    if (found.format !== 1) throw new Error(`The file has format ${R.text(found.format, 20)}; this page supports format 1.`);
    const wrong = found.verdicts.findIndex((record) => !fits(record));
    if (wrong >= 0) throw new Error(`Record ${wrong + 1} of the file is incomplete; nothing was imported.`);
    const have = new Set(R.records().map((record) => record.verdict_id));
    const fresh = found.verdicts.filter((record) => !have.has(record.verdict_id));
    const here = fresh.filter((record) => record.event_id === null || R.placeOf(record));
    if (here.length) await R.importRecords(here);
    return { added: here.length, elsewhere: fresh.length - here.length, before: found.verdicts.length - fresh.length };
  };
})(window.Review);

"use strict";
// Actions of a reviewer: verdict, undo, note, marking of a missed span.
(function (R) {
  const undo = []; // of this session: {records, select, before}
  const keeper = () => (R.mode === "served" ? R.keepServed : R.keepStatic);
  R.pending = () => keeper().pending();
  R.startKeeping = () => keeper().start();

  const about = (event) => ({
    event_id: event.id,
    content_id: event.content_id,
    video_id: event.video_id,
    camera: R.camera(event).name,
    start_s: event.start_s,
    end_s: event.end_s,
    kind: event.kind || "event",
  });
  const recordOf = (event, verdict, note, supersedes) =>
    R.makeRecord({ ...about(event), verdict, note: String(note || "").slice(0, 2000), supersedes: supersedes || null });

  R.progress = () => `${R.whole(R.judged())} of ${R.whole(R.doc.events.length)} judged`;

  // The next event not judged in this browser: below the selected one, otherwise from the top.
  function nextOpen(from) {
    const { items } = R.visible();
    const at = items.findIndex((item) => item.event.id === from);
    const rest = [...items.slice(at + 1), ...items.slice(0, Math.max(0, at))];
    const open = rest.find((item) => !R.verdict(item.event));
    return open ? open.event.id : null;
  }

  R.judge = (event, value, { all = false } = {}) => {
    if (!event) return;
    const item = R.visible().items.find((one) => one.event.id === event.id);
    const chosen = all && item ? item.members : [event];
    const follow = R.setting("advance", true) ? nextOpen(event.id) : null;
    const before = chosen.map((one) => R.latest(one));
    const records = chosen.map((one, index) => {
      const note = R.ui.drafts.has(one.id) ? R.ui.drafts.get(one.id) : before[index]?.note;
      R.ui.drafts.delete(one.id);
      return recordOf(one, value, note, before[index]?.verdict_id);
    });
    keepDrafts();
    undo.push({ events: chosen, records, before, select: event.id });
    keeper().write(records);
    const many = records.length > 1 ? ` for ${records.length} similar events` : "";
    const end = follow ? "" : " Nothing left to judge in this list.";
    R.announce(`${R.verdictName(value)}${many}. ${R.progress()}.${R.setting("advance", true) ? end : ""}`);
    if (follow) R.select(follow);
    else R.select(event.id);
  };

  R.undo = () => {
    const last = undo.pop();
    if (!last) return R.announce("Nothing to undo.");
    const records = [];
    last.records.forEach((record, index) => {
      const back = R.makeRecord({ ...record, verdict_id: R.uuid(), verdict: "withdrawn", supersedes: record.verdict_id, time_utc: now() });
      records.push(back);
      const before = last.before[index];
      if (before && before.verdict !== "withdrawn") {
        records.push(R.makeRecord({ ...before, verdict_id: R.uuid(), supersedes: back.verdict_id, time_utc: now() }));
      }
    });
    keeper().write(records);
    R.announce(`Undone. ${R.progress()}.`);
    if (last.select) R.select(last.select);
  };
  R.canUndo = () => undo.length > 0;
  const now = () => new Date().toISOString();

  R.withdraw = (event) => {
    const held = R.verdict(event);
    if (!held) return;
    const records = [recordOf(event, "withdrawn", held.note, held.verdict_id)];
    undo.push({ events: [event], records, before: [held], select: event.id });
    keeper().write(records);
    R.announce(`Verdict withdrawn. ${R.progress()}.`);
  };

  // Without a verdict, a note is kept as a draft; with a verdict, it is stored as a new record of that verdict.
  R.note = (event) => (R.ui.drafts.has(event.id) ? R.ui.drafts.get(event.id) : R.verdict(event)?.note || "");
  R.draft = (event, text) => {
    R.ui.drafts.set(event.id, text.slice(0, 2000));
    keepDrafts();
    R.changed();
  };
  R.saveNote = (event) => {
    const held = R.verdict(event);
    if (!held || !R.ui.drafts.has(event.id)) return;
    const text = R.ui.drafts.get(event.id);
    R.ui.drafts.delete(event.id);
    keepDrafts();
    if (text === held.note) return R.changed();
    const records = [recordOf(event, held.verdict, text, held.verdict_id)];
    undo.push({ events: [event], records, before: [held], select: event.id });
    keeper().write(records);
    R.announce("Note saved.");
  };
  const drafts = () => "drafts:" + R.doc.review_id;
  const keepDrafts = () => R.keep(drafts(), [...R.ui.drafts]);
  R.readDrafts = () => (R.ui.drafts = new Map(R.setting(drafts(), [])));

  // Marked span in seconds of the source video: {from, to}; one end can be missing.
  R.mark = (change) => {
    const mark = { from: null, to: null, ...R.ui.mark, ...change };
    if (mark.from !== null && mark.to !== null && mark.from > mark.to) [mark.from, mark.to] = [mark.to, mark.from];
    R.ui.mark = mark;
    R.changed();
    if (mark.from !== null && mark.to !== null) R.announce(`Marked ${R.offset(mark.from)} to ${R.offset(mark.to)}. Press 4 to store it as a missed event.`);
    else R.announce(mark.from !== null ? `From ${R.offset(mark.from)}. Press O at the end.` : `To ${R.offset(mark.to)}. Press I at the start.`);
  };
  R.clearMark = () => {
    R.ui.mark = null;
    R.changed();
  };
  R.marked = () => {
    const mark = R.ui.mark;
    return Boolean(mark && mark.from !== null && mark.to !== null && mark.to > mark.from);
  };

  R.missed = (event) => {
    if (!event) return;
    if (!R.state.open) R.openEvent(event.id);
    if (!R.marked()) {
      R.ui.marking = event.id;
      R.changed();
      return R.announce("First mark the missed span: I at its start, O at its end, or drag on the curve. Then press 4.");
    }
    const { from, to } = R.ui.mark;
    const span = { start_s: Math.round(from * 1000) / 1000, end_s: Math.round(to * 1000) / 1000, event_id: null, kind: "missed" };
    const records = [R.makeRecord({ ...about(event), ...span, verdict: "missed" })];
    undo.push({ events: [event], records, before: [null], select: event.id });
    R.ui.mark = null;
    R.ui.marking = null;
    keeper().write(records);
    R.announce(`Missed event stored: ${R.offset(from)} to ${R.offset(to)}.`);
  };
  R.withdrawMissed = (record) => {
    const records = [R.makeRecord({ ...record, verdict_id: R.uuid(), verdict: "withdrawn", supersedes: record.verdict_id, time_utc: now() })];
    undo.push({ events: [], records, before: [record], select: null });
    keeper().write(records);
    R.announce("Missed event withdrawn.");
  };
  R.importRecords = (records) => R.keepStatic.write(records, false);
})(window.Review);

"use strict";
// Verdict, note and facts of one event.
(function (R) {
  const { html, useRef, useEffect } = R;

  R.VerdictButtons = ({ event, item }) => {
    const held = R.verdict(event);
    return html`<div class="verdicts" role="group" aria-label="Verdict">
      ${R.VERDICTS.map((verdict) => {
        const on = held && held.verdict === verdict.value;
        const missed = verdict.value === "missed";
        const act = (click) => (missed ? R.missed(event) : R.judge(event, verdict.value, { all: click.shiftKey }));
        return html`<button type="button" key=${verdict.value} id=${"verdict-" + verdict.value} class=${R.classes("verdict", verdict.value, on && "on")} aria-pressed=${missed ? null : String(Boolean(on))} aria-keyshortcuts=${verdict.key} onClick=${act} title=${verdict.long}>
          ${R.icon(verdict.icon)}<span>${verdict.name}</span><kbd aria-hidden="true">${verdict.key}</kbd></button>`;
      })}
      ${item && item.members.length > 1 && !item.open && html`<p class="soft small">Hold Shift to include its ${R.plural(item.members.length - 1, "similar event")}.</p>`}
    </div>`;
  };

  const Marking = ({ event }) => {
    const mark = R.ui.mark;
    const wanted = R.ui.marking === event.id;
    const spans = R.missedIn(event);
    const now = () => (R.player && R.player.time !== null ? R.player.time : event.start_s);
    return html`<section class=${R.classes("marking", wanted && "wanted")} aria-labelledby="marking-title">
      <h3 id="marking-title">Missed event</h3>
      <p class="soft small">${wanted && !R.marked() ? "First mark the span, then press 4." : "Mark a span with an anomaly that was not found as an event."}</p>
      <div class="mark-row">
        <${R.Button} id="mark-in" label="Set the start of the missed span" keys="I" onClick=${() => R.mark({ from: now() })}>Start <b>${mark && mark.from !== null ? R.offset(mark.from) : "–"}</b><//>
        <${R.Button} id="mark-out" label="Set the end of the missed span" keys="O" onClick=${() => R.mark({ to: now() })}>End <b>${mark && mark.to !== null ? R.offset(mark.to) : "–"}</b><//>
        ${mark && html`<${R.Button} icon="cross" label="Clear the marked span" onClick=${R.clearMark} />`}
      </div>
      ${R.marked() && html`<button type="button" class="button primary wide-button" id="file-missed" onClick=${() => R.missed(event)}>Store as missed (4)</button>`}
      ${spans.length > 0 && html`<ul class="spans">${spans.map((record) => html`<li key=${record.verdict_id}><button type="button" class="button plain" onClick=${() => R.player && R.player.seek(record.start_s)}>${R.offset(record.start_s)} – ${R.offset(record.end_s)}</button><bdi class="soft">${R.text(record.reviewer, 30)}</bdi>${R.ownRecord(record) && html`<${R.Button} icon="cross" label=${`Withdraw the missed event at ${R.offset(record.start_s)}`} kind="small" onClick=${() => R.withdrawMissed(record)} />`}</li>`)}</ul>`}
    </section>`;
  };

  const Note = ({ event }) => {
    const place = useRef(null);
    const text = R.note(event);
    const verdict = R.verdict(event);
    const draft = R.ui.drafts.has(event.id);
    useEffect(() => {
      const area = place.current;
      return () => area && R.saveNote(event); // stores the typed text when the event is closed
    }, [event.id]);
    return html`<label class="note"><span>Note <kbd aria-hidden="true">N</kbd></span>
      <textarea id="note" ref=${place} rows="2" maxlength="2000" dir="auto" placeholder="Describe what you see" value=${text} onInput=${(input) => R.draft(event, input.target.value)} onChange=${() => R.saveNote(event)}></textarea>
      <span class="soft small">${draft ? (verdict ? "Saved when the field loses focus." : "Draft; stored with the verdict.") : text && verdict ? "Stored with the verdict." : ""}</span></label>`;
  };

  const Others = ({ event }) => {
    const others = R.others(event);
    if (!others.length) return null;
    return html`<section class="others" aria-label="Verdicts of others"><h3>Others</h3><ul>${others.map((record) => html`<li key=${record.verdict_id}><${R.Verdict} record=${record} /><bdi>${R.text(record.reviewer, 60)}</bdi>${record.note ? html`<q dir="auto">${R.text(record.note, 300)}</q>` : null}</li>`)}</ul></section>`;
  };

  const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

  const Facts = ({ event }) => {
    const camera = R.camera(event);
    const hidden = R.hidden(event);
    const zone = R.instant(event.start_utc, camera.time_zone);
    const end = R.instant(event.end_utc, camera.time_zone);
    const open = (id) => R.byId.has(id) && R.openEvent(id);
    return html`<dl class="facts">
      <${Fact} name="Camera"><bdi>${R.text(camera.name, 120)}</bdi>${camera.purpose ? html`<br /><span class="soft" dir="auto">${R.text(camera.purpose, 200)}</span>` : null}<//>
      <${Fact} name="Retention">${R.isNumber(camera.retention_days) ? R.plural(camera.retention_days, "day") : "not stated"}${camera.legal_hold ? ", legal hold" : ""}<//>
      ${zone && html`<${Fact} name="Time">${zone.day} ${zone.time}${end ? ` – ${end.time}` : ""}<br /><span class="soft">${R.text(zone.zone, 40)}${zone.zone !== "UTC" ? html`<br />${R.utc(event.start_utc)}` : null}</span><//>`}
      <${Fact} name="In the video">${R.offset(event.start_s)} – ${R.offset(event.end_s)} <span class="soft">(${R.length(event.end_s - event.start_s)}${event.continues && !hidden ? ", continues in the next video" : ""})</span>${R.isNumber(event.start_frame) ? html`<br /><span class="soft">frames ${R.whole(event.start_frame)} – ${R.whole(event.end_frame)}</span>` : null}<//>
      <${Fact} name="Score">${hidden ? html`<span class="soft">shown after the verdict</span>` : html`<b>${R.score(event.score)}</b>, ${R.signed(event.excess)} relative to ${R.score(event.high)}<br /><span class="soft">peak at ${R.offset(event.peak_s)}</span>`}<//>
      ${R.blind && !hidden && event.kind === "control" && html`<${Fact} name="Sample">a control span below the threshold<//>`}
      ${!hidden && (event.neighbours || []).length > 0 && html`<${Fact} name="Nearby events">${event.neighbours.slice(0, 12).map(([from, to, id]) => (R.byId.has(id) ? html`<button type="button" key=${id} class="button plain" onClick=${() => open(id)}>${R.offset(from)} – ${R.offset(to)}</button>` : html`<span key=${id}>${R.offset(from)} – ${R.offset(to)} </span>`))}<//>`}
      <${Fact} name="Video"><bdi class="long">${R.text(event.name, 400)}</bdi>${event.video_id !== event.name ? html`<br /><bdi class="long soft">${R.text(event.video_id, 400)}</bdi>` : null}<//>
      ${(event.notes || []).length > 0 && html`<${Fact} name="Notes"><ul class="plain">${event.notes.map((note, index) => html`<li key=${index} dir="auto">${R.text(note, 600)}</li>`)}</ul><//>`}
      <${Fact} name="Event"><code class="long soft">${R.text(event.id, 120)}</code><//>
    </dl>`;
  };

  R.Panel = ({ event, item }) => {
    const held = R.verdict(event);
    return html`<aside class="side" aria-label="Verdict and facts">
      <section class="judge" aria-labelledby="judge-title">
        <h3 id="judge-title">Verdict ${held && held.reattached ? html`<span class="pill">matched after a model change</span>` : null}</h3>
        <${R.VerdictButtons} event=${event} item=${item} />
        ${held && html`<p class="soft small filed">${held.reviewer && held.reviewer !== "unnamed" ? R.text(held.reviewer, 40) : "You"}, ${R.utc(held.time_utc)} <button type="button" class="button plain" id="withdraw" onClick=${() => R.withdraw(event)}>Withdraw</button></p>`}
        <${Note} key=${event.id} event=${event} />
      </section>
      <${Others} event=${event} />
      <${Marking} event=${event} />
      <${Facts} event=${event} />
    </aside>`;
  };
})(window.Review);

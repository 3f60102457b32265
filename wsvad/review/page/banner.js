"use strict";
// Header and notices: night, model, unscored footage, problems.
(function (R) {
  const { html } = R;
  const ICONS = { error: "error", warning: "warning", info: "info" };
  const NAMES = { error: "Error", warning: "Warning", info: "Note" };

  const short = (digest) => (digest ? String(digest).replace(/^sha256:/, "").slice(0, 12) : "unknown");

  const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

  const Notice = ({ notice }) => html`<li class=${"notice " + (ICONS[notice.level] ? notice.level : "info")}>${R.icon(ICONS[notice.level] || "info", NAMES[notice.level] || "Note")}<span dir="auto">${R.text(notice.text, 1000)}</span></li>`;

  const Coverage = () => {
    const { scored_s: scored, not_scored_s: not } = R.doc.banner;
    const all = scored + not;
    if (!(all > 0)) return null;
    const share = (scored / all) * 100;
    const text = not > 0 ? `${share < 99.95 ? share.toFixed(1) : "over 99.9"} % scored` : "all scored";
    return html`<button type="button" class=${R.classes("coverage", not > 0 && "partial")} title="Unscored footage" onClick=${() => R.dialog("night")}>
      <span class="meter" aria-hidden="true" ref=${R.vars({ "--share": `${share}%` })}><i /></span><span>${text}</span></button>`;
  };

  R.Progress = () => {
    const all = R.doc.events.length;
    const done = R.judged();
    return html`<div class="progress" id="progress"><span class="meter" role="progressbar" aria-label="Judged" aria-valuemin="0" aria-valuemax=${all || 1} aria-valuenow=${done} ref=${R.vars({ "--share": `${all ? (done / all) * 100 : 0}%` })}><i /></span><span><b>${R.whole(done)}</b> of ${R.whole(all)} judged</span></div>`;
  };

  const THEMES = { auto: ["light", "auto", "System colours"], light: ["dark", "sun", "Light colours"], dark: ["auto", "moon", "Dark colours"] };

  R.Header = () => {
    const { source, title } = R.doc;
    const [next, icon, words] = THEMES[R.theme()];
    const night = [R.isNumber(source.night) ? `Night ${source.night}` : null, R.utc(source.night_utc) || null].filter(Boolean).join(" · ");
    const pending = R.pending();
    return html`<header class="top">
      <div class="title"><h1 dir="auto">${R.text(title, 120)}</h1>
        <p>${night && html`<span>${night}</span>`}<span>${R.text(source.model_name || "model", 40)} <code>${short(source.model)}</code></span></p></div>
      <${R.Progress} />
      <${Coverage} />
      <div class="tools">
        ${pending > 0 && html`<button type="button" class="badge pending" id="pending" onClick=${() => R.keepServed.retry()}>${R.icon("warning")}${R.plural(pending, "verdict")} not sent</button>`}
        <${R.Button} icon="undo" label="Undo the last verdict" keys="U" disabled=${!R.canUndo()} onClick=${R.undo} />
        <${R.Button} id="export" icon="out" label="Export and import" keys="X" onClick=${() => R.dialog("export")}>Export<//>
        <${R.Button} icon="info" label="About this night" onClick=${() => R.dialog("night")} />
        <${R.Button} icon=${icon} label=${words} onClick=${() => { R.theme(next); R.announce(THEMES[next][2]); R.changed(); }} />
        <${R.Button} id="help" icon="keys" label="Keys and settings" keys="?" onClick=${() => R.dialog("help")} />
      </div>
    </header>`;
  };

  R.Notices = () => {
    const { banner, privacy } = R.doc;
    const own = [];
    if (R.ui.unkept) own.push({ level: "error", text: R.ui.unkept });
    if (R.ui.offline) own.push({ level: "warning", text: `Not connected: ${R.ui.offline}. Verdicts are stored in this browser and will be sent again.` });
    for (const { record, why } of R.ui.refused || []) own.push({ level: "error", text: `The server refused a verdict (${R.verdictName(record.verdict)}, ${record.camera}, ${R.offset(record.start_s)}): ${why}` });
    if (R.blind) own.push({ level: "info", text: "This page contains control spans: scores, curves and heat maps are shown after the verdict, and the order is random." });
    const about = privacy && privacy.text && !banner.notices.some((notice) => notice.code === "privacy") ? [{ level: "info", text: privacy.text }] : [];
    const worst = (notice) => ["error", "warning"].indexOf(notice.level) >>> 0; // other levels come last
    const all = [...own, ...banner.notices, ...about].sort((a, b) => worst(a) - worst(b));
    if (!all.length) return null;
    const open = R.setting("notices", true);
    const loud = all.filter((notice) => notice.level !== "info");
    const shown = open ? all : all.filter((notice) => notice.level === "error");
    const toggle = () => { R.keep("notices", !open); R.changed(); };
    return html`<section class="notices" aria-label="Notices">
      ${shown.length > 0 && html`<ul>${shown.map((notice, index) => html`<${Notice} key=${index} notice=${notice} />`)}</ul>`}
      <button type="button" class="button plain" aria-expanded=${String(open)} onClick=${toggle}>${open ? "Hide notices" : `${R.plural(all.length, "notice")}${loud.length ? `, ${loud.length} important` : ""}`}</button>
    </section>`;
  };

  const Camera = ({ camera }) => html`<tr><th scope="row"><bdi>${R.text(camera.name, 80)}</bdi></th><td dir="auto">${camera.purpose ? R.text(camera.purpose, 200) : html`<span class="soft">not stated</span>`}</td>
    <td>${R.isNumber(camera.retention_days) ? R.plural(camera.retention_days, "day") : html`<span class="soft">not stated</span>`}${camera.legal_hold ? " (legal hold)" : ""}</td>
    <td class="n">${R.score(camera.high)} / ${R.score(camera.low)}</td><td class="n">${R.isNumber(camera.budget) ? camera.budget : "–"}</td><td>${camera.time_zone ? R.text(camera.time_zone, 40) : "UTC"}</td></tr>`;

  const MAX_ROWS = 200;
  R.NightDialog = () => {
    const { source, settings, banner, cameras, privacy, not_scored: gaps } = R.doc;
    return html`<div class="night-dialog">
      <dl class="facts">
        <${Fact} name="Night">${R.isNumber(source.night) ? source.night : "–"}${source.night_utc ? html`, ${R.utc(source.night_utc)}` : null}<//>
        <${Fact} name="Model">${R.text(source.model_name || "", 60)} <code>${R.text(source.model, 80)}</code><//>
        <${Fact} name="Events"><span>${R.whole(banner.events)} found, ${R.whole(banner.shown)} on this page${banner.left_out ? `, ${R.whole(banner.left_out)} not shown` : ""}; snapshot ${source.events_snapshot ?? "–"}</span><//>
        <${Fact} name="Thresholds">events start at ${R.score(settings.high)} and end at ${R.score(settings.low)}; cameras can have their own<//>
        <${Fact} name="Spans">smoothed over ${R.length(settings.smooth_s)}, merged within ${R.length(settings.gap_s)}, at least ${R.length(settings.min_length_s)}<//>
        <${Fact} name="Coverage">${R.length(banner.scored_s)} scored, ${R.length(banner.not_scored_s)} not scored<//>
        <${Fact} name="Privacy">${privacy && privacy.pixelated ? `${privacy.pixelated} pixelated. ` : "not pixelated. "}${privacy && privacy.text ? R.text(privacy.text, 300) : ""}<//>
        <${Fact} name="Created">${R.utc(R.doc.made_utc)} by wsvad ${R.text(R.doc.wsvad, 40)} from <bdi>${R.text(source.root, 200)}</bdi><//>
      </dl>
      <h3>Cameras</h3>
      <div class="wide" tabindex="0" role="region" aria-label="Cameras"><table><thead><tr><th scope="col">Camera</th><th scope="col">Purpose</th><th scope="col">Retention</th><th scope="col" class="n">High / low</th><th scope="col" class="n">False events per day</th><th scope="col">Time zone</th></tr></thead>
        <tbody>${cameras.slice(0, MAX_ROWS).map((camera, index) => html`<${Camera} key=${index} camera=${camera} />`)}</tbody></table></div>
      ${cameras.length > MAX_ROWS ? html`<p>${R.whole(cameras.length - MAX_ROWS)} more cameras are not listed here.</p>` : null}
      <h3>Not scored</h3>
      ${gaps.length === 0
        ? html`<p>All listed footage was scored.</p>`
        : html`<p>These spans were not analysed, so events in them are unknown.</p>
          <div class="wide" tabindex="0" role="region" aria-label="Not scored"><table><thead><tr><th scope="col">Camera</th><th scope="col">Time</th><th scope="col">Position in the video</th><th scope="col">Reason</th></tr></thead><tbody>
          ${gaps.slice(0, MAX_ROWS).map((gap, index) => html`<tr key=${index}><th scope="row"><bdi>${R.text(R.camera(gap).name, 80)}</bdi></th><td>${R.utc(gap.start_utc) || gap.day || "–"}</td><td>${R.offset(gap.start_s)} – ${R.offset(gap.end_s)}<br /><small><bdi>${R.text(gap.video_id, 80)}</bdi></small></td><td dir="auto">${R.text(gap.reason, 80)}${gap.message ? html`<br /><small>${R.text(gap.message, 300)}</small>` : null}</td></tr>`)}
          </tbody></table></div>${gaps.length > MAX_ROWS ? html`<p>${R.whole(gaps.length - MAX_ROWS)} more are not listed here.</p>` : null}`}
    </div>`;
  };
})(window.Review);

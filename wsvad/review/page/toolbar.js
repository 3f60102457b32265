"use strict";
// Filters, order and layout.
(function (R) {
  const { html, useEffect, useRef, useState } = R;

  R.Button = ({ icon, label, keys, pressed, children, onClick, kind, disabled, id }) => html`<button type="button" id=${id || null} class=${R.classes("button", kind)} disabled=${disabled} aria-pressed=${pressed === undefined ? null : String(Boolean(pressed))}
      aria-label=${children ? null : label} title=${keys ? `${label} (${keys})` : label} onClick=${onClick}>${icon && R.icon(icon)}${children}</button>`;

  // A button that opens a panel of check boxes.
  const Several = ({ label, icon, options, chosen, onChange, id }) => {
    const [open, setOpen] = useState(false);
    const [word, setWord] = useState("");
    const place = useRef(null);
    useEffect(() => {
      if (!open) return undefined;
      const away = (event) => !place.current.contains(event.target) && setOpen(false);
      document.addEventListener("pointerdown", away);
      document.addEventListener("focusin", away);
      return () => {
        document.removeEventListener("pointerdown", away);
        document.removeEventListener("focusin", away);
      };
    }, [open]);
    const key = (event) => {
      if (event.key !== "Escape" || !open) return;
      event.stopPropagation();
      setOpen(false);
      place.current.querySelector("button").focus();
    };
    const names = options.filter((option) => chosen.includes(option.value)).map((option) => option.name);
    const text = names.length === 0 ? `All ${label}` : names.length === 1 ? names[0] : `${names.length} ${label}`;
    const found = options.filter((option) => option.name.toLowerCase().includes(word.toLowerCase()));
    const shown = found.slice(0, 200);
    const toggle = (value) => onChange(chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value]);
    return html`<div class="several" ref=${place} onKeyDown=${key}>
      <button type="button" id=${id} class=${R.classes("button select", chosen.length && "set")} aria-expanded=${String(open)} aria-label=${`Filter by ${label}: ${R.text(text, 60)}`} onClick=${() => setOpen(!open)}>${R.icon(icon)}<span class="cut">${R.text(text, 28)}</span>${R.icon("down")}</button>
      ${open && html`<div class="panel" role="group" aria-label=${label}>
        ${options.length > 8 && html`<input type="search" class="field" placeholder=${`Search ${label}`} aria-label=${`Search ${label}`} value=${word} onInput=${(event) => setWord(event.target.value)} />`}
        <div class="choices">${shown.map((option) => html`<label key=${option.value}><input type="checkbox" checked=${chosen.includes(option.value)} onChange=${() => toggle(option.value)} /><bdi>${R.text(option.name, 60)}</bdi><span class="count">${R.whole(option.count)}</span></label>`)}</div>
        ${found.length > shown.length && html`<p class="soft small">${R.whole(found.length - shown.length)} more: enter a part of the name</p>`}
        ${chosen.length > 0 && html`<button type="button" class="button" onClick=${() => onChange([])}>All ${label}</button>`}
      </div>`}
    </div>`;
  };

  const counted = (read) => {
    const counts = new Map();
    for (const event of R.doc.events) counts.set(read(event), (counts.get(read(event)) || 0) + 1);
    return counts;
  };
  const tally = new Map(); // counts over the whole document, which are constant
  const once = (name, make) => tally.get(name) || tally.set(name, make()).get(name);

  const VERDICTS = [["any", "Any verdict"], ["open", "Not judged"], ["judged", "Judged"], ["true", "True"], ["false", "False"], ["unsure", "Unsure"]];

  const Bound = ({ name, label }) => {
    const value = R.state[name];
    const change = (event) => {
      const text = event.target.value.trim();
      const number = Number(text);
      if (text === "") R.set({ [name]: null });
      else if (Number.isFinite(number)) R.set({ [name]: R.clamp(number, 0, 1) });
    };
    return html`<input type="number" class=${R.classes("field bound", value !== null && "set")} min="0" max="1" step="0.05" placeholder=${name === "low" ? "0" : "1"} aria-label=${label} value=${value === null ? "" : value} disabled=${R.blind} onChange=${change} />`;
  };

  R.Toolbar = () => {
    const s = R.state;
    const cameras = once("cameras", () => {
      const counts = counted((event) => event.camera);
      return R.doc.cameras.map((camera, value) => ({ value, name: camera.name, count: counts.get(value) || 0 }));
    });
    const days = once("days", () => {
      const counts = counted((event) => event.day);
      return R.days.map((day) => ({ value: day, name: day, count: counts.get(day) || 0 }));
    });
    const { count, items } = R.visible();
    const set = R.filtering();
    const folded = count - items.length;
    return html`<div class=${R.classes("toolbar", R.ui.filters && "shown")} role="search" aria-label="Filters and order">
      <label class="find">${R.icon("search")}<span class="unseen">Search in camera, name and notes</span><input id="find" type="search" placeholder="Search …" value=${s.q} onInput=${(event) => R.set({ q: event.target.value })} /><kbd aria-hidden="true">F</kbd></label>
      <button type="button" class=${R.classes("button filters-switch", set && "set")} aria-expanded=${String(Boolean(R.ui.filters))} aria-controls="filters" onClick=${() => { R.ui.filters = !R.ui.filters; R.changed(); }}>${R.icon("filter")}Filters${set ? ` · ${set}` : ""}</button>
      <div class="filters" id="filters">
        <${Several} id="cameras" label="cameras" icon="camera" options=${cameras} chosen=${s.cameras} onChange=${(chosen) => R.set({ cameras: chosen })} />
        ${days.length > 0 && html`<${Several} id="days" label="days" icon="day" options=${days} chosen=${s.days} onChange=${(chosen) => R.set({ days: chosen })} />`}
        <label class=${R.classes("choose", s.verdict !== "any" && "set")}><span class="unseen">Verdict</span><select id="verdict-filter" value=${s.verdict} onChange=${(event) => R.set({ verdict: event.target.value })}>${VERDICTS.map(([value, name]) => html`<option key=${value} value=${value} selected=${value === s.verdict}>${name}</option>`)}</select></label>
        <span class="range" role="group" aria-label="Score range" title=${R.blind ? "On this page, scores are shown after the verdict" : "Minimum and maximum score"}><span>Score</span><${Bound} name="low" label="Minimum score" /><span aria-hidden="true">–</span><${Bound} name="high" label="Maximum score" /></span>
        <${R.Button} id="region" icon="region" label="Filter by a region of the picture" kind=${s.region ? "set" : ""} onClick=${() => R.dialog("region")}>Region${s.region ? " set" : ""}<//>
        ${set > 0 && html`<button type="button" class="button plain" id="clear" onClick=${R.clearFilters}>Clear</button>`}
      </div>
      <div class="order">
        <span class="shown-count" id="count"><b>${R.whole(count)}</b> ${count === 1 ? "event" : "events"}${folded > 0 ? html`<span class="soft"> · ${R.whole(folded)} grouped</span>` : null}</span>
        <label class="choose"><span class="unseen">Order</span><select id="sort" value=${R.sort()} onChange=${(event) => R.set({ sort: event.target.value })}>${R.sorts().map((sort) => html`<option key=${sort.value} value=${sort.value} selected=${sort.value === R.sort()}>${sort.name}</option>`)}</select></label>
        <${R.Button} id="fold" icon="stack" label="Group similar events" pressed=${s.fold} disabled=${R.blind} onClick=${() => { R.unfolded.clear(); R.set({ fold: !s.fold }); }} />
        <span class="pair" role="group" aria-label="Layout">
          <${R.Button} icon="grid" label="Grid" keys="G" pressed=${s.layout === "grid"} onClick=${() => R.set({ layout: "grid" })} />
          <${R.Button} icon="list" label="List" keys="G" pressed=${s.layout === "list"} onClick=${() => R.set({ layout: "list" })} />
        </span>
      </div>
    </div>`;
  };
})(window.Review);

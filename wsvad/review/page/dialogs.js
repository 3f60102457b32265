"use strict";
// Dialogs: shortcuts and settings, export and import, region, night.
(function (R) {
  const { html, useLayoutEffect, useRef, useState } = R;
  R.dialog = (name) => {
    R.ui.dialog = name;
    R.changed();
  };

  const Dialog = ({ title, name, children }) => {
    const place = useRef(null);
    useLayoutEffect(() => {
      const element = place.current;
      const before = document.activeElement;
      element.showModal();
      return () => {
        if (element.open) element.close();
        if (before && before.isConnected) before.focus({ preventScroll: true });
      };
    }, []);
    return html`<dialog ref=${place} class=${name} aria-labelledby="dialog-title" onClose=${() => R.ui.dialog === name && R.dialog(null)} onClick=${(click) => click.target === place.current && R.dialog(null)}>
      <div class="sheet-body"><header><h2 id="dialog-title" tabindex="-1" autofocus=${true}>${title}</h2><${R.Button} icon="cross" label="Close" keys="Esc" kind="close" onClick=${() => R.dialog(null)} /></header>${children}</div>
    </dialog>`;
  };

  R.KEYS = [
    ["In the list", [["J K or → ←", "next, previous"], ["↓ ↑", "row below, above"], ["Enter", "open"], ["E", "show similar events"], ["G", "grid or list"], ["F or /", "search and filter"], ["Home End", "first, last"]]],
    ["Verdicts", [["1 2 3", "true, false, unsure; with Shift for near duplicates, too"], ["4", "missed: file the marked span"], ["U", "undo"], ["N", "note"], ["I O", "start and end of a missed span"]]],
    ["One event", [["Space", "play, pause"], [", .", "one frame back, forward"], ["← →", "one second back, forward"], ["[ ]", "slower, faster"], ["S", "start of the event"], ["H", "heat map"], ["B", "boxes"], ["Esc", "back to the list"]]],
    ["Page", [["X", "export and import"], ["?", "this list"]]],
  ];

  const Switch = ({ name, fallback, children, id }) => html`<label class="switch"><input type="checkbox" role="switch" id=${id || null} checked=${R.setting(name, fallback)} onChange=${(event) => { R.keep(name, event.target.checked); R.changed(); }} /><span>${children}</span></label>`;

  const Help = () => html`<div class="help-dialog">
    <div class="settings">
      <${Switch} id="keys-switch" name="keys" fallback=${true}>Single-key shortcuts<//>
      <${Switch} name="advance" fallback=${true}>Go to the next event after a verdict<//>
      <${Switch} name="previews" fallback=${true}>Play previews on hover<//>
      <${Switch} name="autoplay" fallback=${false}>Play when an event opens<//>
      <${Switch} name="smoothHeat" fallback=${false}>Smooth heat map<//>
    </div>
    <div class="keys">${R.KEYS.map(([group, rows]) => html`<section key=${group}><h3>${group}</h3><dl>${rows.map(([keys, words]) => html`<div key=${keys}><dt>${keys.split(" ").map((key, index) => (key === "or" ? html`<span key=${index}>or</span>` : html`<kbd key=${index}>${key}</kbd>`))}</dt><dd>${words}</dd></div>`)}</dl></section>`)}</div>
    <p class="soft small">Arrow keys, Enter, Space and Esc also work when single-key shortcuts are off.</p>
  </div>`;

  const Export = () => {
    const [state, setState] = useState("");
    const [scope, setScope] = useState("all");
    const file = useRef(null);
    const chosen = scope === "all" ? R.doc.events : R.visible().events;
    const served = R.mode === "served";
    const read = async () => {
      const [picked] = file.current.files;
      if (!picked) return;
      try {
        const { added, elsewhere, before } = await R.importText(await picked.text());
        const rest = [before ? `${before} already existed` : "", elsewhere ? `${elsewhere} refer to events that are not on this page` : ""].filter(Boolean).join(", ");
        setState(`${R.plural(added, "record")} imported${rest ? `; ${rest}` : ""}.`);
      } catch (error) {
        setState(error.message);
      }
      file.current.value = "";
    };
    const make = async () => {
      setState("Creating the case …");
      try {
        await R.exportCase(R.visible().events);
        setState("Case saved.");
      } catch (error) {
        setState(`No case: ${error.message}`);
      }
    };
    const Out = ({ what, format, id }) =>
      served && (what === "verdicts" || scope === "all")
        ? html`<a class="button" id=${id} download href=${`api/export?format=${format}&what=${what}`}>${R.icon("out")}${format.toUpperCase()}</a>`
        : html`<button type="button" class="button" id=${id} onClick=${() => R.exportFile(what, format, chosen)}>${R.icon("out")}${format.toUpperCase()}</button>`;
    return html`<div class="export-dialog">
      ${!served && html`<label class="note"><span>Your name, stored with each verdict</span><input class="field" id="reviewer" maxlength="100" autocomplete="name" value=${R.setting("reviewer", "")} onChange=${(event) => { R.keep("reviewer", event.target.value.trim()); R.changed(); }} /></label>`}
      <section><h3>Verdicts</h3><p>${R.plural(R.records().length, "record")}, ${R.progress()}. ${served ? "They are already stored on the server." : "They are stored only in this browser: export them, and import the file with wsvad verdicts --import."}</p>
        <div class="actions"><${Out} id="verdicts-json" what="verdicts" format="json" /><${Out} id="verdicts-csv" what="verdicts" format="csv" /></div></section>
      <section><h3>Events</h3>
        <div class="radios" role="radiogroup" aria-label="Which events">
          <label><input type="radio" name="scope" checked=${scope === "all"} onChange=${() => setScope("all")} />All ${R.whole(R.doc.events.length)}</label>
          <label><input type="radio" name="scope" id="scope-shown" checked=${scope === "shown"} onChange=${() => setScope("shown")} />${R.whole(R.visible().events.length)} matching the filters</label></div>
        <div class="actions"><${Out} id="events-json" what="events" format="json" /><${Out} id="events-csv" what="events" format="csv" /></div></section>
      <section><h3>Case</h3><p>${served ? "A zip file with clips, pictures and a page for the events that match the filters." : "A list of the events that match the filters, from which wsvad review --case creates a zip file with clips and pictures."}</p>
        <div class="actions"><button type="button" class="button" id="case" disabled=${R.visible().events.length === 0} onClick=${make}>${R.icon("out")}${served ? "Create a case" : "Save the list"} (${R.whole(R.visible().events.length)})</button></div></section>
      ${!served && html`<section><h3>Import</h3><p>Verdicts exported from this page in another browser or by another person.</p><label class="note"><span>Verdicts file (JSON)</span><input type="file" id="import" accept=".json,application/json" ref=${file} onChange=${read} /></label></section>`}
      <p role="status" class="state" id="exchange-state">${state}</p>
    </div>`;
  };

  R.Dialogs = () => {
    switch (R.ui.dialog) {
      case "help": return html`<${Dialog} key="help" name="help" title="Keys and settings"><${Help} /><//>`;
      case "export": return html`<${Dialog} key="export" name="export" title="Export and import"><${Export} /><//>`;
      case "region": return html`<${Dialog} key="region" name="region" title="Region of the picture"><${R.RegionDialog} /><//>`;
      case "night": return html`<${Dialog} key="night" name="night" title="About this night"><${R.NightDialog} /><//>`;
      default: return null;
    }
  };
})(window.Review);

"use strict";
// Entry point: reads the document and the verdicts, renders, and renders again after each change.
(function (R) {
  const { html, render, useEffect, useLayoutEffect, useState } = R;
  const place = R.by("app");
  const WIDE = "(min-width: 75em) and (min-height: 36em)"; // enough space for the list beside the event

  const App = () => {
    const [, again] = useState(0);
    const [wide, setWide] = useState(matchMedia(WIDE).matches);
    useLayoutEffect(() => R.onChange(() => again((count) => count + 1)), []); // synchronous: a change may precede the first paint
    useEffect(() => {
      const query = matchMedia(WIDE);
      const change = () => setWide(query.matches);
      query.addEventListener("change", change);
      return () => query.removeEventListener("change", change);
    }, []);
    const event = R.state.open ? R.byId.get(R.state.sel) : null;
    const split = Boolean(event) && wide;
    return html`<div class=${R.classes("app", event && "has-event", split && "split")}>
      <a class="skip" href=${event ? "#detail-title" : "#events"} onClick=${(click) => { click.preventDefault(); (R.by("detail-title") || R.by("events")).focus(); }}>Skip to the events</a>
      <${R.Header} />
      ${!event && html`<${R.Notices} />`}
      ${(!event || split) && html`<${R.Toolbar} />`}
      <div class="panes">
        ${!event ? html`<main class="list-pane" aria-label="Events"><${R.List} key="whole" split=${false} /></main>` : null}
        ${split ? html`<nav class="list-pane" aria-label="Events"><${R.List} key="split" split=${true} /></nav>` : null}
        ${event && html`<${R.Detail} event=${event} />`}
      </div>
      <${R.Dialogs} />
      <${R.RampFilter} />
    </div>`;
  };

  const failed = (error) => {
    const retry = R.mode === "served";
    const what = error.status === 401 || error.status === 403 ? "Your session is not valid. Open the link printed by the server again." : "";
    render(html`<main class="empty" role="alert">${R.icon("error")}<h1>The review cannot be opened</h1><p dir="auto">${R.text(error.message, 400)}</p>${what && html`<p>${what}</p>`}${retry && html`<button type="button" class="button primary" onClick=${() => location.reload()}>Try again</button>`}</main>`, place);
  };

  async function start() {
    R.theme();
    try {
      await R.load();
      R.takeFromDocument();
      R.readDrafts();
      R.readHash();
    } catch (error) {
      failed(error);
      return;
    }
    document.title = R.text(R.doc.title, 120);
    place.textContent = "";
    if (!R.ui.focus) R.ui.focus = R.state.open ? "detail" : "list";
    render(html`<${App} />`, place);
    window.addEventListener("popstate", () => {
      R.readHash();
      R.ui.focus = R.state.open ? "detail" : "list";
    });
    R.ready = performance.now();
    document.documentElement.dataset.ready = "1";
    await R.startKeeping(); // verdicts of earlier sessions appear shortly after the list
    document.documentElement.dataset.kept = "1";
    R.changed();
  }
  start();
})(window.Review);

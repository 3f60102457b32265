"use strict";
// Virtualised list of events: only rows near the viewport exist, all of equal height, so that ten thousand events are fast.
(function (R) {
  const { html, useEffect, useLayoutEffect, useRef, useState } = R;
  const GAP = 14;
  const MIN_WIDTH = 232; // minimum width of a card in the grid, px
  const OVERSCAN = 2;

  const rowsOf = (width, split) => {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    if (split || R.state.layout === "list") return { columns: 1, height: 84 * rem, gap: 6 };
    const columns = Math.max(1, Math.floor((width + GAP) / (MIN_WIDTH * rem + GAP)));
    const card = (width - GAP * (columns - 1)) / columns;
    return { columns, height: Math.round((card * 9) / 16 + 102 * rem), gap: GAP };
  };

  // The visible part of the list: it scrolls separately on large screens, with the page on small ones.
  const seen = (scroller, inner) => {
    const top = inner.getBoundingClientRect().top;
    const frame = scroller.getBoundingClientRect();
    return [Math.max(0, frame.top) - top, Math.min(window.innerHeight, frame.bottom) - top];
  };

  R.List = ({ split }) => (R.visible().items.length ? html`<${Rows} split=${split} />` : html`<${R.Empty} />`);

  const Rows = ({ split }) => {
    const scroller = useRef(null);
    const inner = useRef(null);
    const [view, setView] = useState({ width: 0, from: 0, to: 6 });
    const { items, count } = R.visible();
    const shape = rowsOf(view.width || 900, split);
    R.columns = shape.columns;
    const pitch = shape.height + shape.gap;
    const total = Math.ceil(items.length / shape.columns);
    const at = Math.max(0, R.place());
    const activeRow = Math.floor(at / shape.columns);

    const look = () => {
      if (!inner.current) return;
      const width = inner.current.clientWidth;
      const now = rowsOf(width, split);
      const [top, bottom] = seen(scroller.current, inner.current);
      const step = now.height + now.gap;
      const next = { width, from: Math.max(0, Math.floor(top / step) - OVERSCAN), to: Math.max(1, Math.ceil(bottom / step) + OVERSCAN) };
      setView((old) => (old.width === next.width && old.from === next.from && old.to === next.to ? old : next));
    };
    useLayoutEffect(look);
    useEffect(() => {
      document.addEventListener("scroll", look, { capture: true, passive: true });
      window.addEventListener("resize", look);
      const watch = new ResizeObserver(look);
      watch.observe(scroller.current);
      return () => {
        document.removeEventListener("scroll", look, { capture: true });
        window.removeEventListener("resize", look);
        watch.disconnect();
      };
    }, [split]);

    // Scroll to the selected event when the selection changes, not when the user scrolls away from it.
    useLayoutEffect(() => {
      const [top, bottom] = seen(scroller.current, inner.current);
      const [start, end] = [activeRow * pitch, activeRow * pitch + shape.height];
      const by = start < top + 8 ? start - top - 8 : end > bottom - 8 ? end - bottom + 8 : 0;
      const own = scroller.current.scrollHeight > scroller.current.clientHeight + 1;
      if (by && (R.state.sel || R.state.open) && !(R.state.open && !split)) (own ? scroller.current : window).scrollBy(0, by);
    }, [R.state.sel, shape.columns, R.state.layout, split]);
    useLayoutEffect(() => {
      if (R.ui.focus === "list" && scroller.current) {
        R.ui.focus = null;
        scroller.current.focus({ preventScroll: true });
      }
    });

    const numbers = [];
    const last = Math.min(total, view.to);
    for (let row = Math.min(view.from, Math.max(0, total - 1)); row < last; row++) numbers.push(row);
    if (!numbers.includes(activeRow)) numbers.push(activeRow); // the focused row always exists
    const place = (row) => R.vars({ "--y": `${row * pitch}px`, "--h": `${shape.height}px`, "--columns": shape.columns, "--gap": `${shape.gap}px` });
    return html`<div class=${R.classes("events", shape.columns === 1 && (split || R.state.layout === "list") ? "as-list" : "as-grid")} ref=${scroller} role="grid" tabindex="0" id="events"
        aria-label=${`${R.plural(count, "event")}: ${R.sorts().find((sort) => sort.value === R.sort()).name.toLowerCase()}`} aria-rowcount=${total} aria-colcount=${shape.columns}
        aria-activedescendant=${"event-" + items[at].event.index} onFocus=${() => { R.ui.lively = true; R.changed(); }} onBlur=${() => { R.ui.lively = false; R.changed(); }}>
      <div class="inner" role="presentation" ref=${(element) => { inner.current = element; R.vars({ "--all": `${Math.max(0, total * pitch - shape.gap)}px` })(element); }}>
        ${numbers.map((row) => html`<div role="row" class="row" key=${row} aria-rowindex=${row + 1} ref=${place(row)}>
          ${items.slice(row * shape.columns, (row + 1) * shape.columns).map((item, column) => {
            const index = row * shape.columns + column;
            return html`<${R.Card} key=${item.event.id} item=${item} index=${index} columns=${shape.columns} active=${index === at} />`;
          })}
        </div>`)}
      </div>
    </div>`;
  };

  R.Empty = () => {
    const none = R.doc.events.length === 0;
    const { banner } = R.doc;
    return html`<div class="empty" id="events" tabindex="-1">
      ${R.icon(none ? "check" : "filter")}
      <h2>${none ? "No event above the thresholds" : "No event matches these filters"}</h2>
      ${none
        ? html`<p>${R.length(banner.scored_s)} of video was scored. ${banner.not_scored_s > 0 ? `${R.length(banner.not_scored_s)} was not scored, so events in it are unknown.` : "No footage was left out."}</p>`
        : html`<p>${R.plural(R.doc.events.length, "event")} on this page.</p><button type="button" class="button primary" onClick=${R.clearFilters}>Clear all filters</button>`}
    </div>`;
  };
})(window.Review);

"use strict";
// Filter by a region of the picture: events with an overlapping box match.
(function (R) {
  const { html, useRef, useState } = R;

  // The picture to draw on: that of the selected event, otherwise the first available one.
  const pictureFor = () => {
    const current = R.current();
    if (current && current.poster) return current;
    return R.doc.events.find((event) => event.poster && R.passes({ ...event, boxes: null })) || R.doc.events.find((event) => event.poster) || null;
  };
  const round = (share) => Math.round(R.clamp(share, 0, 1) * 1000) / 1000;
  const order = ([x1, y1, x2, y2]) => [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)].map(round);

  R.RegionDialog = () => {
    const event = useRef(pictureFor()).current;
    const [region, setRegion] = useState(R.state.region || [0.25, 0.25, 0.75, 0.75]);
    const [from, setFrom] = useState(null);
    const at = (pointer) => {
      const frame = pointer.currentTarget.getBoundingClientRect();
      return [(pointer.clientX - frame.left) / frame.width, (pointer.clientY - frame.top) / frame.height];
    };
    const down = (pointer) => {
      pointer.currentTarget.setPointerCapture(pointer.pointerId);
      setFrom(at(pointer));
    };
    const move = (pointer) => from && setRegion(order([...from, ...at(pointer)]));
    const up = (pointer) => {
      move(pointer);
      setFrom(null);
    };
    const key = (press) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[press.key];
      if (!step) return;
      press.preventDefault();
      const by = step.map((one) => one * 0.02);
      const [x1, y1, x2, y2] = region;
      if (press.shiftKey) setRegion([x1, y1, round(Math.max(x1 + 0.02, x2 + by[0])), round(Math.max(y1 + 0.02, y2 + by[1]))]);
      else {
        const [dx, dy] = [R.clamp(by[0], -x1, 1 - x2), R.clamp(by[1], -y1, 1 - y2)];
        setRegion([x1 + dx, y1 + dy, x2 + dx, y2 + dy].map(round));
      }
    };
    const ratio = event && event.width && event.height ? `${event.width} / ${event.height}` : "16 / 9";
    const place = R.vars({ left: `${region[0] * 100}%`, top: `${region[1] * 100}%`, width: `${(region[2] - region[0]) * 100}%`, height: `${(region[3] - region[1]) * 100}%` });
    const whole = region.map((share) => Math.round(share * 100));
    const edges = [["Left", 0], ["Top", 1], ["Right", 2], ["Bottom", 3]];
    const type = (index) => (input) => {
      const next = [...region];
      next[index] = round(Number(input.target.value) / 100);
      setRegion(order(next));
    };
    const without = R.doc.events.filter((one) => !R.shares(one).length).length;
    return html`<div class="region-dialog">
      <p>Draw on the picture. Events match if one of their boxes overlaps the region${without ? `; ${R.plural(without, "event")} without a box never match` : ""}.</p>
      <div class="canvas" ref=${R.vars({ "aspect-ratio": ratio })} tabindex="0" role="application" aria-label=${`Region: left ${whole[0]} %, top ${whole[1]} %, right ${whole[2]} %, bottom ${whole[3]} %. Arrow keys move it, Shift with arrow keys resizes it.`}
          onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onKeyDown=${key}>
        ${event ? html`<img src=${event.poster} alt="" draggable=${false} />` : html`<span class="blank">No picture available; enter the edges below.</span>`}
        <span class="drawn" ref=${place} />
      </div>
      <div class="edges">${edges.map(([name, index]) => html`<label key=${name}>${name} %<input class="field" type="number" min="0" max="100" value=${whole[index]} onChange=${type(index)} /></label>`)}</div>
      <div class="actions">
        ${R.state.region && html`<button type="button" class="button" onClick=${() => { R.set({ region: null }); R.dialog(null); }}>Remove the region</button>`}
        <button type="button" class="button primary" id="use-region" onClick=${() => { R.set({ region }); R.dialog(null); }}>Apply the region</button>
      </div>
    </div>`;
  };
})(window.Review);

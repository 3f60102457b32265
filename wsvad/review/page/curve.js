"use strict";
// Score curve of an event with thresholds, annotations if available, and unscored spans.
(function (R) {
  const { html, useEffect, useRef } = R;
  const HEIGHT = 190;

  // Insert null values where times have a gap, so that no line is drawn across unscored spans.
  const withGaps = (curve) => {
    const { t, score, smooth } = curve;
    const steps = t.slice(1).map((value, index) => value - t[index]).sort((a, b) => a - b);
    const usual = steps.length ? steps[Math.floor(steps.length / 2)] : 1;
    const out = [[], [], []];
    t.forEach((value, index) => {
      if (index && value - t[index - 1] > 1.75 * usual) [(value + t[index - 1]) / 2, null, null].forEach((one, row) => out[row].push(one));
      [value, score[index], smooth ? smooth[index] : null].forEach((one, row) => out[row].push(one));
    });
    return out;
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const hatch = (pen, x, y, width, height, ink) => {
    pen.save();
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.clip();
    pen.strokeStyle = ink;
    pen.lineWidth = 1.25 * devicePixelRatio;
    pen.beginPath();
    const step = 7 * devicePixelRatio;
    for (let at = x - height; at < x + width; at += step) {
      pen.moveTo(at, y + height);
      pen.lineTo(at + height, y);
    }
    pen.stroke();
    pen.restore();
  };

  const paintUnder = (plot, event, hidden) => {
    const { ctx: pen } = plot;
    const { top, height, left, width } = plot.bbox;
    const pixel = devicePixelRatio;
    const x = (seconds) => R.clamp(plot.valToPos(seconds, "x", true), left, left + width);
    const band = (from, to, fill, line, dash = []) => {
      const [a, b] = [x(from), Math.max(x(to), x(from) + pixel)];
      if (fill) {
        pen.fillStyle = fill;
        pen.fillRect(a, top, b - a, height);
      }
      if (!line) return;
      pen.strokeStyle = line;
      pen.lineWidth = pixel;
      pen.setLineDash(dash.map((one) => one * pixel));
      pen.strokeRect(a, top + pixel, b - a, height - 2 * pixel);
      pen.setLineDash([]);
    };
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    for (const [from, to] of event.gaps || []) {
      band(from, to, colour("--gap-fill"), null);
      hatch(pen, x(from), top, x(to) - x(from), height, colour("--gap-line"));
    }
    if (!hidden) for (const [from, to] of event.neighbours || []) band(from, to, colour("--near-fill"), colour("--near-line"), [3, 3]);
    band(event.start_s, event.end_s, colour("--event-fill"), colour("--event-line"));
    for (const record of R.missedIn(event)) band(record.start_s, record.end_s, colour("--missed-fill"), colour("--missed-line"), [6, 3]);
    const mark = R.ui.mark;
    if (mark) {
      const from = mark.from ?? mark.to;
      band(from, mark.to ?? mark.from, colour("--missed-fill"), colour("--missed-line"));
    }
    for (const [from, to] of (hidden ? [] : event.truth) || []) {
      pen.fillStyle = colour("--truth");
      pen.fillRect(x(from), top, x(to) - x(from), 7 * pixel);
    }
    pen.restore();
  };

  const paintOver = (plot, event, hidden) => {
    if (hidden) return;
    const { ctx: pen } = plot;
    const { left, width } = plot.bbox;
    pen.save();
    pen.lineWidth = 1.25 * devicePixelRatio;
    pen.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    pen.textAlign = "right";
    for (const [value, name, dash] of [[event.high, "high", [6, 3]], [event.low, "low", [2, 3]]]) {
      if (!R.isNumber(value)) continue;
      const y = plot.valToPos(value, "y", true);
      pen.strokeStyle = pen.fillStyle = colour("--threshold");
      pen.setLineDash(dash.map((one) => one * devicePixelRatio));
      pen.beginPath();
      pen.moveTo(left, y);
      pen.lineTo(left + width, y);
      pen.stroke();
      pen.textBaseline = name === "high" ? "bottom" : "top";
      pen.fillText(`${name} ${R.score(value)}`, left + width - 4 * devicePixelRatio, y + (name === "high" ? -2 : 2) * devicePixelRatio);
    }
    pen.restore();
  };

  const words = (event, hidden) => {
    const curve = event.curve;
    if (hidden) return "The score curve is shown after the verdict. Click to seek, drag to mark a missed span.";
    const all = curve.score.filter(R.isNumber);
    if (!all.length) return "No scores around this event.";
    const gaps = (event.gaps || []).length;
    return `Score from ${R.offset(curve.t[0])} to ${R.offset(curve.t.at(-1))}: minimum ${R.score(Math.min(...all))}, maximum ${R.score(Math.max(...all))} at ${R.offset(event.peak_s)}. ` +
      `Event ${R.offset(event.start_s)} to ${R.offset(event.end_s)}, threshold ${R.score(event.high)}.` + (gaps ? ` ${R.plural(gaps, "unscored span")}.` : "");
  };

  R.Curve = ({ event }) => {
    const place = useRef(null);
    const plot = useRef(null);
    const hidden = R.hidden(event);
    const curve = event.curve && event.curve.t.length ? event.curve : null;

    useEffect(() => {
      if (!curve) return undefined;
      const host = place.current;
      const data = withGaps(curve);
      if (hidden) data[1] = data[2] = data[0].map(() => null);
      const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--rule-soft"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
      const gaps = (event.gaps || []).flatMap(([from, to]) => [from, to]);
      const range = [Math.min(curve.t[0], event.start_s, ...gaps), Math.max(curve.t.at(-1), event.end_s, ...gaps)];
      let pressed = 0;
      const made = new uPlot(
        {
          width: Math.max(200, host.clientWidth), height: HEIGHT, legend: { show: false }, padding: [8, 18, 0, 0],
          scales: { x: { time: false, range: () => range }, y: { range: () => [0, 1] } },
          axes: [
            { ...axis, size: 26, values: (_, ticks) => ticks.map((tick) => R.offset(tick, 0)), space: 70, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600] },
            { ...axis, size: 34, values: (_, ticks) => ticks.map((tick) => tick.toFixed(1)), splits: () => [0, 0.2, 0.4, 0.6, 0.8, 1] },
          ],
          series: [
            {},
            { label: "score", stroke: () => colour("--raw"), width: 1, points: { show: false }, spanGaps: false },
            { label: "smoothed", stroke: () => colour("--accent-line"), width: 2.25, points: { show: false }, spanGaps: false },
          ],
          cursor: { y: false, drag: { x: true, y: false, setScale: false, dist: 5 }, points: { show: !hidden, size: 7 } },
          hooks: {
            drawClear: [(one) => paintUnder(one, event, R.hidden(event))],
            draw: [(one) => paintOver(one, event, R.hidden(event))],
            setSelect: [(one) => {
              const { left, width } = one.select;
              if (width < 5) return;
              R.mark({ from: one.posToVal(left, "x"), to: one.posToVal(left + width, "x") });
              one.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            }],
          },
        },
        data,
        host,
      );
      plot.current = made;
      const head = document.createElement("div");
      head.className = "playhead";
      head.hidden = true;
      made.over.append(head);
      const move = (time) => {
        head.hidden = false;
        head.style.transform = `translateX(${made.valToPos(R.clamp(time, range[0], range[1]), "x")}px)`;
        head.classList.toggle("off", time < range[0] || time > range[1]);
      };
      const stop = R.onTime(move);
      const down = (pointer) => (pressed = pointer.clientX);
      const click = (pointer) => {
        if (Math.abs(pointer.clientX - pressed) > 4 || !R.player) return;
        const seconds = made.posToVal(pointer.clientX - made.over.getBoundingClientRect().left, "x");
        if (seconds < R.player.from - 0.05 || seconds > R.player.to + 0.05) R.announce("Outside the clip.");
        R.player.seek(R.clamp(seconds, R.player.from, R.player.to));
      };
      made.over.addEventListener("mousedown", down);
      made.over.addEventListener("click", click);
      const watch = new ResizeObserver(() => {
        if (host.clientWidth > 0 && host.clientWidth !== made.width) made.setSize({ width: host.clientWidth, height: HEIGHT });
        if (R.player && R.player.time !== null) move(R.player.time);
      });
      watch.observe(host);
      const again = () => made.redraw(false);
      window.addEventListener("review-theme", again);
      const dark = matchMedia("(prefers-color-scheme: dark)");
      dark.addEventListener("change", again);
      return () => {
        stop();
        watch.disconnect();
        window.removeEventListener("review-theme", again);
        dark.removeEventListener("change", again);
        made.destroy();
        plot.current = null;
      };
    }, [event.id, hidden]);
    useEffect(() => plot.current && plot.current.redraw(false), [R.ui.mark, R.version]);

    if (!curve) return html`<p class="curve-none">${R.icon("info")}No scores around this event are available.</p>`;
    const has = (list) => Boolean(list && list.length);
    const keys = [
      !hidden && ["smooth", "smoothed score"], !hidden && ["raw", "score of each clip"], !hidden && ["threshold", "thresholds"], ["event", "this event"],
      !hidden && has(event.neighbours) && ["near", "other events"], !hidden && has(event.truth) && ["truth", "annotated anomaly"], has(event.gaps) && ["gap", "not scored"],
      (has(R.missedIn(event)) || R.ui.mark) && ["missed", "missed, marked"],
    ].filter(Boolean);
    return html`<figure class="curve">
      <div class="plot" ref=${place} role="img" aria-label=${words(event, hidden)} />
      ${hidden && html`<p class="veil">${R.icon("hidden")}The curve is shown after the verdict</p>`}
      <figcaption>${keys.map(([kind, name]) => html`<span key=${kind}><i class=${"key " + kind} />${name}</span>`)}<span class="soft hint">click to seek, drag to mark</span></figcaption>
    </figure>`;
  };
})(window.Review);

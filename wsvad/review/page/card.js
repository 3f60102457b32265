"use strict";
// Card of an event in the list: picture, time and camera, score relative to the threshold, verdict.
(function (R) {
  const { html, useState, useEffect, useRef } = R;

  R.Verdict = ({ record, small }) => {
    const verdict = record ? R.VERDICTS.find((one) => one.value === record.verdict) : null;
    if (!verdict) return small ? null : html`<span class="pill open">${R.icon("dot")}Not judged</span>`;
    return html`<span class=${"pill " + verdict.value}>${R.icon(verdict.icon)}${verdict.name}</span>`;
  };

  // The bar shows 0 to 1; the tick is the camera's threshold, and the part above it has the accent colour.
  R.ScoreBar = ({ event }) => {
    if (R.hidden(event)) return html`<span class="bar-row hush">${R.icon("hidden")}Score shown after the verdict</span>`;
    const set = R.vars({ "--score": event.score, "--high": event.high });
    const words = `score ${R.score(event.score)}, ${R.signed(event.excess)} relative to the threshold ${R.score(event.high)}`;
    return html`<span class="bar-row" title=${words}>
      <span class=${R.classes("bar", event.score < event.high && "below")} ref=${set} aria-hidden="true"><i class="base" /><i class="over" /><i class="tick" /></span>
      <span class="number" aria-hidden="true">${R.score(event.score)}</span><span class="excess" aria-hidden="true">${R.signed(event.excess)}</span>
      <span class="unseen">${words}</span>
    </span>`;
  };

  const Boxes = ({ event }) => {
    const boxes = R.hidden(event) ? [] : (event.box ? [event.box] : event.boxes || []).slice(0, 1);
    if (!boxes.length || !event.width || !event.height) return null;
    const [x1, y1, x2, y2] = boxes[0];
    return html`<svg class="boxes" viewBox=${`0 0 ${event.width} ${event.height}`} preserveAspectRatio="xMidYMid meet" aria-hidden="true">
      <rect x=${x1} y=${y1} width=${Math.max(0, x2 - x1)} height=${Math.max(0, y2 - y1)} />
    </svg>`;
  };

  // A poster. When hovered or focused, the film strip plays once (under five seconds), or follows the pointer with reduced motion.
  R.Poster = ({ event, lively }) => {
    const [failed, setFailed] = useState(0);
    const [over, setOver] = useState(false);
    const strip = useRef(null);
    const scrub = useRef(null);
    const version = event.renewed || 0;
    const sheet = event.strip;
    const running = Boolean(sheet) && (over || lively) && R.setting("previews", true);

    useEffect(() => {
      const place = strip.current;
      if (!running || !place) return undefined;
      const count = sheet.times_s.length;
      place.style.backgroundImage = `url(${JSON.stringify(sheet.src)})`;
      place.style.backgroundSize = `${sheet.columns * 100}% ${sheet.rows * 100}%`;
      place.style.aspectRatio = `${sheet.width} / ${sheet.height}`;
      const show = (number) => {
        const [column, row] = [number % sheet.columns, Math.floor(number / sheet.columns)];
        const share = (at, all) => (all > 1 ? (at / (all - 1)) * 100 : 0);
        place.style.backgroundPosition = `${share(column, sheet.columns)}% ${share(row, sheet.rows)}%`;
      };
      let at = 0;
      show(0);
      scrub.current = (share) => {
        clearInterval(timer);
        show(R.clamp(Math.floor(share * count), 0, count - 1));
      };
      const timer = R.still() ? 0 : setInterval(() => (++at < count ? show(at) : clearInterval(timer)), Math.min(160, 4500 / count));
      return () => {
        clearInterval(timer);
        scrub.current = null;
      };
    }, [running, event.id, version]);

    const move = (pointer) => {
      if (!scrub.current || pointer.pointerType !== "mouse" || !R.still()) return;
      const frame = pointer.currentTarget.getBoundingClientRect();
      scrub.current((pointer.clientX - frame.left) / frame.width);
    };
    const missing = !event.poster || failed > version;
    return html`<span class="poster" onPointerEnter=${(p) => p.pointerType === "mouse" && setOver(true)} onPointerLeave=${() => setOver(false)} onPointerMove=${move}>
      ${missing
        ? html`<span class="blank">${R.icon("film")}<span>${R.text(event.media_error || "No picture", 90)}</span></span>`
        : html`<img src=${event.poster} alt="" loading="lazy" decoding="async" draggable=${false} onError=${() => { setFailed(version + 1); R.renew(event); }} />`}
      ${!missing && html`<${Boxes} event=${event} />`}
      ${running && html`<span class="strip" ref=${strip} />`}
      <span class="length">${R.length(event.end_s - event.start_s)}</span>
    </span>`;
  };

  R.Card = ({ item, active, index, columns }) => {
    const { event } = item;
    const when = R.when(event);
    const verdict = R.verdict(event);
    const others = R.others(event);
    const choose = (click) => {
      if (click.target.closest("[data-unfold]")) return;
      R.openEvent(event.id);
    };
    const fold = item.more > 0;
    const names = R.classes("card", active && "active", verdict && "judged", item.member && "member", item.open && "unfolded");
    return html`<div role="gridcell" id=${"event-" + event.index} class=${names} aria-colindex=${(index % columns) + 1} aria-selected=${active ? "true" : "false"} data-event=${event.id} onClick=${choose}>
      <${R.Poster} key=${event.id} event=${event} lively=${active && !R.state.open && R.ui.lively} />
      <span class="lines">
        <span class="line head"><time class="time" title=${R.utc(event.start_utc) || null}>${when.main}</time><span class="day">${R.text(when.side, 40)}${when.zone ? html` <span class="zone">${R.text(when.zone, 40)}</span>` : null}</span><${R.Verdict} record=${verdict} small=${true} /></span>
        <span class="line"><bdi class="camera">${R.text(R.camera(event).name, 60)}</bdi><bdi class="name" title=${R.text(event.name)}>${R.text(event.name, 80)}</bdi></span>
        <${R.ScoreBar} event=${event} />
      </span>
      <span class="badges">
        ${others.length > 0 && html`<span class="badge" title=${others.map((one) => `${R.text(one.reviewer, 40)}: ${R.verdictName(one.verdict)}`).join("\n")}>${R.icon("people")}${others.length}<span class="unseen"> other ${others.length === 1 ? "verdict" : "verdicts"}</span></span>`}
        ${event.continues && !R.hidden(event) && html`<span class="badge" title="continues in the next video">${R.icon("right")}<span class="unseen">continues in the next video</span></span>`}
        ${fold && html`<button type="button" class="badge fold" tabindex="-1" data-unfold="1" aria-expanded=${item.open ? "true" : "false"} title="similar events (E)" onClick=${() => R.unfold(item.group)}>${R.icon("stack")}${item.open ? "fold" : `+${item.more} similar`}</button>`}
      </span>
    </div>`;
  };
})(window.Review);

"use strict";
// Player of an event with heat map and boxes, and its controls.
(function (R) {
  const { html, useEffect, useLayoutEffect, useRef, useState } = R;
  const SPEEDS = [0.25, 0.5, 1, 2, 4];
  const listeners = new Set();
  R.player = null; // {time, from, to, playing, seek, toggle, frame, faster}
  R.onTime = (listener) => {
    listeners.add(listener);
    if (R.player && R.player.time !== null) listener(R.player.time);
    return () => listeners.delete(listener);
  };
  R.heatOn = () => R.setting("heat", true);
  R.toggleHeat = () => {
    R.keep("heat", !R.heatOn());
    R.announce(R.heatOn() ? "Heat map shown." : "Heat map hidden.");
    R.changed();
  };
  R.toggleBoxes = () => {
    R.keep("boxes", !R.setting("boxes", true));
    R.announce(R.setting("boxes", true) ? "Boxes shown." : "Boxes hidden.");
    R.changed();
  };

  const canPlay = (clip) => Boolean(clip) && (!clip.type || document.createElement("video").canPlayType(clip.type) !== "");

  const Blank = ({ why }) => html`<div class="blank">${R.icon("film")}<p dir="auto">${why}</p></div>`;

  R.Legend = () => html`<span class="legend-heat" title="The same scale for all events"><span aria-hidden="true">0</span><i ref=${R.vars({ "background-image": R.rampCss })} role="img" aria-label="Colour scale of the heat map, from score 0 to score 1" /><span aria-hidden="true">1</span></span>`;

  R.Player = ({ event }) => {
    const version = event.renewed || 0;
    const [failed, setFailed] = useState(null);
    const [running, setRunning] = useState(false);
    const [speed, setSpeed] = useState(1);
    const [heatError, setHeatError] = useState(false);
    const refs = { screen: useRef(null), media: useRef(null), heat: useRef(null), boxes: useRef(null), range: useRef(null), label: useRef(null) };
    const hidden = R.hidden(event);
    const clip = event.clip && !failed && canPlay(event.clip) ? event.clip : null;
    const sheet = !clip && event.strip && event.strip.times_s.length ? event.strip : null;
    const kind = clip ? "clip" : sheet ? "strip" : "none";
    const source = clip ? clip.src : sheet ? sheet.src : "";
    const heat = hidden ? null : event.heat;
    const boxes = hidden ? [] : R.shares(event);
    const drawing = useRef({});
    drawing.current = { heat, boxes, event, heatOn: R.heatOn(), boxesOn: R.setting("boxes", true) };
    const image = useRef(null);

    const paint = () => {
      const { heat: now, boxes: all, event: one, heatOn, boxesOn } = drawing.current;
      const time = R.player ? R.player.time : null;
      if (!refs.heat.current || !refs.boxes.current) return;
      const number = heatOn && image.current ? R.clipAt(now, time) : -1;
      R.drawHeat(refs.heat.current, image.current, number, now ? now.grid || 7 : 7);
      refs.heat.current.dataset.clip = number;
      const inside = time !== null && time >= one.start_s - 0.0006 && time < one.end_s;
      R.drawBoxes(refs.boxes.current, all, boxesOn && inside);
      refs.boxes.current.dataset.shown = boxesOn && inside ? all.length : 0;
    };
    const emit = (time) => {
      if (!R.player) return;
      R.player.time = time;
      paint();
      if (refs.screen.current) refs.screen.current.dataset.time = time.toFixed(4);
      if (refs.label.current) refs.label.current.textContent = R.offset(time, 2);
      if (refs.range.current && document.activeElement !== refs.range.current) refs.range.current.value = time;
      if (refs.range.current) refs.range.current.setAttribute("aria-valuetext", R.offset(time, 1));
      for (const listener of listeners) listener(time);
    };
    const trouble = async () => {
      if (await R.renew(event)) return;
      setFailed("This browser cannot play the clip");
      R.announce("The clip cannot be played. The film strip is shown.");
    };

    useEffect(() => setFailed(null), [event.id, version]);
    useLayoutEffect(() => {
      const span = clip ? [clip.start_s, clip.end_s] : sheet ? [sheet.times_s[0], sheet.times_s.at(-1)] : [event.start_s, event.end_s];
      R.player = { kind, time: null, from: span[0], to: span[1], seek: () => {}, toggle: () => {}, frame: () => {}, speed: () => {}, stop: () => {} };
      const media = refs.media.current;
      if (clip) Object.assign(R.player, R.clipPlayer(media, clip, event.start_s, emit, setRunning, trouble));
      else if (sheet) Object.assign(R.player, R.stripPlayer(media, sheet, event.start_s, emit, setRunning));
      R.player.speed(speed);
      const mine = R.player;
      return () => {
        mine.stop();
        if (R.player === mine) R.player = null;
        setRunning(false);
      };
    }, [event.id, source]);
    if (R.player) R.player.faster = (by) => setSpeed((old) => SPEEDS[R.clamp(SPEEDS.indexOf(old) + by, 0, SPEEDS.length - 1)]);
    useEffect(() => R.player && R.player.speed(speed), [speed, source]);

    useEffect(() => {
      image.current = null;
      setHeatError(false);
      let alive = true;
      if (heat)
        R.sheet(heat.src)
          .then((found) => {
            if (!alive) return;
            image.current = found;
            paint();
          })
          .catch(async () => alive && !(await R.renew(event)) && setHeatError(true));
      return () => (alive = false);
    }, [event.id, heat && heat.src]);
    useEffect(paint);
    useEffect(() => {
      if (!R.player || R.player.time === null) refs.label.current.textContent = R.offset(event.start_s, 2);
    }, [event.id, source]);
    useEffect(() => {
      const watch = new ResizeObserver(() => paint());
      watch.observe(refs.screen.current);
      return () => watch.disconnect();
    }, []);

    const ratio = event.width && event.height ? event.width / event.height : event.strip ? event.strip.width / event.strip.height : 16 / 9;
    const view = heat && heat.view && event.width && event.height ? heat.view : null;
    const over = view
      ? { left: `${(view[0] / event.width) * 100}%`, top: `${(view[1] / event.height) * 100}%`, width: `${((view[2] - view[0]) / event.width) * 100}%`, height: `${((view[3] - view[1]) / event.height) * 100}%` }
      : { left: "0%", top: "0%", width: "100%", height: "100%" };
    const opacity = R.setting("opacity", 0.6);
    const why = R.text(failed || event.media_error || (event.clip && !clip ? "This browser cannot play the clip" : "No pictures of this event"), 300);
    const [from, to] = R.player ? [R.player.from, R.player.to] : clip ? [clip.start_s, clip.end_s] : [event.start_s, event.end_s];
    const still = kind === "none";
    const poster = event.poster || null;
    return html`<div class="player">
      <div class="stage"><div class="screen" ref=${(element) => { refs.screen.current = element; R.vars({ "--ratio": ratio })(element); }} data-kind=${kind}>
        ${kind === "clip" && html`<video key=${source} ref=${refs.media} src=${clip.src} muted playsinline preload="auto" tabindex="-1" aria-label="Clip of the event" onClick=${() => R.player && R.player.toggle()} />`}
        ${kind === "strip" && html`<div key=${source} class="sheet" ref=${refs.media} role="img" aria-label="Film strip of the event" onClick=${() => R.player && R.player.toggle()} />`}
        ${still && (poster ? html`<img class="still" src=${poster} alt="Picture of the event" />` : html`<${Blank} why=${why} />`)}
        <canvas class=${R.classes("heat", R.setting("smoothHeat", false) && "smooth")} aria-hidden="true" ref=${(element) => { refs.heat.current = element; R.vars({ ...over, opacity: String(opacity) })(element); }} />
        <canvas class="boxes" aria-hidden="true" ref=${refs.boxes} />
        ${kind === "strip" && html`<span class="corner">${failed || (event.clip && !clip) ? `${why}: film strip` : "Film strip"}</span>`}
      </div></div>
      ${kind !== "clip" && R.mode === "served" && !event.clip && html`<${Cut} event=${event} />`}
      <input class="seek" type="range" aria-label="Position in the video" ref=${refs.range} min=${from} max=${to} step="0.01" disabled=${still} onInput=${(input) => R.player && R.player.seek(Number(input.target.value))} />
      <div class="transport" role="group" aria-label="Playback">
        <${R.Button} id="to-start" icon="start" label="Go to the start of the event" keys="S" disabled=${still} onClick=${() => R.player && R.player.seek(event.start_s)} />
        <${R.Button} icon="frameBack" label="One frame back" keys="," disabled=${still} onClick=${() => R.player && R.player.frame(-1)} />
        <${R.Button} id="play" kind="primary round" icon=${running ? "pause" : "play"} label=${running ? "Pause" : "Play"} keys="Space" disabled=${still} onClick=${() => R.player && R.player.toggle()} />
        <${R.Button} icon="frameOn" label="One frame forward" keys="." disabled=${still} onClick=${() => R.player && R.player.frame(1)} />
        <output class="clock" ref=${refs.label} aria-label="Time in the video"></output>
        <label class="choose"><span class="unseen">Speed</span><select id="speed" value=${speed} disabled=${still} onChange=${(input) => setSpeed(Number(input.target.value))}>${SPEEDS.map((value) => html`<option key=${value} value=${value} selected=${value === speed}>${value} ×</option>`)}</select></label>
        <${R.Button} id="boxes" icon="box" label="Boxes" keys="B" pressed=${R.setting("boxes", true)} disabled=${!boxes.length} onClick=${R.toggleBoxes} />
        <${R.Button} id="heat" icon="heat" label="Heat map" keys="H" pressed=${R.heatOn()} disabled=${!heat} onClick=${R.toggleHeat} />
        <input class="opacity" type="range" aria-label="Opacity of the heat map" min="0.1" max="1" step="0.05" value=${opacity} disabled=${!heat || !R.heatOn()} onInput=${(input) => { R.keep("opacity", Number(input.target.value)); R.changed(); }} />
        <${R.Legend} />
        ${heatError && html`<span class="soft">${R.icon("warning")}The heat map cannot be loaded.</span>`}
      </div>
    </div>`;
  };

  const Cut = ({ event }) => {
    const [state, setState] = useState("");
    const cut = async () => {
      setState("Creating the clip …");
      try {
        await R.cut(event);
      } catch (error) {
        setState(`No clip: ${error.message}`);
      }
    };
    return html`<p class="cut-row"><button type="button" class="button" id="cut" onClick=${cut}>${R.icon("film")}Create a clip of this event</button><span role="status">${state}</span></p>`;
  };
})(window.Review);

"use strict";
// State of the view: filters, order, selection. It is stored in the URL fragment, so that reloads and links show the same.
(function (R) {
  const FRESH = {
    q: "", cameras: [], days: [], low: null, high: null, verdict: "any", region: null, // filters
    sort: "", layout: "grid", fold: true, sel: null, open: false,
  };
  R.state = { ...FRESH };
  R.unfolded = new Set();
  R.ui = { dialog: null, filters: false, error: null, mark: null, drafts: new Map() };
  R.SORTS = [
    { value: "excess", name: "Highest above threshold" },
    { value: "time", name: "By time" },
    { value: "camera", name: "By camera" },
    { value: "mixed", name: "Mixed order" },
  ];
  R.sorts = () => R.SORTS.filter((sort) => (R.blind ? sort.value !== "excess" : sort.value !== "mixed"));
  R.sort = () => (R.sorts().some((sort) => sort.value === R.state.sort) ? R.state.sort : R.blind ? "mixed" : "excess");

  let draw = () => {};
  let planned = false;
  R.onChange = (function_) => {
    draw = function_;
  };
  R.changed = () => {
    if (planned) return;
    planned = true;
    queueMicrotask(() => {
      planned = false;
      draw();
    });
  };
  R.set = (change, { push = false } = {}) => {
    Object.assign(R.state, change);
    write(push);
    R.changed();
  };

  R.filtering = () => {
    const s = R.state;
    return [s.q, s.cameras.length, s.days.length, s.low !== null, s.high !== null, s.verdict !== "any", s.region].filter(Boolean).length;
  };
  R.clearFilters = () => R.set({ q: "", cameras: [], days: [], low: null, high: null, verdict: "any", region: null });

  const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

  R.passes = (event) => {
    const s = R.state;
    if (s.cameras.length && !s.cameras.includes(event.camera)) return false;
    if (s.days.length && !s.days.includes(event.day)) return false;
    if (s.low !== null && (R.hidden(event) || event.score < s.low)) return false;
    if (s.high !== null && (R.hidden(event) || event.score > s.high)) return false;
    if (s.verdict !== "any") {
      const verdict = R.verdict(event);
      if (s.verdict === "open" ? verdict : s.verdict === "judged" ? !verdict : !verdict || verdict.verdict !== s.verdict) return false;
    }
    if (s.q) {
      const word = s.q.toLowerCase();
      const note = R.verdict(event)?.note;
      if (!R.hay(event).includes(word) && !(note && note.toLowerCase().includes(word))) return false;
    }
    return !s.region || (!R.hidden(event) && R.shares(event).some((box) => overlap(box, s.region)));
  };

  const name = (event) => R.camera(event).name;
  const time = (event) => event.start_utc || `${event.day || "~"} ${event.video_id}`;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const ORDERS = {
    excess: (a, b) => b.excess - a.excess || a.index - b.index,
    time: (a, b) => compare(time(a), time(b)) || a.start_s - b.start_s || a.index - b.index,
    camera: (a, b) => compare(name(a), name(b)) || ORDERS.time(a, b),
    mixed: (a, b) => R.shuffled(a.id) - R.shuffled(b.id) || a.index - b.index,
  };

  let memory = { key: null, value: null };
  // {items: [{event, more, member}], count}: `more` near duplicates are folded below the event
  R.visible = () => {
    const s = R.state;
    const key = JSON.stringify([s.q, s.cameras, s.days, s.low, s.high, s.verdict, s.region, R.sort(), s.fold, [...R.unfolded], R.version]);
    if (memory.key === key) return memory.value;
    const chosen = R.doc.events.filter(R.passes).sort(ORDERS[R.sort()]);
    const groups = new Map();
    for (const event of chosen) {
      const group = s.fold && !R.blind ? event.group || event.id : event.id; // control spans have no near duplicates
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(event);
    }
    const items = [];
    for (const [group, members] of groups) {
      const open = R.unfolded.has(group);
      items.push({ event: members[0], more: members.length - 1, open, group, members });
      if (open) for (const event of members.slice(1)) items.push({ event, more: 0, member: true, group, members: [event] });
    }
    memory = { key, value: { items, count: chosen.length, events: chosen } };
    return memory.value;
  };
  R.place = (id = R.state.sel) => R.visible().items.findIndex((item) => item.event.id === id);
  R.current = () => {
    const { items } = R.visible();
    const held = R.byId.get(R.state.sel);
    if (R.state.open && held) return held;
    return (items[Math.max(0, R.place())] || { event: null }).event;
  };
  R.unfold = (group) => {
    if (R.unfolded.has(group)) R.unfolded.delete(group);
    else R.unfolded.add(group);
    R.changed();
  };
  R.step = (by) => {
    const { items } = R.visible();
    if (!items.length) return;
    const at = R.state.sel === null ? 0 : R.place(); // without a selection, the first one is marked
    R.select(items[R.clamp(at < 0 ? 0 : at + by, 0, items.length - 1)].event.id);
  };
  R.select = (id) => {
    if (R.state.sel !== id) R.ui.mark = null;
    R.set({ sel: id });
  };
  R.openEvent = (id) => {
    const event = R.byId.get(id);
    if (R.place(id) < 0 && R.passes(event)) R.unfolded.add(event.group || event.id); // it is folded below another event
    R.ui.focus = "detail";
    R.ui.mark = null;
    R.set({ sel: id, open: true }, { push: !R.state.open });
  };
  R.close = () => {
    R.ui.focus = "list";
    R.set({ open: false }, { push: true });
  };

  // Browsers limit the rate of URL updates (about twenty per second), so updates are combined; the last one counts.
  const PAUSE = 60;
  let written = 0;
  let timer = 0;
  const flush = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    put(false);
  };
  window.addEventListener("beforeunload", flush);
  function write(push) {
    if (push || performance.now() - written > PAUSE) {
      clearTimeout(timer);
      timer = 0;
      put(push);
    } else if (!timer) timer = setTimeout(flush, PAUSE);
  }

  function put(push) {
    written = performance.now();
    const s = R.state;
    const parts = new URLSearchParams();
    const add = (name, value, fallback) => value !== fallback && value !== null && parts.set(name, value);
    add("q", s.q, "");
    for (const camera of s.cameras) parts.append("camera", R.doc.cameras[camera].name);
    for (const day of s.days) parts.append("day", day);
    add("min", s.low, null);
    add("max", s.high, null);
    add("verdict", s.verdict, "any");
    if (s.region) parts.set("region", s.region.map((share) => share.toFixed(3)).join(","));
    add("sort", s.sort, "");
    add("layout", s.layout, "grid");
    if (!s.fold) parts.set("fold", "off");
    add("event", s.sel, null);
    if (s.open) parts.set("view", "event");
    const hash = "#" + parts.toString();
    if (hash === (location.hash || "#")) return;
    try {
      if (push) history.pushState(null, "", hash);
      else history.replaceState(null, "", hash);
    } catch {
      /* a browser that limits how often: the next change writes it */
    }
  }

  R.readHash = () => {
    const parts = new URLSearchParams(location.hash.slice(1));
    const number = (name) => {
      const value = parts.get(name);
      return value !== null && value !== "" && Number.isFinite(Number(value)) ? Number(value) : null;
    };
    const region = (parts.get("region") || "").split(",").map(Number);
    const names = parts.getAll("camera");
    const verdict = parts.get("verdict") || "any";
    R.state = {
      ...FRESH,
      q: parts.get("q") || "",
      cameras: R.doc.cameras.map((_, index) => index).filter((index) => names.includes(R.doc.cameras[index].name)),
      days: parts.getAll("day").filter((day) => R.days.includes(day)),
      low: number("min"),
      high: number("max"),
      verdict: ["open", "judged", "true", "false", "unsure"].includes(verdict) ? verdict : "any",
      region: region.length === 4 && region.every(Number.isFinite) ? region : null,
      sort: parts.get("sort") || "",
      layout: parts.get("layout") === "list" ? "list" : "grid",
      fold: parts.get("fold") !== "off",
      sel: R.byId.has(parts.get("event")) ? parts.get("event") : null,
      open: parts.get("view") === "event" && R.byId.has(parts.get("event")),
    };
    R.changed();
  };
})(window.Review);

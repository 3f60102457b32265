"use strict";
// Keyboard control. Single-key shortcuts can be disabled (WCAG 2.1.4); the focused element has priority.
(function (R) {
  const typing = (target) => target.closest("textarea, select, [contenteditable]") || (target.matches("input") && !["checkbox", "radio", "range"].includes(target.type));
  const pressing = (target) => Boolean(target.closest("button, a, summary, input, [role=application]"));

  const focusNote = () => {
    const go = () => R.by("note") && R.by("note").focus();
    if (!R.state.open && R.current()) {
      R.openEvent(R.current().id);
      R.ui.focus = null;
      setTimeout(go, 60);
    } else go();
  };
  const find = () => {
    if (R.state.open && getComputedStyle(R.by("find") || document.body).display === "none") R.close();
    setTimeout(() => R.by("find") && R.by("find").focus(), 0);
  };
  const unfold = () => {
    const item = R.visible().items[Math.max(0, R.place())];
    if (item && (item.more > 0 || item.member)) {
      R.unfold(item.group);
      R.announce(R.unfolded.has(item.group) ? `${R.plural(item.members.length - 1, "similar event")} shown.` : "Similar events hidden.");
    }
  };
  const jump = (to) => {
    const { items } = R.visible();
    if (items.length) R.select(items[to < 0 ? items.length - 1 : 0].event.id);
  };
  const mark = (end) => R.state.open && R.player && R.player.time !== null && R.mark({ [end]: R.player.time });
  const at = (by) => R.player && R.player.time !== null && R.player.seek(R.clamp(R.player.time + by, R.player.from, R.player.to));

  // Letters and punctuation
  const SINGLE = new Map([
    ["j", () => R.step(1)],
    ["k", () => R.step(-1)],
    ["u", () => R.undo()],
    ["n", focusNote],
    ["h", () => R.toggleHeat()],
    ["b", () => R.toggleBoxes()],
    ["f", find],
    ["/", find],
    ["g", () => R.set({ layout: R.state.layout === "grid" ? "list" : "grid" })],
    ["e", unfold],
    ["x", () => R.dialog("export")],
    ["?", () => R.dialog("help")],
    ["i", () => mark("from")],
    ["o", () => mark("to")],
    ["s", () => R.player && R.player.seek(R.current().start_s)],
    [",", () => R.player && R.player.frame(-1)],
    [".", () => R.player && R.player.frame(1)],
    ["[", () => R.player && R.player.faster(-1)],
    ["]", () => R.player && R.player.faster(1)],
  ]);
  const DIGITS = { Digit1: "true", Digit2: "false", Digit3: "unsure", Digit4: "missed", Numpad1: "true", Numpad2: "false", Numpad3: "unsure", Numpad4: "missed" };

  const moves = (event) => {
    const open = R.state.open;
    const columns = R.columns || 1;
    const table = {
      ArrowDown: () => R.step(open ? 1 : columns),
      ArrowUp: () => R.step(open ? -1 : -columns),
      ArrowRight: () => (open ? at(1) : R.step(1)),
      ArrowLeft: () => (open ? at(-1) : R.step(-1)),
      Home: () => jump(1),
      End: () => jump(-1),
      PageDown: () => R.step(columns * 4),
      PageUp: () => R.step(-columns * 4),
      Enter: () => !open && R.current() && R.openEvent(R.current().id),
      " ": () => (open ? R.player && R.player.toggle() : R.current() && R.openEvent(R.current().id)),
    };
    return table[event.key];
  };

  // Synchronous, so that the next key is already handled as a shortcut.
  const leave = () => (R.by("detail-title") || R.by("events")).focus();

  // Arrow keys control the list if it, the event or nothing is focused; otherwise they scroll the page.
  const steering = (target) => target === document.body || Boolean(target.closest("#events, #detail"));

  document.addEventListener("keydown", (event) => {
    if (!R.doc || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (R.ui.dialog) {
      if (event.key !== "Escape") return;
      // Synchronous: a browser closes a dialog some time after the key, and would ignore a verdict typed immediately after.
      event.preventDefault();
      const open = document.querySelector("dialog[open]");
      if (open) open.close();
      return R.dialog(null);
    }
    if (event.key === "Escape") {
      if (typing(target)) {
        target.blur();
        return leave();
      }
      if (R.state.open) R.close();
      return;
    }
    if (typing(target)) {
      if (event.key === "Enter" && target.id === "find") leave();
      return;
    }
    const move = moves(event);
    if (move) {
      const busy = target.matches("input[type=range], input[type=radio], [role=application]") || ((event.key === " " || event.key === "Enter") && pressing(target));
      if (busy || !steering(target)) return;
      event.preventDefault();
      return move();
    }
    if (!R.setting("keys", true)) return;
    const verdict = DIGITS[event.code] || ({ 1: "true", 2: "false", 3: "unsure", 4: "missed" })[event.key];
    if (verdict) {
      event.preventDefault();
      if (event.repeat) return;
      if (verdict === "missed") R.missed(R.current());
      else R.judge(R.current(), verdict, { all: event.shiftKey });
      return;
    }
    const act = SINGLE.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });
})(window.Review);

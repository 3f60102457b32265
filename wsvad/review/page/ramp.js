"use strict";
// Colour scale of heat maps, 0 to 1: Inferno (Smith and van der Walt, matplotlib), readable by colour-blind users and in
// greyscale. Scripts cannot read the pixels of local files, so an SVG filter maps grey values to colours.
(function (R) {
  const STOPS = ["000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"];
  const table = (at) => STOPS.map((stop) => (parseInt(stop.slice(at, at + 2), 16) / 255).toFixed(4)).join(" ");
  R.rampCss = `linear-gradient(to right, ${STOPS.map((stop) => "#" + stop).join(", ")})`;

  // Table lookup; low values are almost transparent, so that the picture stays visible.
  R.RampFilter = () => R.html`<svg class="unseen" aria-hidden="true" focusable="false">
    <filter id="heat-ramp" x="0" y="0" width="100%" height="100%" color-interpolation-filters="sRGB">
      <feComponentTransfer in="SourceGraphic" result="colour">
        <feFuncR type="table" tableValues=${table(0)} /><feFuncG type="table" tableValues=${table(2)} /><feFuncB type="table" tableValues=${table(4)} />
      </feComponentTransfer>
      <feColorMatrix in="SourceGraphic" type="matrix" values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  0.92 0 0 0 0.08" result="mask" />
      <feComposite in="colour" in2="mask" operator="in" />
    </filter>
  </svg>`;

  const sheets = new Map(); // URL -> promise of a picture; the last ones are cached
  R.sheet = (src) => {
    if (!sheets.has(src)) {
      if (sheets.size > 12) sheets.delete(sheets.keys().next().value);
      sheets.set(
        src,
        new Promise((resolve, reject) => {
          const image = new Image();
          image.onload = () => resolve(image);
          image.onerror = () => {
            sheets.delete(src);
            reject(new Error("the heat cannot be loaded"));
          };
          image.src = src;
        }),
      );
    }
    return sheets.get(src);
  };

  // Container times are rounded (WebM: to milliseconds), so half a millisecond of tolerance selects the starting clip.
  const SLACK = 0.0006;
  R.clipAt = (heat, seconds) => {
    if (!heat || seconds === null) return -1;
    let [low, high] = [0, heat.start_s.length - 1];
    let found = -1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (heat.start_s[middle] <= seconds + SLACK) [found, low] = [middle, middle + 1];
      else high = middle - 1;
    }
    return found >= 0 && seconds + SLACK < heat.end_s[found] ? found : -1;
  };

  R.drawHeat = (canvas, image, clip, grid) => {
    if (canvas.width !== grid || canvas.height !== grid) Object.assign(canvas, { width: grid, height: grid });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, grid, grid);
    if (image && clip >= 0) pen.drawImage(image, clip * grid, 0, grid, grid, 0, 0, grid, grid);
  };

  R.drawBoxes = (canvas, boxes, shown) => {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    if (!shown) return;
    for (const [x1, y1, x2, y2] of boxes) {
      const at = [x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height];
      pen.lineJoin = "round";
      pen.strokeStyle = "rgba(0, 0, 0, .75)";
      pen.lineWidth = 4 * ratio;
      pen.strokeRect(...at);
      pen.strokeStyle = "#4be3ff";
      pen.lineWidth = 2 * ratio;
      pen.strokeRect(...at);
    }
  };
})(window.Review);

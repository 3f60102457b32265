"use strict";
// View of one event: picture, curve, verdict.
(function (R) {
  const { html, useEffect, useLayoutEffect, useRef } = R;

  const Broken = ({ error, again }) => html`<div class="empty" role="alert">${R.icon("error")}<h2>This event cannot be shown</h2><p dir="auto">${R.text(error.message, 400)}</p><button type="button" class="button" onClick=${again}>Try again</button></div>`;

  // Error boundary: a broken event does not affect the list and other events.
  R.Detail = class extends R.Component {
    componentDidCatch(error) {
      this.setState({ error, id: this.props.event.id });
    }
    render({ event }, { error, id }) {
      if (!error || id !== event.id) return html`<${Shown} event=${event} />`;
      return html`<main class="detail" id="detail"><div class="detail-head"><${R.Button} id="back" icon="back" label="Back to the list" keys="Esc" onClick=${R.close}>List<//></div><${Broken} error=${error} again=${() => this.setState({ error: null })} /></main>`;
    }
  };

  const Shown = ({ event: given }) => {
    const heading = useRef(null);
    const { items } = R.visible();
    const at = R.place(given.id);
    useLayoutEffect(() => {
      if (R.ui.focus === "detail" && heading.current) {
        R.ui.focus = null;
        heading.current.focus({ preventScroll: false });
      }
    });
    useEffect(() => {
      const when = R.when(given);
      R.announce(`${R.camera(given).name}, ${when.full}. ${at >= 0 ? `${at + 1} of ${items.length}. ` : ""}${R.verdict(given) ? R.verdictName(R.verdict(given).verdict) : "Not judged"}.`);
    }, [given.id]);
    const event = R.more(given);
    const when = R.when(event);
    const item = items[at];
    return html`<main class="detail" id="detail" aria-labelledby="detail-title">
      <div class="detail-head">
        <${R.Button} id="back" icon="back" label="Back to the list" keys="Esc" onClick=${R.close}>List<//>
        <h2 id="detail-title" tabindex="-1" ref=${heading}><bdi>${R.text(R.camera(event).name, 80)}</bdi> <time title=${R.utc(event.start_utc) || null}>${when.main}</time> <span class="soft">${R.text(when.side, 40)} ${R.text(when.zone, 40)}</span></h2>
        <${R.Verdict} record=${R.verdict(event)} />
        <span class="pair" role="group" aria-label="Other events">
          <${R.Button} id="previous" icon="up" label="Previous event" keys="K" disabled=${at <= 0} onClick=${() => R.step(-1)} />
          <span class="soft where">${at >= 0 ? `${R.whole(at + 1)} / ${R.whole(items.length)}` : "not in this list"}</span>
          <${R.Button} id="next" icon="down" label="Next event" keys="J" disabled=${at >= items.length - 1} onClick=${() => R.step(1)} />
        </span>
      </div>
      <div class="detail-body">
        <div class="looking"><${R.Player} event=${event} /><${R.Curve} event=${event} /></div>
        <${R.Panel} event=${event} item=${item} />
      </div>
    </main>`;
  };
})(window.Review);

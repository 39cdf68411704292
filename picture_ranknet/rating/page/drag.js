// Dragging pictures of a list: by mouse at once, by touch after a long press.

const FROM = 6;            // pixels
const LONG_PRESS = 350;    // ms
const EDGE = 60;           // pixels from the edges at which a list scrolls, even if the mouse is still
const FASTEST = 18;        // pixels a frame

/**
 * Let pictures be dragged.
 *
 * @param {Element} scroller - Scrolls near its edges.
 * @param {Element} canvas - Holds the cells.
 * @param {{mark: function, drop: function}} on - mark(event or null) shows where it would go;
 *   drop(row, event) puts it there.
 */
export function watchDrags(scroller, canvas, on) {
  canvas.addEventListener('pointerdown', event => {
    const cell = event.target.closest('.cell');
    if (cell && !event.button) new Drag(event, cell, scroller, on);
  });
}

class Drag {
  constructor(event, cell, scroller, on) {
    Object.assign(this, {from: event, last: event, cell, scroller, on, ghost: null});
    this.isTouch = event.pointerType === 'touch';
    if (this.isTouch) this.timer = setTimeout(() => this.lift(), LONG_PRESS);
    this.stop = new AbortController();
    const {signal} = this.stop;
    addEventListener('pointermove', at => this.move(at), {signal});
    addEventListener('pointerup', at => this.drop(at), {signal});
    addEventListener('pointercancel', () => this.end(), {signal});
    addEventListener('keydown', key => key.key === 'Escape' && this.ghost && this.cancel(key),
                     {signal, capture: true});
    scroller.addEventListener('touchmove', touch => this.ghost && touch.preventDefault(),
                              {signal, passive: false});
  }

  move(at) {
    this.last = at;
    const distance = Math.hypot(at.clientX - this.from.clientX, at.clientY - this.from.clientY);
    if (this.ghost) this.follow();
    else if (distance > FROM && this.isTouch) this.end();
    else if (distance > FROM) this.lift();
  }

  lift() {
    this.ghost = this.cell.firstElementChild.cloneNode();
    this.ghost.className = 'ghost';
    document.body.append(this.ghost);
    this.follow();
    this.scroll();
  }

  follow() {
    const {clientX, clientY} = this.last;
    this.ghost.style.transform = `translate(${clientX}px, ${clientY}px) translate(-50%, -50%)`;
    this.on.mark(this.last);
  }

  /** Scroll while the picture is held near an edge. */
  scroll() {
    if (!this.ghost) return;
    const {top, bottom} = this.scroller.getBoundingClientRect();
    const y = this.last.clientY;
    const into = Math.max(0, EDGE - (bottom - y)) - Math.max(0, EDGE - (y - top));
    if (into) {
      this.scroller.scrollTop += FASTEST * Math.max(-1, Math.min(1, into / EDGE));
      this.on.mark(this.last);
    }
    requestAnimationFrame(() => this.scroll());
  }

  drop(at) {
    const {ghost} = this;
    this.end();
    if (ghost) this.on.drop(Number(this.cell.dataset.row), at);
  }

  cancel(key) {
    key.preventDefault();
    key.stopPropagation();
    this.end();
  }

  end() {
    clearTimeout(this.timer);
    this.stop.abort();
    this.ghost?.remove();
    this.ghost = null;
    this.on.mark(null);
  }
}

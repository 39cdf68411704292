// Swipes on a touch screen: the picture follows the finger, and leaves if it is moved far enough.

const FROM = 10;      // pixels before a touch counts as a swipe rather than scrolling
const FAR = 60;       // pixels that count as a swipe
const SHOWN = .6;     // of the finger's distance, by which the picture moves

/**
 * Watch for swipes to the left and right.
 *
 * @param {Element} element - Where they begin; it moves with the finger.
 * @param {function} onSwipe - Called with -1 (to the left) or 1, and the event of its begin.
 */
export function watchSwipes(element, onSwipe) {
  let from = null;

  const follow = distance => {
    element.style.translate = distance ? `${SHOWN * distance}px` : '';
    element.style.opacity = distance ? String(1 - Math.min(.5, Math.abs(distance) / 400)) : '';
  };
  const end = () => {
    from = null;
    follow(0);
  };
  element.addEventListener('pointerdown', event => {
    from = event.pointerType === 'touch' && event.isPrimary ? event : null;
  });
  element.addEventListener('pointermove', event => {
    if (!from || event.pointerId !== from.pointerId) return;
    const distance = event.clientX - from.clientX;
    if (Math.abs(distance) > FROM) follow(distance);
  });
  element.addEventListener('pointerup', event => {
    const begin = from;
    const distance = begin ? event.clientX - begin.clientX : 0;
    end();
    if (begin && Math.abs(distance) >= FAR) onSwipe(Math.sign(distance), begin);
  });
  element.addEventListener('pointercancel', end);  // the page scrolls instead
}

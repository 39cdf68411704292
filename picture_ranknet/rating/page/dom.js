// Elements, and where pictures come from.

export const $ = id => document.getElementById(id);

/** Make an element: el('p', {className: 'x'}, 'text', child). */
export function el(name, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children.filter(child => child != null));
  return element;
}

/** A button that shows its key beside its label. */
export function keyButton(label, key, onclick, attributes = {}) {
  return el('button', {onclick, ...attributes}, label,
            el('kbd', {ariaHidden: 'true'}, key));
}

export function pictureUrl(row, size) {
  return `picture/${size}/${row}`;
}

/** A small picture; one that cannot be loaded leaves its place empty. */
export function thumbnail(row, alt = '') {
  return el('img', {src: pictureUrl(row, 'small'), alt, draggable: false, decoding: 'async',
                    onerror: event => event.target.classList.add('failed')});
}

// The search of the manual. The index is one file, search.json, which the page loads when the
// search box gets the focus. A section is found if it has every word of the query, also as the
// beginning of a word. Words in headings count more than words in the text.

const form = document.querySelector('#search');
const box = document.querySelector('#query');
const results = document.querySelector('#results');
const count = document.querySelector('#count');
const list = results.querySelector('ol');
const most = 30;

let index;
const load = () => (index ??= fetch('search.json').then((r) => {
  if (!r.ok) throw new Error(`search.json: status ${r.status}`);
  return r.json();
}).catch((err) => { index = undefined; throw err; }));

const words = (text) => text.toLowerCase().split(/[^\p{L}\p{N}_#$@%-]+/u).filter(Boolean);

// score returns how well a section fits the words; 0: a word is missing.
function score(section, wanted) {
  const heading = ` ${words(section.h).join(' ')} ${words(section.c).join(' ')}`;
  const text = ` ${words(section.t).join(' ')}`;
  let sum = 0;
  for (const word of wanted) {
    const points = (heading.includes(` ${word} `) ? 8 : heading.includes(` ${word}`) ? 4 : 0) +
      (text.includes(` ${word} `) ? 2 : text.includes(` ${word}`) || (word.length > 3 && text.includes(word)) ? 1 : 0);
    if (!points) return 0;
    sum += points;
  }
  return sum;
}

// excerpt returns the text around the first word of the query.
function excerpt(text, wanted) {
  const at = Math.max(0, ...wanted.map((word) => text.toLowerCase().indexOf(word)).filter((i) => i >= 0).slice(0, 1));
  const from = at > 60 ? text.indexOf(' ', at - 60) + 1 : 0;
  return (from ? '… ' : '') + text.slice(from, from + 180) + (from + 180 < text.length ? ' …' : '');
}

function item(section, wanted) {
  const link = document.createElement('a');
  link.href = section.a;
  link.textContent = section.h === section.c ? section.c : `${section.c}: ${section.h}`;
  const text = document.createElement('p');
  text.textContent = excerpt(section.t, wanted);
  const li = document.createElement('li');
  li.append(link, text);
  return li;
}

async function search() {
  const query = box.value;
  const wanted = words(query);
  if (!wanted.length) {
    results.hidden = true;
    return;
  }
  let found;
  try {
    found = (await load()).map((s) => [score(s, wanted), s]).filter(([n]) => n).sort(([a], [b]) => b - a);
  } catch {
    count.textContent = 'The search does not work at the moment, because the server cannot be reached.';
    list.replaceChildren();
    results.hidden = false;
    return;
  }
  if (box.value !== query) return; // the user has typed on
  count.textContent = found.length ? `${found.length} ${found.length === 1 ? 'section' : 'sections'} found` : `Nothing is found for “${query.trim()}”.`;
  list.replaceChildren(...found.slice(0, most).map(([, s]) => item(s, wanted)));
  results.hidden = false;
}

form.hidden = false;
box.addEventListener('focus', () => load().catch(() => {}));
box.addEventListener('input', search);
form.addEventListener('submit', (e) => {
  e.preventDefault();
  list.querySelector('a')?.click();
});
list.addEventListener('click', (e) => {
  if (e.target.closest('a')) results.hidden = true; // it may be a place on this page
});
addEventListener('keydown', (e) => {
  if (e.key === '/' && document.activeElement !== box) {
    e.preventDefault();
    box.focus();
  } else if (e.key === 'Escape' && !results.hidden) {
    box.value = '';
    results.hidden = true;
    box.focus();
  }
});

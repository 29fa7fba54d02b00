// Shows a sentence if app.js did not start, as in a browser that does not know its
// syntax. This script runs after it, and is plain enough for every browser.
if (!document.documentElement.getAttribute('data-started')) {
  document.body.className += ' old';
  document.getElementById('too-old').removeAttribute('hidden');
}

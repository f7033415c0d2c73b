// The colours of the Airflow around this page; of the browser where it stands alone. Runs before anything is drawn.
(function () {
  "use strict";
  function theme() {
    try {
      if (window.parent !== window) {
        var outer = window.parent.document.documentElement;
        if (outer.classList.contains("dark")) { return "dark"; }
        if (outer.classList.contains("light")) { return "light"; }
      }
    } catch (_error) { /* another site's frame: the browser's colours */ }
    return "";
  }
  function apply() { document.documentElement.dataset.theme = theme(); }
  apply();
  try {
    if (window.parent !== window) {
      new MutationObserver(apply).observe(window.parent.document.documentElement, { attributes: true, attributeFilter: ["class"] });
    }
  } catch (_error) { /* as above */ }
})();

// Comforts of the pages; every deed works without it, too. Nothing from the server is ever put in as HTML.
(function () {
  "use strict";
  var body = document.body;

  // Airflow shows us in a sandboxed frame that may not open windows, nor everywhere save files: its own document does.
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[data-airflow],a[data-download]");
    if (!link || window.parent === window) { return; }
    try {
      var twin = window.parent.document.createElement("a");
      twin.href = link.href;
      if (link.target === "_blank") { twin.target = "_blank"; twin.rel = "noopener noreferrer"; }
      event.preventDefault();
      window.parent.document.body.appendChild(twin);
      twin.click();
      twin.remove();
    } catch (_error) { link.target = "_top"; }
  });

  function buttons(form) { return Array.from(form.elements).filter(function (one) { return one.type === "submit"; }); }
  document.querySelectorAll("form[data-busy]").forEach(function (form) {
    form.addEventListener("submit", function () {
      form.setAttribute("aria-busy", "true");
      window.setTimeout(function () { buttons(form).forEach(function (one) { one.disabled = true; }); }, 0);
    });
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[aria-busy]").forEach(function (form) { buttons(form).forEach(function (one) { one.disabled = false; }); });
  });

  document.querySelectorAll("[data-all]").forEach(function (all) {
    all.addEventListener("change", function () {
      document.querySelectorAll("input[name=item]").forEach(function (one) { one.checked = all.checked; });
    });
  });

  document.querySelectorAll("[data-copy]").forEach(function (button) {
    button.addEventListener("click", function () {
      var from = document.getElementById(button.dataset.copy);
      var text = from.value || from.textContent;
      if (navigator.clipboard) { navigator.clipboard.writeText(text).catch(function () { choose(from); }); } else { choose(from); }
    });
  });
  function choose(from) {
    if (from.select) { from.select(); } else { window.getSelection().selectAllChildren(from); }
  }

  function later(wait, deed) {
    var timer = 0;
    return function () { window.clearTimeout(timer); timer = window.setTimeout(deed, wait); };
  }

  document.querySelectorAll("form[data-try]").forEach(function (form) {
    var input = form.querySelector("input[name=name]");
    var verdict = form.parentElement.querySelector(".verdict");
    var asked = 0;
    input.addEventListener("input", later(150, function () {
      var mine = ++asked;
      fetch(form.dataset.try + "?name=" + encodeURIComponent(input.value), { headers: { accept: "application/json" } })
        .then(function (answer) { return answer.json(); })
        .then(function (found) {
          if (mine !== asked) { return; }
          verdict.textContent = found.text || found.error || "";
          verdict.className = "verdict " + (found.verdict || "");
        });
    }));
  });

  // Only what the chosen protocol has.
  document.querySelectorAll("select[name=protocol]").forEach(function (select) {
    function fit() {
      document.querySelectorAll("[data-for]").forEach(function (part) {
        part.hidden = part.dataset.for.split(" ").indexOf(select.value) < 0;
      });
    }
    select.addEventListener("change", fit);
    fit();
  });

  document.querySelectorAll("form[data-check]").forEach(function (form) {
    var yaml = form.querySelector("#yaml");
    var truth = form.querySelector("input[name=source_of_truth]");
    var problems = form.querySelector(".problems");
    var diff = form.querySelector(".diff");
    var link = form.querySelector("[data-connection]");
    var asked = 0;
    function show(found) {
      if (truth.value === "form") { yaml.value = found.yaml; }
      problems.replaceChildren();
      (found.problems || []).forEach(function (one) { add(problems, "li", "bad", problems.dataset.line.replace("{line}", one.line).replace("{what}", function () { return one.text; })); });
      if (!found.problems.length) { add(problems, "li", "good", problems.dataset.well); }
      diff.replaceChildren();
      found.difference.forEach(function (one) { add(diff, "span", one.kind, one.line + "\n"); });
      if (!found.difference.length) { diff.textContent = diff.dataset.none; }
    }
    function add(parent, tag, kind, text) {
      var one = document.createElement(tag);
      one.className = kind;
      one.textContent = text;
      parent.appendChild(one);
    }
    var check = later(250, function () {
      var mine = ++asked;
      fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { accept: "application/json", "x-ezcold-csrf": body.dataset.csrf } })
        .then(function (answer) { return answer.json(); })
        .then(function (found) {
          if (mine !== asked) { return; }
          if (found.error) { problems.replaceChildren(); add(problems, "li", "bad", found.error); } else { show(found); }
        });
    });
    form.addEventListener("input", function (event) {
      truth.value = event.target === yaml ? "yaml" : "form";
      if (link && event.target.name === "connection") {
        link.search = "?conn_id=" + encodeURIComponent(event.target.value) + "&protocol=" + encodeURIComponent(form.elements.protocol.value);
      }
      check();
    });
  });

  document.querySelectorAll("[data-poll]").forEach(function (part) {
    function look() {
      fetch(part.dataset.poll, { headers: { accept: "application/json" } })
        .then(function (answer) { return answer.json(); })
        .then(function (found) { if (found.state === "waiting") { window.setTimeout(look, 2000); } else { window.location.reload(); } })
        .catch(function () { window.setTimeout(look, 5000); });
    }
    window.setTimeout(look, 2000);
  });
})();

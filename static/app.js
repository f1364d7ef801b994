// Every page works without this file. It keeps an element with data-poll fresh
// by fetching the page again, where browsers without scripts reload all of it.
(function () {
  "use strict";

  function poll(element) {
    var wait = Number(element.dataset.poll);
    if (!wait) return;
    setTimeout(function () {
      fetch(location.href, { credentials: "same-origin", redirect: "error" })
        .then(function (answer) {
          if (!answer.ok) throw new Error("status " + answer.status);
          return answer.text();
        })
        .then(function (text) {
          var fresh = new DOMParser().parseFromString(text, "text/html").getElementById(element.id);
          if (!fresh) throw new Error("no such element");
          element.replaceWith(fresh);
          poll(fresh);
        })
        .catch(function () { location.reload(); });
    }, wait);
  }

  document.querySelectorAll("[data-poll]").forEach(poll);
})();

package push

import (
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
)

// takeIngest takes lines, arrays, pages or single objects of JSON, and what Amazon
// EventBridge and event hooks send. A body that is none of them is kept and answered
// like any other: EventBridge drops it else. It sends again after 401, 407, 409, 429,
// 5xx and 5 seconds without an answer, and waits as Retry-After says; event hooks of
// Okta send once more after 3 seconds or an error.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
// https://developer.okta.com/docs/concepts/event-hooks/
func (h *Handler) takeIngest(w http.ResponseWriter, r *http.Request, who sender, b *body) *fault {
	cut := h.batch(b)
	if _, f := h.keep(who, cut, cut.pieces(b.data, who.kind.Wraps)); f != nil {
		return f
	}
	answer(w, http.StatusOK, `{"accepted":`+strconv.Itoa(len(cut.records))+`}`)
	return nil
}

// serveChallenge answers what Okta asks once before it sends to an event hook. A
// browser's GET ends here, too.
func (h *Handler) serveChallenge(w http.ResponseWriter, r *http.Request) {
	who, f := h.admit(r)
	if f != nil {
		h.refuse(w, r, door{refuse: refuseIngest}, who, f)
		return
	}
	challenge := r.Header.Get("X-Okta-Verification-Challenge")
	if challenge == "" {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, `{"error":"send events with POST"}`)
		return
	}
	answer(w, http.StatusOK, `{"verification":`+quote(challenge)+`}`)
}

func refuseIngest(w http.ResponseWriter, _ *http.Request, f *fault) {
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="exhibit"`)
	}
	answer(w, f.status, `{"error":`+quote(f.text)+`}`)
}

// answer writes an answer in JSON. Who has gone does not read it, and sends again.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// quote writes a text as JSON.
func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return `""` // not UTF-8
	}
	return string(b)
}

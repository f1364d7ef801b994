package push

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"exhibit/ingest/source"
)

// takeDatadog takes what Datadog's intake does: an array of logs, one log, or lines.
// Keys under which pages of a kind hold their records mean nothing here: what is around
// a log stays with it.
func (h *Handler) takeDatadog(w http.ResponseWriter, r *http.Request, who sender, b *body) *fault {
	cut := h.batch(b)
	err := cut.pieces(b.data, nil)
	// Agents send an empty object to find out whether somebody is there.
	cut.records = slices.DeleteFunc(cut.records, func(r source.Record) bool { return string(r.Raw) == "{}" })
	if _, f := h.keep(who, cut, err); f != nil {
		return f
	}
	if b.damaged {
		return &fault{status: http.StatusBadRequest, why: whyMalformed, text: "the body cannot be uncompressed", kept: true}
	}
	status := http.StatusAccepted
	if !strings.HasPrefix(r.URL.Path, "/api/v2/") {
		status = http.StatusOK
	}
	answer(w, status, `{}`)
	return nil
}

func refuseDatadog(w http.ResponseWriter, r *http.Request, f *fault) {
	if !strings.HasPrefix(r.URL.Path, "/api/v2/") {
		answer(w, f.status, `{"error":{"code":`+quote(http.StatusText(f.status))+`,"message":`+quote(f.text)+`}}`)
		return
	}
	answer(w, f.status, `{"errors":[{"status":"`+strconv.Itoa(f.status)+`","title":`+quote(http.StatusText(f.status))+`,"detail":`+quote(f.text)+`}]}`)
}

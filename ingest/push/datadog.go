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

// refuseDatadog answers as Datadog does: 401 when there is no key, 403 when it is wrong.
// Its own limits (5 MB, 1,000 logs, 1 MB for each) are lower than those here.
// https://docs.datadoghq.com/api/latest/logs/send-logs/
func refuseDatadog(w http.ResponseWriter, r *http.Request, f *fault) {
	status := f.status
	if f.why == whyToken || f.why == whyEnded {
		status = http.StatusForbidden
	}
	if !strings.HasPrefix(r.URL.Path, "/api/v2/") {
		answer(w, status, `{"code":`+strconv.Itoa(status)+`,"message":`+quote(f.text)+`}`)
		return
	}
	answer(w, status, `{"errors":[{"status":"`+strconv.Itoa(status)+`","title":`+quote(http.StatusText(status))+`,"detail":`+quote(f.text)+`}]}`)
}

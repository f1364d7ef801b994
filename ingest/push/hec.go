package push

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The codes of Splunk's HTTP Event Collector, as the table of "Possible error codes" has
// them, 0 to 27, with their texts and statuses. Those that are left out are of things
// that Exhibit does not have: indexes (7), tokens without acks (14), a check of tokens by
// health (21, 22), warnings (24, 25). For too large a request there is none: it is
// an invalid format (6) with the status that HTTP has for it.
// https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector
const (
	hecSuccess        = 0
	hecDisabled       = 1
	hecNoToken        = 2
	hecAuthorization  = 3
	hecToken          = 4
	hecNoData         = 5
	hecFormat         = 6
	hecInternal       = 8
	hecBusy           = 9
	hecNoChannel      = 10
	hecChannel        = 11
	hecNoEvent        = 12
	hecBlankEvent     = 13
	hecFields         = 15
	hecQuery          = 16
	hecHealthy        = 17
	hecQueuesAreFull  = 18
	hecFull           = 26
	channelHeader     = "X-Splunk-Request-Channel"
	channelTextLength = 36
)

// hecAnswer returns the status and the words of a code.
func hecAnswer(code int) (status int, text string) {
	switch code {
	case hecSuccess:
		return http.StatusOK, "Success"
	case hecDisabled:
		return http.StatusForbidden, "Token disabled"
	case hecNoToken:
		return http.StatusUnauthorized, "Token is required"
	case hecAuthorization:
		return http.StatusUnauthorized, "Invalid authorization"
	case hecToken:
		return http.StatusForbidden, "Invalid token"
	case hecNoData:
		return http.StatusBadRequest, "No data"
	case hecFormat:
		return http.StatusBadRequest, "Invalid data format"
	case hecBusy:
		return http.StatusServiceUnavailable, "Server is busy"
	case hecNoChannel:
		return http.StatusBadRequest, "Data channel is missing"
	case hecChannel:
		return http.StatusBadRequest, "Invalid data channel"
	case hecNoEvent:
		return http.StatusBadRequest, "Event field is required"
	case hecBlankEvent:
		return http.StatusBadRequest, "Event field cannot be blank"
	case hecFields:
		return http.StatusBadRequest, "Error in handling indexed fields"
	case hecQuery:
		return http.StatusBadRequest, "Query string authorization is not enabled"
	case hecHealthy:
		return http.StatusOK, "HEC is healthy"
	case hecQueuesAreFull:
		return http.StatusServiceUnavailable, "HEC is unhealthy, queues are full"
	case hecFull:
		return http.StatusTooManyRequests, "HEC queue is at capacity and cannot process any more requests"
	}
	return http.StatusInternalServerError, "Internal server error"
}

// takeHEC takes events, objects one after the other. Splunk keeps the events before
// one that is wrong, and says which that is; Exhibit keeps the wrong one and those
// behind it, too, because senders drop what they are told to be wrong. The record is
// the event with what is around it: its time may be there and nowhere else.
func (h *Handler) takeHEC(w http.ResponseWriter, r *http.Request, who sender, b *body) *fault {
	cut := h.batch(b)
	err := cut.objects()
	return h.keepHEC(w, r, who, cut, err, func() *fault {
		for i := range cut.records {
			if code := hecCheck(cut.records[i].Raw); code != hecSuccess {
				return &fault{code: code, event: &i}
			}
		}
		return nil
	})
}

// takeHECRaw takes anything: what it is, the source's kind knows.
func (h *Handler) takeHECRaw(w http.ResponseWriter, r *http.Request, who sender, b *body) *fault {
	cut := h.batch(b)
	err := cut.pieces(b.data, who.kind.Wraps)
	return h.keepHEC(w, r, who, cut, err, func() *fault { return nil })
}

// keepHEC keeps what was cut, but for err, and answers; check says which is no event.
func (h *Handler) keepHEC(w http.ResponseWriter, r *http.Request, who sender, cut *batch, err error, check func() *fault) *fault {
	ch, f := channelOf(r)
	if f != nil {
		return f
	}
	// Firehose of Amazon sends nothing to find out whether somebody is there, and wants
	// to be told that it is nothing.
	mark, f := h.keep(who, cut, err)
	if f != nil {
		return f
	}
	if len(cut.records) == 0 {
		f = &fault{code: hecNoData}
	} else {
		f = check()
	}
	if f != nil {
		f.why, f.kept = whyMalformed, true
		f.status, f.text = hecAnswer(f.code)
		return f
	}
	text := `{"text":"Success","code":0`
	if ch != "" {
		text += `,"ackId":` + strconv.FormatUint(h.acks.add(who.token, ch, mark), 10)
	}
	answer(w, http.StatusOK, text+"}")
	return nil
}

// hecCheck returns what is wrong with an event.
func hecCheck(raw []byte) int {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if dec.PeekKind() != '{' {
		return hecFormat
	}
	if _, err := dec.ReadToken(); err != nil {
		return hecFormat
	}
	code := hecNoEvent
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return hecFormat
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return hecFormat
		}
		switch {
		case key == "event" && (value.Kind() == 'n' || len(bytes.TrimSpace(bytes.Trim(value, `"`))) == 0):
			return hecBlankEvent
		case key == "event":
			code = hecSuccess
		case key == "fields" && !flat(value):
			return hecFields
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return hecFormat
	}
	return code
}

// flat reports whether the value is an object that holds no objects, as fields must be.
func flat(v jsontext.Value) bool {
	if v.Kind() != '{' {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	for depth := 0; ; {
		t, err := dec.ReadToken()
		if err != nil {
			return err == io.EOF
		}
		switch t.Kind() {
		case '{':
			if depth++; depth > 1 {
				return false
			}
		case '}':
			depth--
		}
	}
}

// channelOf returns the channel of a request, or nothing. With one, the answer says
// how to ask whether the events are in the ledger.
func channelOf(r *http.Request) (string, *fault) {
	ch := r.Header.Get(channelHeader)
	if ch == "" {
		ch = r.URL.Query().Get("channel")
	}
	if ch == "" {
		return "", nil
	}
	ch = strings.ToLower(ch)
	for i := range len(ch) {
		isDash := i == 8 || i == 13 || i == 18 || i == 23
		if len(ch) != channelTextLength || isDash != (ch[i] == '-') || !isDash && !strings.ContainsRune("0123456789abcdef", rune(ch[i])) {
			status, text := hecAnswer(hecChannel)
			return "", &fault{status: status, code: hecChannel, why: whyMalformed, text: text}
		}
	}
	return ch, nil
}

// maxAsked is how large a question for acks may be: each takes more memory than what
// is asked, and there are not so many that are remembered.
const maxAsked = 256 << 10

// takeHECAck answers which requests of a channel are in the ledger.
func (h *Handler) takeHECAck(w http.ResponseWriter, r *http.Request, who sender, b *body) *fault {
	ch, f := channelOf(r)
	if f != nil {
		f.kept = true // there is nothing to keep
		return f
	}
	if ch == "" {
		status, text := hecAnswer(hecNoChannel)
		return &fault{status: status, code: hecNoChannel, why: whyMalformed, text: text, kept: true}
	}
	if len(b.data) > maxAsked {
		_, text := hecAnswer(hecFormat)
		return &fault{status: http.StatusRequestEntityTooLarge, code: hecFormat, why: whyTooLarge, text: text, kept: true}
	}
	var asked struct {
		Acks []uint64 `json:"acks"`
	}
	if err := json.Unmarshal(b.data, &asked); err != nil || b.damaged {
		status, text := hecAnswer(hecFormat)
		return &fault{status: status, code: hecFormat, why: whyMalformed, text: text, kept: true, cause: err}
	}
	done := h.acks.done(who.token, ch, asked.Acks, h.Spool.Committed())
	text := []byte(`{"acks":{`)
	for i, id := range asked.Acks {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(strconv.AppendUint(append(text, '"'), id, 10), `":`...)
		text = strconv.AppendBool(text, done[i])
	}
	answer(w, http.StatusOK, string(text)+"}}")
	return nil
}

// serveHECHealth says whether there is room for events. Splunk wants no token here.
func (h *Handler) serveHECHealth(w http.ResponseWriter, _ *http.Request) {
	code := hecHealthy
	if !h.Spool.Status().Full.IsZero() {
		code = hecQueuesAreFull
	}
	status, text := hecAnswer(code)
	answer(w, status, `{"text":`+quote(text)+`,"code":`+strconv.Itoa(code)+`}`)
}

// refuseHEC answers in Splunk's words and statuses.
func refuseHEC(w http.ResponseWriter, _ *http.Request, f *fault) {
	code := f.code
	if code == hecSuccess {
		code = hecInternal // a fault without a code is no success
	}
	status, text := hecAnswer(code)
	switch f.status {
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		status = f.status // senders look at it, and there is no code of Splunk's for it
	}
	if code == hecInternal {
		status = f.status
	}
	out := `{"text":` + quote(text) + `,"code":` + strconv.Itoa(code)
	if f.event != nil {
		out += `,"invalid-event-number":` + strconv.Itoa(*f.event)
	}
	answer(w, status, out+"}")
}
